import Basics
import Models
import Testing

/// Expected numbers are those of transformers 5.24's `ROPE_INIT_FUNCTIONS`, in single precision.
@Suite struct RotaryFrequencyTests {
  private func check(
    head: Int, theta: Double, scaling: RopeScaling, _ expected: [(Int, Double)], magnitude: Double = 1
  ) {
    let config = ModelConfig(
      hiddenSize: head * 4, layerCount: 1, headCount: 4, keyValueHeadCount: 4, headDimension: head,
      intermediateSize: 8, vocabularySize: 8, maxPositionEmbeddings: 131_072, ropeTheta: theta, ropeScaling: scaling)
    let (frequencies, factor) = config.rotaryFrequencies()
    #expect(frequencies.count == head / 2)
    for (index, value) in expected {
      #expect(abs(frequencies[index] / value - 1) < 1e-6, "pair \(index): \(frequencies[index])")
    }
    #expect(abs(factor - magnitude) < 1e-12)
  }

  @Test func `linear scaling divides every frequency`() {
    check(
      head: 16, theta: 10000, scaling: .linear(factor: 4),
      [(0, 0.25), (1, 0.07905694097280502), (4, 0.0025), (7, 7.905694656074047e-05)])
  }

  @Test func `llama3 keeps high frequencies and divides low ones`() {
    check(
      head: 64, theta: 500_000,
      scaling: .llama3(factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 8192),
      [
        (0, 1), (1, 0.663601279258728), (13, 0.00483942124992609), (16, 0.000429556705057621),
        (18, 1.9461638657958247e-05), (24, 1.6619674170215148e-06), (31, 9.418306490260875e-08),
      ])
  }

  @Test func `yarn ramps over whole dimensions and scales cosine and sine`() throws {
    let json: JSON = [
      "rope_scaling": ["rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 32768]
    ]
    check(
      head: 128, theta: 1_000_000, scaling: try yarn(json),
      [
        (0, 1), (1, 0.8058422207832336), (16, 0.03162277862429619), (29, 0.0014051124453544617),
        (32, 0.0006029411451891065), (34, 0.00033424055436626077), (48, 7.905693564680405e-06),
        (63, 3.102344408034696e-07),
      ], magnitude: 1.138629436111989)
  }

  @Test func `yarn without truncation and with two magnitudes`() throws {
    let json: JSON = [
      "rope_scaling": [
        "rope_type": "yarn", "factor": 8, "original_max_position_embeddings": 2048, "truncate": false, "mscale": 1,
        "mscale_all_dim": JSON(0.5), "beta_fast": 16, "beta_slow": 2,
      ]
    ]
    check(
      head: 32, theta: 10000, scaling: try yarn(json),
      [
        (4, 0.1), (5, 0.05623412877321243), (8, 0.003305222140625119), (10, 0.00039528473280370235),
        (12, 0.0001250000059371814), (15, 2.2228492525755428e-05),
      ], magnitude: 1.094179988101349)
  }

  private func yarn(_ part: JSON) throws -> RopeScaling {
    var object: JSON.Object = [
      "model_type": "llama", "hidden_size": 64, "intermediate_size": 8, "num_hidden_layers": 1,
      "num_attention_heads": 4, "vocab_size": 8,
    ]
    object["rope_scaling"] = part["rope_scaling"]
    return try ModelConfig(json: .object(object), place: "test").ropeScaling
  }
}
