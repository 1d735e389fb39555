import Basics
import Models
import Testing

@Suite struct ModelConfigTests {
  private static let llama: JSON.Object = [
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 172,
    "num_hidden_layers": 5, "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 512,
    "max_position_embeddings": 512, "rms_norm_eps": JSON(1e-5), "tie_word_embeddings": true, "bos_token_id": 1,
    "eos_token_id": [2, 7],
  ]

  private func config(_ changes: [String: JSON?] = [:]) throws -> ModelConfig {
    var object = Self.llama
    for (key, value) in changes { object[key] = value }
    return try ModelConfig(json: .object(object), place: "config.json")
  }

  @Test func `a llama configuration is read with transformers' defaults`() throws {
    let config = try config()
    #expect(config.family == .llama)
    #expect(config.headDimension == 8)
    #expect(config.keyValueWidth == 32)
    #expect(config.ropeTheta == 10000)
    #expect(config.ropeScaling == .none)
    #expect(config.eosIDs == [2, 7])
    #expect(config.padID == nil)
    #expect(config.parameters.count == 5 * 9 + 2)
    #expect(config.parameterCount == 260_032)
  }

  @Test func `absent key-value heads mean as many as heads, and an explicit null is absent`() throws {
    #expect(try config(["num_key_value_heads": .some(nil)]).keyValueHeadCount == 8)
    #expect(try config(["num_key_value_heads": .some(.null)]).keyValueHeadCount == 8)
    #expect(try config(["head_dim": 16]).queryWidth == 128)
  }

  @Test func `qwen2 has biases on q, k and v only`() throws {
    let config = try config(["model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "sliding_window": 4096])
    let biases = config.layerParameters(0).filter { $0.name.hasSuffix(".bias") }
    #expect(biases.map(\.name).map { $0.split(separator: ".").dropLast().last } == ["q_proj", "k_proj", "v_proj"])
    #expect(config.slidingWindow == nil)
  }

  @Test func `mistral's window is read, null means none`() throws {
    let mistral: [String: JSON?] = ["model_type": "mistral", "architectures": ["MistralForCausalLM"]]
    #expect(try config(mistral.merging(["sliding_window": 96]) { $1 }).slidingWindow == 96)
    #expect(try config(mistral.merging(["sliding_window": .some(.null)]) { $1 }).slidingWindow == nil)
  }

  @Test(
    arguments: [
      ("model_type", JSON("gpt2"), "this kind of model is not supported"),
      ("architectures", ["GPT2LMHeadModel"], "this architecture is not supported"),
      ("architectures", ["MistralForCausalLM"], "does not fit model_type \"llama\""),
      ("rope_scaling", ["type": "dynamic", "factor": 2], "this rotary scaling is not supported"),
      ("rope_scaling", ["rope_type": "longrope"], "supported: default, linear, llama3, yarn"),
      ("rope_parameters", ["rope_type": "linear"], "key \"factor\""),
      ("quantization_config", ["quant_method": "gptq"], "quant_method gptq"),
      ("partial_rotary_factor", JSON(0.5), "rotation of a part of each head is not supported"),
      ("hidden_act", "relu", "this activation is not supported"),
      ("hidden_size", "64", "must be a whole number"),
      ("hidden_size", 0, "must be a whole number from 1"),
      ("vocab_size", .null, "the key is missing"),
      ("num_hidden_layers", 1_000_000_000, "must be a whole number from 1 to 4096"),
      ("num_key_value_heads", 3, "must divide the number of heads"),
      ("head_dim", 7, "the width of a head must be even"),
      ("intermediate_size", 2_000_000_000, "absurdly large"),
      ("rms_norm_eps", -1, "must be a number above 0"),
      ("tie_word_embeddings", 1, "must be true or false"),
      ("eos_token_id", ["x"], "must be a token id"),
      ("layer_types", ["full_attention", "sliding_attention"], "layers of different kinds are not supported"),
    ] as [(String, JSON, String)])
  func `what is not supported is refused by key and value`(key: String, value: JSON, words: String) throws {
    let text = problem { _ = try config([key: value]) }
    #expect(text.contains(words), "\(text)")
    #expect(text.contains("config.json"))
  }

  @Test func `every configuration survives being written and read`() throws {
    var configs = [ModelConfig]()
    for preset in ModelPreset.allCases { configs.append(preset.config(bosID: 1, eosIDs: [2, 3], padID: 0)) }
    configs.append(try config(["attention_bias": true, "mlp_bias": true, "hidden_act": "gelu_pytorch_tanh"]))
    configs.append(try config(["rope_scaling": ["type": "linear", "factor": 4], "rope_theta": JSON(1e6)]))
    configs.append(
      try config([
        "rope_parameters": [
          "rope_type": "yarn", "rope_theta": JSON(5e5), "factor": 4, "original_max_position_embeddings": 128,
        ]
      ]))
    configs.append(try config(["model_type": "mistral", "architectures": .some(nil), "sliding_window": 32]))
    configs.append(
      try config([
        "model_type": "qwen2", "architectures": .some(nil), "use_sliding_window": true, "max_window_layers": 0,
        "sliding_window": 16,
      ]))
    for config in configs {
      let bytes = config.configJSON().encoded(pretty: true)
      #expect(try ModelConfig(configJSON: bytes, path: "config.json") == config)
    }
  }

  @Test func `the table of parameters names every tensor once, in order`() {
    let parameters = ModelPreset.b8.config().parameters
    #expect(Set(parameters.map(\.name)).count == parameters.count)
    #expect(parameters.first?.name == "model.embed_tokens.weight")
    #expect(parameters.last?.name == "lm_head.weight")
    #expect(parameters[2].name == "model.layers.0.self_attn.q_proj.weight")
    #expect(ModelPreset.b8.config().parameterCount == 8_030_261_248)
    #expect(ModelPreset.b1.config().parameterCount == 1_235_814_400)
    #expect(ModelPreset.m135.config().parameterCount == 134_515_008)
    #expect(ModelPreset.b14.config().parameterCount == 14_659_507_200)
  }
}
