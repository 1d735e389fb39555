import Basics
import Tensors

extension ModelConfig {
  /// The configuration in the bytes of a config.json at `path`.
  package init(configJSON bytes: [UInt8], path: FilePath) throws(ModelError) {
    let json: JSON
    do { json = try JSONParser.parse(bytes, duplicateKeys: .keepLast, maximumDepth: 64) } catch {
      throw ModelError(error, in: path)
    }
    try self.init(json: json, place: path.display)
  }

  /// The configuration in a parsed config.json; `place` names the file in errors.
  ///
  /// Defaults of absent keys are transformers'. What would change the model's arithmetic and is not supported is an
  /// error that names the key, its value and what is supported.
  package init(json: JSON, place: String) throws(ModelError) {
    guard let object = json.object else {
      throw ModelError("a model's configuration must be an object", at: place, value: json.kindName)
    }
    let reader = ModelConfigReader(object: object, place: place)
    let family = try Self.family(reader)
    try Self.refuseUnsupported(reader)

    let hidden = try reader.int("hidden_size")
    let layers = try reader.int("num_hidden_layers", in: 1...4096)
    let heads = try reader.int("num_attention_heads", in: 1...65536)
    let keyValueDefault: [Family: Int] = [.llama: heads, .mistral: 8, .qwen2: 32]
    let keyValueHeads = try reader.optionalInt("num_key_value_heads", in: 1...65536) ?? keyValueDefault[family] ?? heads
    let positions = [Family.llama: 2048, .mistral: 131_072, .qwen2: 32768]
    self.init(
      family: family, hiddenSize: hidden, layerCount: layers, headCount: heads, keyValueHeadCount: keyValueHeads,
      headDimension: try reader.optionalInt("head_dim", in: 1...65536),
      intermediateSize: try reader.int("intermediate_size"), vocabularySize: try reader.int("vocab_size"),
      maxPositionEmbeddings: try reader.optionalInt("max_position_embeddings") ?? positions[family] ?? 2048)
    rmsNormEpsilon = try reader.positive("rms_norm_eps", default: 1e-6)
    tieWordEmbeddings = try reader.bool("tie_word_embeddings", default: false)
    if family == .qwen2 {
      attentionBias = true
    } else if family == .llama {
      attentionBias = try reader.bool("attention_bias", default: false)
      attentionOutputBias = attentionBias
      mlpBias = try reader.bool("mlp_bias", default: false)
    }
    activation = try Self.activation(reader)
    slidingWindow = try Self.slidingWindow(reader, family: family, layers: layers)
    (ropeTheta, ropeScaling) = try Self.rope(reader, positions: maxPositionEmbeddings)
    bosID = try reader.ids("bos_token_id").first
    eosIDs = try reader.ids("eos_token_id")
    padID = try reader.ids("pad_token_id").first
    try validate(at: place)
  }

  private static var supportedFamilies: String {
    "supported: " + Family.allCases.map { "\($0.rawValue) (\($0.architecture))" }.joined(separator: ", ")
  }

  private static func family(_ reader: ModelConfigReader) throws(ModelError) -> Family {
    var architecture: String?
    if let value = reader.value("architectures") {
      guard let list = value.array, let first = list.first?.string else {
        throw reader.error("architectures", "must be a list with a class name", remedy: supportedFamilies)
      }
      architecture = first
      guard Family.allCases.contains(where: { sameBytes($0.architecture, first) }) else {
        throw reader.error("architectures", "this architecture is not supported", remedy: supportedFamilies)
      }
    }
    guard let type = try reader.string("model_type") else {
      guard let family = Family.allCases.first(where: { $0.architecture == architecture }) else {
        throw reader.error("model_type", "the key is missing", remedy: supportedFamilies)
      }
      return family
    }
    guard let family = Family.allCases.first(where: { sameBytes($0.rawValue, type) }) else {
      throw reader.error("model_type", "this kind of model is not supported", remedy: supportedFamilies)
    }
    if let architecture, !sameBytes(architecture, family.architecture) {
      throw reader.error(
        "architectures", "does not fit model_type \"\(family.rawValue)\"", remedy: "it must be \(family.architecture)")
    }
    return family
  }

  private static func refuseUnsupported(_ reader: ModelConfigReader) throws(ModelError) {
    if let quantization = try reader.object("quantization_config") {
      let method = try quantization.string("quant_method") ?? "unknown"
      throw ModelError(
        "weights quantised by another tool are not supported",
        at: "\(reader.place), key \"quantization_config\"", value: "quant_method \(method)",
        remedy:
          "use the model's original F32, F16 or BF16 safetensors, or a GGUF file (F32, F16, BF16, Q8_0, Q4_0, Q4_1)")
    }
    if let partial = reader.value("partial_rotary_factor"), partial.double != 1 {
      throw reader.error(
        "partial_rotary_factor", "rotation of a part of each head is not supported", remedy: "supported: 1")
    }
    if let types = reader.value("layer_types") {
      let names = (types.array ?? []).map { $0.string ?? "" }
      guard let first = names.first, names.allSatisfy({ sameBytes($0, first) }),
        ["full_attention", "sliding_attention"].contains(first)
      else {
        throw reader.error(
          "layer_types", "layers of different kinds are not supported",
          remedy: "supported: all \"full_attention\" or all \"sliding_attention\"")
      }
    }
  }

  private static func activation(_ reader: ModelConfigReader) throws(ModelError) -> Activation {
    switch try reader.string("hidden_act") ?? "silu" {
    case "silu", "swish": .silu
    case "gelu_pytorch_tanh", "gelu_new": .geluTanh
    default:
      throw reader.error("hidden_act", "this activation is not supported", remedy: "supported: silu, gelu_pytorch_tanh")
    }
  }

  private static func slidingWindow(_ reader: ModelConfigReader, family: Family, layers: Int) throws(ModelError) -> Int?
  {
    if family == .llama { return nil }
    if family == .qwen2 {
      guard try reader.bool("use_sliding_window", default: false) else { return nil }
      let full = try reader.optionalInt("max_window_layers", in: 0...(1 << 31)) ?? 28
      if full >= layers { return nil }
      guard full == 0 else {
        throw reader.error(
          "max_window_layers", "a sliding window in some layers only is not supported",
          remedy: "supported: use_sliding_window false, or max_window_layers 0")
      }
    }
    return try reader.optionalInt("sliding_window")
  }

  /// Checks what every source of a configuration must keep; `place` names the source.
  func validate(at place: String) throws(ModelError) {
    guard headCount % keyValueHeadCount == 0 else {
      throw ModelError(
        "the number of key-value heads must divide the number of heads", at: place,
        value: "\(headCount) heads, \(keyValueHeadCount) key-value heads")
    }
    guard headDimension >= 2, headDimension % 2 == 0 else {
      throw ModelError("the width of a head must be even", at: place, value: "\(headDimension)")
    }
    // With these bounds no count of weights overflows.
    let widths = [hiddenSize, intermediateSize, queryWidth]
    guard widths.allSatisfy({ (1...(1 << 20)).contains($0) }), vocabularySize <= 1 << 24, layerCount <= 4096
    else {
      throw ModelError(
        "the model's shape is absurdly large", at: place,
        value: "hidden \(hiddenSize), intermediate \(intermediateSize), heads \(headCount) of \(headDimension), "
          + "vocabulary \(vocabularySize)")
    }
  }
}
