import Basics

extension ModelConfig {
  /// The config.json that transformers loads as this model. `dtype`: what the weights are stored as, "float32" &c.
  package func configJSON(dtype: String = "float32") -> JSON {
    var object: JSON.Object = [
      "architectures": [JSON(family.architecture)],
      "model_type": JSON(family.rawValue),
      "hidden_size": JSON(hiddenSize),
      "intermediate_size": JSON(intermediateSize),
      "num_hidden_layers": JSON(layerCount),
      "num_attention_heads": JSON(headCount),
      "num_key_value_heads": JSON(keyValueHeadCount),
      "head_dim": JSON(headDimension),
      "vocab_size": JSON(vocabularySize),
      "max_position_embeddings": JSON(maxPositionEmbeddings),
      "rms_norm_eps": JSON(rmsNormEpsilon),
      "rope_theta": JSON(ropeTheta),
      "rope_scaling": ropeScaling.json,
      "hidden_act": activation == .silu ? "silu" : "gelu_pytorch_tanh",
      "tie_word_embeddings": JSON(tieWordEmbeddings),
      "attention_dropout": 0,
      "initializer_range": JSON(0.02),
      "use_cache": true,
      "torch_dtype": JSON(dtype),
      "bos_token_id": bosID.map { JSON($0) } ?? .null,
      "eos_token_id": eosIDs.isEmpty ? .null : eosIDs.count == 1 ? JSON(eosIDs[0]) : .array(eosIDs.map { JSON($0) }),
      "pad_token_id": padID.map { JSON($0) } ?? .null,
    ]
    switch family {
    case .llama:
      object["attention_bias"] = JSON(attentionBias)
      object["mlp_bias"] = JSON(mlpBias)
    case .mistral: object["sliding_window"] = slidingWindow.map { JSON($0) } ?? .null
    case .qwen2:
      object["use_sliding_window"] = JSON(slidingWindow != nil)
      object["sliding_window"] = slidingWindow.map { JSON($0) } ?? .null
      object["max_window_layers"] = JSON(slidingWindow == nil ? layerCount : 0)
    }
    return .object(object)
  }

  /// The generation_config.json that goes with this configuration when the model came without one.
  package func generationConfigJSON() -> JSON {
    var object: JSON.Object = ["_from_model_config": true]
    object["bos_token_id"] = bosID.map { JSON($0) }
    if !eosIDs.isEmpty {
      object["eos_token_id"] = eosIDs.count == 1 ? JSON(eosIDs[0]) : .array(eosIDs.map { JSON($0) })
    }
    object["pad_token_id"] = padID.map { JSON($0) }
    return .object(object)
  }
}

extension RopeScaling {
  /// The value of `rope_scaling` in config.json.
  fileprivate var json: JSON {
    switch self {
    case .none: .null
    case .linear(let factor): ["rope_type": "linear", "factor": JSON(factor)]
    case .llama3(let factor, let low, let high, let original):
      [
        "rope_type": "llama3", "factor": JSON(factor), "low_freq_factor": JSON(low), "high_freq_factor": JSON(high),
        "original_max_position_embeddings": JSON(original),
      ]
    case .yarn(let factor, let fast, let slow, let attention, let original, let truncate):
      [
        "rope_type": "yarn", "factor": JSON(factor), "beta_fast": JSON(fast), "beta_slow": JSON(slow),
        "attention_factor": JSON(attention), "original_max_position_embeddings": JSON(original),
        "truncate": JSON(truncate),
      ]
    }
  }
}
