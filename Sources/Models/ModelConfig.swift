import Basics
import Tensors

/// The shape and the constants of a Llama-family decoder.
package struct ModelConfig: Sendable, Equatable {
  /// The architectures that this engine runs, under their Hugging Face `model_type`.
  package enum Family: String, Sendable, CaseIterable {
    case llama, mistral, qwen2

    /// The class name in `architectures` of config.json.
    package var architecture: String {
      switch self {
      case .llama: "LlamaForCausalLM"
      case .mistral: "MistralForCausalLM"
      case .qwen2: "Qwen2ForCausalLM"
      }
    }
  }

  package var family: Family
  /// Width of the residual stream.
  package var hiddenSize: Int
  package var layerCount: Int
  /// Query heads of a layer.
  package var headCount: Int
  /// Key-value heads of a layer; divides `headCount`.
  package var keyValueHeadCount: Int
  /// Width of one head; even.
  package var headDimension: Int
  /// Width between the MLP's matrices.
  package var intermediateSize: Int
  package var vocabularySize: Int
  /// The longest sequence the model is made for.
  package var maxPositionEmbeddings: Int
  package var rmsNormEpsilon: Double
  package var ropeTheta: Double
  package var ropeScaling: RopeScaling
  /// Whether the head uses the embedding's matrix.
  package var tieWordEmbeddings: Bool
  /// Whether q, k and v have biases.
  package var attentionBias: Bool
  /// Whether the attention's output projection has a bias.
  package var attentionOutputBias: Bool
  /// Whether gate, up and down have biases.
  package var mlpBias: Bool
  package var activation: Activation
  /// A token sees at most this many last tokens, itself included; nil: all before it.
  package var slidingWindow: Int?
  package var bosID: Int?
  /// Ids that end a generation; several for some models.
  package var eosIDs: [Int]
  package var padID: Int?

  package init(
    family: Family = .llama, hiddenSize: Int, layerCount: Int, headCount: Int, keyValueHeadCount: Int,
    headDimension: Int? = nil, intermediateSize: Int, vocabularySize: Int, maxPositionEmbeddings: Int,
    rmsNormEpsilon: Double = 1e-5, ropeTheta: Double = 10000, ropeScaling: RopeScaling = .none,
    tieWordEmbeddings: Bool = false, attentionBias: Bool = false, attentionOutputBias: Bool = false,
    mlpBias: Bool = false, activation: Activation = .silu, slidingWindow: Int? = nil, bosID: Int? = nil,
    eosIDs: [Int] = [], padID: Int? = nil
  ) {
    self.family = family
    self.hiddenSize = hiddenSize
    self.layerCount = layerCount
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount
    self.headDimension = headDimension ?? (headCount > 0 ? hiddenSize / headCount : 0)
    self.intermediateSize = intermediateSize
    self.vocabularySize = vocabularySize
    self.maxPositionEmbeddings = maxPositionEmbeddings
    self.rmsNormEpsilon = rmsNormEpsilon
    self.ropeTheta = ropeTheta
    self.ropeScaling = ropeScaling
    self.tieWordEmbeddings = tieWordEmbeddings
    self.attentionBias = attentionBias
    self.attentionOutputBias = attentionOutputBias
    self.mlpBias = mlpBias
    self.activation = activation
    self.slidingWindow = slidingWindow
    self.bosID = bosID
    self.eosIDs = eosIDs
    self.padID = padID
  }

  /// Width of all query heads together.
  package var queryWidth: Int { headCount * headDimension }
  /// Width of all key (or value) heads together.
  package var keyValueWidth: Int { keyValueHeadCount * headDimension }
}

extension ModelConfig {
  /// One weight tensor that a model of this shape has.
  package struct Parameter: Sendable, Equatable {
    /// The Hugging Face name, with the `model.` prefix.
    package let name: String
    /// (rows, columns) for matrices as Hugging Face stores them (out, in), (width) for norms and biases.
    package let shape: [Int]

    package init(_ name: String, _ shape: [Int]) {
      self.name = name
      self.shape = shape
    }

    /// Rows of the matrix; 1 for a vector.
    package var rows: Int { shape.count == 2 ? shape[0] : 1 }
    /// Columns of the matrix; the length of a vector.
    package var columns: Int { shape.last ?? 1 }
    package var count: Int { rows * columns }
  }

  /// Every weight of the model in one fixed order: embedding, then layer by layer the norm before attention, q, k, v, o,
  /// the norm before the MLP, gate, up, down (each bias right behind its matrix), the final norm, the untied head.
  package var parameters: [Parameter] {
    var result = [Parameter("model.embed_tokens.weight", [vocabularySize, hiddenSize])]
    result.reserveCapacity(layerCount * 9 + 3)
    for layer in 0..<layerCount { result += layerParameters(layer) }
    result.append(Parameter("model.norm.weight", [hiddenSize]))
    if !tieWordEmbeddings { result.append(Parameter("lm_head.weight", [vocabularySize, hiddenSize])) }
    return result
  }

  /// The weights of one layer, in the order of `parameters`.
  package func layerParameters(_ layer: Int) -> [Parameter] {
    let prefix = "model.layers.\(layer)."
    var result: [Parameter] = []
    func linear(_ name: String, _ rows: Int, _ columns: Int, bias: Bool) {
      result.append(Parameter(prefix + name + ".weight", [rows, columns]))
      if bias { result.append(Parameter(prefix + name + ".bias", [rows])) }
    }
    result.append(Parameter(prefix + "input_layernorm.weight", [hiddenSize]))
    linear("self_attn.q_proj", queryWidth, hiddenSize, bias: attentionBias)
    linear("self_attn.k_proj", keyValueWidth, hiddenSize, bias: attentionBias)
    linear("self_attn.v_proj", keyValueWidth, hiddenSize, bias: attentionBias)
    linear("self_attn.o_proj", hiddenSize, queryWidth, bias: attentionOutputBias)
    result.append(Parameter(prefix + "post_attention_layernorm.weight", [hiddenSize]))
    linear("mlp.gate_proj", intermediateSize, hiddenSize, bias: mlpBias)
    linear("mlp.up_proj", intermediateSize, hiddenSize, bias: mlpBias)
    linear("mlp.down_proj", hiddenSize, intermediateSize, bias: mlpBias)
    return result
  }

  /// How many numbers the model has; a tied head counts once.
  package var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }
}
