import Tensors

extension Operation {
  /// The operation's name, for messages, profiles and `KernelTable`.
  package var title: String {
    switch self {
    case .embed: "embed"
    case .embedBackward: "embedBackward"
    case .gemm: "gemm"
    case .biasBackward: "biasBackward"
    case .rmsNorm: "rmsNorm"
    case .addRMSNorm: "addRMSNorm"
    case .rmsNormBackward: "rmsNormBackward"
    case .rope: "rope"
    case .attention: "attention"
    case .attentionBackward: "attentionBackward"
    case .appendToCache: "appendToCache"
    case .attentionOverCache: "attentionOverCache"
    case .gatedActivation: "gatedActivation"
    case .gatedActivationBackward: "gatedActivationBackward"
    case .linearCrossEntropy: "linearCrossEntropy"
    case .scoreTargets: "scoreTargets"
    case .gatherRows: "gatherRows"
    case .add: "add"
    case .copy: "copy"
    case .zero: "zero"
    case .scale: "scale"
    case .sumOfSquares: "sumOfSquares"
    case .clipFactor: "clipFactor"
    case .update(let operands): operands.rule.rawValue
    case .cast: "cast"
    case .dequantise: "dequantise"
    case .dropout: "dropout"
    case .fetch: "fetch"
    case .evict: "evict"
    case .wait: "wait"
    }
  }
}
