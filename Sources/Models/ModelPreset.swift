import Basics

/// Shapes that `preset:NAME` stands for; their weights are random, from a seed.
package enum ModelPreset: String, Sendable, CaseIterable {
  /// A small decoder for demonstrations on a CPU.
  case nano
  /// SmolLM2-135M's shape.
  case m135 = "135m"
  /// Llama-3.2-1B's shape.
  case b1 = "1b"
  /// Llama-3.1-8B's shape.
  case b8 = "8b"
  /// phi-4's shape as a Llama.
  case b14 = "14b"

  /// The vocabulary of the model whose shape this is; `nano` has none of its own.
  package var usualVocabularySize: Int {
    switch self {
    case .nano: 259
    case .m135: 49_152
    case .b1, .b8: 128_256
    case .b14: 100_352
    }
  }

  /// The configuration with a vocabulary of `vocabularySize` (default: the usual one).
  package func config(vocabularySize: Int? = nil, bosID: Int? = nil, eosIDs: [Int] = [], padID: Int? = nil)
    -> ModelConfig
  {
    var config = shape
    config.vocabularySize = vocabularySize ?? usualVocabularySize
    config.bosID = bosID
    config.eosIDs = eosIDs
    config.padID = padID
    return config
  }

  private var shape: ModelConfig {
    let llama3 = { (factor: Double) in
      RopeScaling.llama3(factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 8192)
    }
    return switch self {
    case .nano:
      ModelConfig(
        hiddenSize: 192, layerCount: 4, headCount: 4, keyValueHeadCount: 2, intermediateSize: 512,
        vocabularySize: 0, maxPositionEmbeddings: 1024, tieWordEmbeddings: true)
    case .m135:
      ModelConfig(
        hiddenSize: 576, layerCount: 30, headCount: 9, keyValueHeadCount: 3, intermediateSize: 1536,
        vocabularySize: 0, maxPositionEmbeddings: 8192, ropeTheta: 100_000, tieWordEmbeddings: true)
    case .b1:
      ModelConfig(
        hiddenSize: 2048, layerCount: 16, headCount: 32, keyValueHeadCount: 8, intermediateSize: 8192,
        vocabularySize: 0, maxPositionEmbeddings: 131_072, ropeTheta: 500_000, ropeScaling: llama3(32),
        tieWordEmbeddings: true)
    case .b8:
      ModelConfig(
        hiddenSize: 4096, layerCount: 32, headCount: 32, keyValueHeadCount: 8, intermediateSize: 14_336,
        vocabularySize: 0, maxPositionEmbeddings: 131_072, ropeTheta: 500_000, ropeScaling: llama3(8))
    case .b14:
      ModelConfig(
        hiddenSize: 5120, layerCount: 40, headCount: 40, keyValueHeadCount: 10, intermediateSize: 17_920,
        vocabularySize: 0, maxPositionEmbeddings: 16_384, ropeTheta: 250_000)
    }
  }
}
