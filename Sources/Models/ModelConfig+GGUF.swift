import Basics
import Foundation

extension ModelConfig {
  /// The configuration in a GGUF file's metadata (architectures llama and qwen2) and its table of tensors.
  package init(gguf file: GGUFFile) throws(ModelError) {
    let reader = ModelConfigReader(object: file.metadata, place: file.path.display)
    guard let architecture = try reader.string("general.architecture") else {
      throw reader.error("general.architecture", "the key is missing", remedy: "supported: llama, qwen2")
    }
    guard architecture == "llama" || architecture == "qwen2" else {
      throw reader.error(
        "general.architecture", "this architecture is not supported", remedy: "supported: llama, qwen2")
    }
    let key = { (name: String) in "\(architecture).\(name)" }
    if let experts = try reader.optionalInt(key("expert_count"), in: 0...(1 << 31)), experts > 0 {
      throw reader.error(key("expert_count"), "mixtures of experts are not supported")
    }
    let hidden = try reader.int(key("embedding_length"))
    let heads = try reader.int(key("attention.head_count"), in: 1...65536)
    self.init(
      hiddenSize: hidden, layerCount: try reader.int(key("block_count"), in: 1...4096), headCount: heads,
      keyValueHeadCount: try reader.optionalInt(key("attention.head_count_kv"), in: 1...65536) ?? heads,
      headDimension: try reader.optionalInt(key("attention.key_length"), in: 1...65536),
      intermediateSize: try reader.int(key("feed_forward_length")),
      vocabularySize: try Self.vocabularySize(reader, file: file, key: key("vocab_size")),
      maxPositionEmbeddings: try reader.int(key("context_length")))
    rmsNormEpsilon = try reader.positive(key("attention.layer_norm_rms_epsilon"))
    if let width = try reader.optionalInt(key("attention.value_length")), width != headDimension {
      throw reader.error(key("attention.value_length"), "values of another width than keys are not supported")
    }
    if let width = try reader.optionalInt(key("rope.dimension_count")), width != headDimension {
      throw reader.error(
        key("rope.dimension_count"), "rotation of a part of each head is not supported",
        remedy: "supported: the width of a head, \(headDimension)")
    }
    tieWordEmbeddings = file.tensor("output.weight") == nil
    attentionBias = file.tensor("blk.0.attn_q.bias") != nil
    attentionOutputBias = file.tensor("blk.0.attn_output.bias") != nil
    mlpBias = file.tensor("blk.0.ffn_up.bias") != nil
    slidingWindow = try reader.optionalInt(key("attention.sliding_window"), in: 0...(1 << 31)).flatMap {
      $0 > 0 ? $0 : nil
    }
    family = try Self.family(of: self, architecture: architecture, place: file.path.display)
    ropeTheta = try reader.positive(key("rope.freq_base"), default: 10000)
    ropeScaling = try scaling(reader, file: file, prefix: "\(architecture).rope.")
    bosID = try reader.ids("tokenizer.ggml.bos_token_id").first
    eosIDs = try reader.ids("tokenizer.ggml.eos_token_id")
    for other in ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"] {
      eosIDs += try reader.ids(other).filter { !eosIDs.contains($0) }
    }
    padID = try reader.ids("tokenizer.ggml.padding_token_id").first
    try validate(at: file.path.display)
  }

  private static func vocabularySize(_ reader: ModelConfigReader, file: GGUFFile, key: String) throws(ModelError) -> Int
  {
    if let embedding = file.tensor("token_embd.weight"), embedding.shape.count == 2 { return embedding.shape[0] }
    if let given = try reader.optionalInt(key) { return given }
    guard let tokens = reader.value("tokenizer.ggml.tokens")?.array, !tokens.isEmpty else {
      throw reader.error(key, "the key is missing, and the file has neither an embedding nor a vocabulary")
    }
    return tokens.count
  }

  /// The Hugging Face family that has this combination of biases and window.
  private static func family(of config: ModelConfig, architecture: String, place: String) throws(ModelError) -> Family {
    let windowed = config.slidingWindow != nil
    if config.mlpBias || config.attentionOutputBias {
      guard architecture == "llama", !windowed, config.attentionBias == config.attentionOutputBias else {
        throw ModelError(
          "this combination of biases is not supported", at: place, remedy: "supported: those of llama and qwen2")
      }
      return .llama
    }
    if config.attentionBias || architecture == "qwen2" { return .qwen2 }
    return windowed ? .mistral : .llama
  }

  private func scaling(_ reader: ModelConfigReader, file: GGUFFile, prefix: String) throws(ModelError) -> RopeScaling {
    if let table = file.tensor(GGUFNames.ropeFactors) { return try scaling(factors: table, in: file) }
    guard let type = try reader.string(prefix + "scaling.type"), type != "none" else {
      if reader.value(prefix + "scale_linear") == nil { return .none }
      let factor = try reader.positive(prefix + "scale_linear")
      return factor == 1 ? .none : .linear(factor: factor)
    }
    let factor = try reader.positive(prefix + "scaling.factor", default: 1)
    switch type {
    case "linear": return factor == 1 ? .none : .linear(factor: factor)
    case "yarn":
      let original = try reader.optionalInt(prefix + "scaling.original_context_length") ?? maxPositionEmbeddings
      // As ggml computes it: the file's factor multiplies the paper's.
      let attention = try reader.positive(prefix + "scaling.attn_factor", default: 1)
      return .yarn(
        factor: factor, betaFast: try reader.positive(prefix + "scaling.yarn_beta_fast", default: 32),
        betaSlow: try reader.positive(prefix + "scaling.yarn_beta_slow", default: 1),
        attentionFactor: attention * (factor <= 1 ? 1 : 0.1 * log(factor) + 1), originalPositions: original,
        truncate: true)
    default:
      throw reader.error(
        prefix + "scaling.type", "this rotary scaling is not supported", remedy: "supported: none, linear, yarn")
    }
  }

  /// Llama 3.1's scaling is stored as a table of divisors; the published parameters that give the table are found again.
  private func scaling(factors table: GGUFFile.Tensor, in file: GGUFFile) throws(ModelError) -> RopeScaling {
    guard table.type == .f32, table.shape == [headDimension / 2] else {
      throw ModelError(
        "tensor \(table.name) must be F32 with \(headDimension / 2) numbers", at: file.path.display,
        value: "\(table.type.name) \(table.shape)")
    }
    var divisors = [Float](repeating: 0, count: headDimension / 2)
    let result: Result<Void, ModelError> = unsafe divisors.withUnsafeMutableBufferPointer { buffer in
      Result { () throws(ModelError) -> Void in
        unsafe try WeightReading.read(file.file, at: table.offset, format: .f32, into: buffer, name: table.name)
      }
    }
    try result.get()
    if divisors.allSatisfy({ $0 == 1 }) { return .none }
    var plain = self
    plain.ropeScaling = .none
    let base = plain.rotaryFrequencies().frequencies
    for factor in [8.0, 32, 4, 16, 2, 64] {
      var candidate = self
      candidate.ropeScaling = .llama3(
        factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 8192)
      let scaled = candidate.rotaryFrequencies().frequencies
      let fits = zip(divisors, zip(base, scaled)).allSatisfy { abs(Double($0) * $1.1 / $1.0 - 1) < 1e-4 }
      if fits { return candidate.ropeScaling }
    }
    throw ModelError(
      "tensor \(table.name) holds rotary factors that are not supported", at: file.path.display,
      value: divisors.prefix(4).map { "\($0)" }.joined(separator: ", ") + ", …",
      remedy: "supported: those of Llama 3.1 and 3.2; use the model's safetensors")
  }
}
