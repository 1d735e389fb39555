import Basics
import Models

/// A model of a few hundred numbers, and its files in every form.
struct TinyModel {
  var config = ModelConfig(
    hiddenSize: 32, layerCount: 2, headCount: 4, keyValueHeadCount: 2, intermediateSize: 64, vocabularySize: 64,
    maxPositionEmbeddings: 128, tieWordEmbeddings: true, bosID: 1, eosIDs: [2])

  var weights: PresetWeights { PresetWeights(config: config, seed: 3) }

  /// Metadata of the llama architecture with the configuration's numbers, no tensors.
  func metadata(architecture: String = "llama") -> GGUFBuilder {
    var builder = GGUFBuilder()
    builder.set("general.architecture", architecture)
    builder.set("\(architecture).block_count", UInt32(config.layerCount))
    builder.set("\(architecture).context_length", UInt32(config.maxPositionEmbeddings))
    builder.set("\(architecture).embedding_length", UInt32(config.hiddenSize))
    builder.set("\(architecture).feed_forward_length", UInt32(config.intermediateSize))
    builder.set("\(architecture).attention.head_count", UInt32(config.headCount))
    builder.set("\(architecture).attention.head_count_kv", UInt32(config.keyValueHeadCount))
    builder.set("\(architecture).attention.layer_norm_rms_epsilon", Float(config.rmsNormEpsilon))
    builder.set("\(architecture).rope.freq_base", Float(config.ropeTheta))
    builder.set("tokenizer.ggml.bos_token_id", UInt32(1))
    builder.set("tokenizer.ggml.eos_token_id", UInt32(2))
    return builder
  }

  /// A GGUF file as llama.cpp's converter writes it: `permuted` rows of q and k for rotation of adjacent pairs.
  func gguf(
    architecture: String = "llama", permuted: Bool = true, type: UInt32 = 0, encode: ([Float]) -> [UInt8] = f32
  ) throws -> GGUFBuilder {
    var builder = metadata(architecture: architecture)
    for parameter in config.parameters {
      var values = try weights.values(parameter.name)
      if permuted, parameter.name.contains("q_proj") || parameter.name.contains("k_proj") {
        values = Self.permuted(
          values, columns: parameter.shape.count == 2 ? parameter.columns : 1, head: config.headDimension)
      }
      let isVector = parameter.shape.count == 1
      builder.tensors.append(
        GGUFBuilder.Tensor(
          name: Self.ggufName(parameter.name), shape: parameter.shape.map { UInt64($0) }, type: isVector ? 0 : type,
          data: isVector ? f32(values) : encode(values)))
    }
    return builder
  }

  /// Row 2i + j of each head from row j d/2 + i.
  private static func permuted(_ values: [Float], columns: Int, head: Int) -> [Float] {
    var result = values
    for row in 0..<values.count / columns {
      let (index, place) = (row / head, row % head)
      let from = index * head + (place % 2) * head / 2 + place / 2
      for column in 0..<columns { result[row * columns + column] = values[from * columns + column] }
    }
    return result
  }

  static func ggufName(_ name: String) -> String {
    let pairs = [
      ("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output"),
      ("model.layers", "blk"), ("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm"),
      ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
      ("self_attn.o_proj", "attn_output"), ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"),
      ("mlp.down_proj", "ffn_down"),
    ]
    return pairs.reduce(name) { $0.replacing($1.0, with: $1.1) }
  }

  /// A safetensors file of these tensors in this order.
  static func safetensors(_ tensors: [(name: String, dtype: String, shape: [Int], data: [UInt8])]) -> [UInt8] {
    var members: [(key: String, value: JSON)] = []
    var data: [UInt8] = []
    for tensor in tensors {
      let entry: JSON = [
        "dtype": JSON(tensor.dtype), "shape": .array(tensor.shape.map { JSON($0) }),
        "data_offsets": [JSON(data.count), JSON(data.count + tensor.data.count)],
      ]
      members.append((key: tensor.name, value: entry))
      data += tensor.data
    }
    return ModelsTests.safetensors(header: JSON.object(JSON.Object(members)).text(), data: data)
  }

  /// The model's tensors in f32 for `safetensors(_:)`.
  func tensors() throws -> [(name: String, dtype: String, shape: [Int], data: [UInt8])] {
    try config.parameters.map { ($0.name, "F32", $0.shape, f32(try weights.values($0.name))) }
  }

  /// Writes config.json and model.safetensors into the folder.
  func write(
    to folder: TemporaryFolder, tensors: [(name: String, dtype: String, shape: [Int], data: [UInt8])]
  ) throws {
    _ = try folder.write(config.configJSON().encoded(), as: "config.json")
    _ = try folder.write(Self.safetensors(tensors), as: "model.safetensors")
  }
}
