import Tensors

/// Makes instructions ready to run: resolves and checks operands, and notes the scratch space that they need.
struct StepCompiler {
  var resolver: ViewResolver
  let pool: WorkerPool
  let scratch: Scratch
  var sharedBytes = 0
  var threadBytes = 0

  mutating func reserve(shared: Int = 0, perThread: Int = 0) {
    sharedBytes = max(sharedBytes, shared)
    threadBytes = max(threadBytes, perThread)
  }

  mutating func compile(_ operation: Operation) throws(TensorError) -> Step.Body {
    switch operation {
    case .embed(let ids, let table, let out): return try embed(ids, table, out)
    case .embedBackward(let ids, let outGradient, let tableGradient):
      return try embedBackward(ids, outGradient, tableGradient)
    case .gemm(let a, let transposeA, let b, let transposeB, let c, let accumulate, let bias):
      return try gemm(a, transposeA, b, transposeB, c, accumulate, bias)
    case .biasBackward(let outGradient, let biasGradient): return try biasBackward(outGradient, biasGradient)
    case .rmsNorm(let x, let weight, let out, let inverse, let epsilon):
      return try rmsNorm(x, nil, nil, weight, out, inverse, epsilon)
    case .addRMSNorm(let x, let delta, let sum, let weight, let out, let inverse, let epsilon):
      return try rmsNorm(x, delta, sum, weight, out, inverse, epsilon)
    case .rmsNormBackward(let x, let weight, let inverse, let outGradient, let xGradient, let weightGradient, let keep):
      return try rmsNormBackward(x, weight, inverse, outGradient, xGradient, weightGradient, accumulate: keep)
    case .rope(let x, let positions, let cosine, let sine, let heads, let inverse):
      return try rope(x, positions, cosine, sine, heads: heads, inverse: inverse)
    case .attention(let operands): return try attention(operands)
    case .attentionBackward(let operands, let outGradient, let qGradient, let kGradient, let vGradient, let delta):
      return try attentionBackward(operands, outGradient, qGradient, kGradient, vGradient, delta)
    case .appendToCache(let k, let v, let keyCache, let valueCache, let slots, let positions, let length):
      return try appendToCache(k, v, keyCache, valueCache, slots, positions, length: length)
    case .attentionOverCache(
      let q, let keyCache, let valueCache, let slots, let positions, let out, let heads, let keyValueHeads, let length,
      let scale, let window, let softCap):
      let shape = try HeadShape(
        width: q.columns, heads: heads, keyValueHeads: keyValueHeads, scale: scale, window: window, softCap: softCap,
        resolver)
      return try attentionOverCache(q, keyCache, valueCache, slots, positions, out, shape, length: length)
    case .gatedActivation(let kind, let gate, let up, let out): return try gatedActivation(kind, gate, up, out)
    case .gatedActivationBackward(let kind, let gate, let up, let outGradient, let gateGradient, let upGradient):
      return try gatedActivationBackward(kind, gate, up, outGradient, gateGradient, upGradient)
    case .linearCrossEntropy(let operands): return try linearCrossEntropy(operands)
    case .scoreTargets(let logits, let targets, let logProbability, let best):
      return try scoreTargets(logits, targets, logProbability, best)
    case .gatherRows(let x, let rows, let out): return try gatherRows(x, rows, out)
    case .add(let a, let b, let out): return try add(a, b, out)
    case .copy(let x, let out): return try copy(x, out)
    case .zero(let x): return try zero(x)
    case .scale(let x, let factor): return try scale(x, factor)
    case .sumOfSquares(let x, let out, let accumulate): return try sumOfSquares(x, out, accumulate: accumulate)
    case .clipFactor(let squares, let norm, let clip, let maximum):
      return try clipFactor(squares, norm, clip, maximum)
    case .update(let operands): return try update(operands)
    case .cast(let x, let out): return try cast(x, out)
    case .dequantise(let matrix, let out): return try dequantise(matrix, out)
    case .dropout(let x, let out, let rate, let stream): return try dropout(x, out, rate, stream)
    case .fetch(let from, let into, let transfer): return try fetch(from, into, transfer)
    case .evict(let from, let into, let transfer): return try evict(from, into, transfer)
    case .wait(let transfer, _): return try wait(transfer)
    }
  }
}

extension Operation {
  /// The operation's name, for messages and profiles.
  package var name: String {
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
