import CCUDA

/// The kernels' sources, as they are embedded.
package enum KernelSource {
  /// Every file under its name: "rope.cu".
  package static let files: [String: String] = {
    var result: [String: String] = [:]
    var index: Int32 = 0
    while let name = unsafe cc_kernel(index).name, let text = unsafe cc_kernel(index).text {
      unsafe result[String(cString: name)] = String(cString: text)
      index += 1
    }
    return result
  }()

  /// Options that a file is compiled with. Updates multiply and add apart, so that a part of a weight has the bits that it
  /// has in the whole, whatever is moved at a time.
  package static func options(_ file: String) -> [String] {
    ["update.cu", "adafactor.cu"].contains(file) ? ["--fmad=false"] : []
  }

  /// The text that is compiled for a file: the prelude and the file.
  package static func text(_ file: String) -> String? {
    guard let prelude = files["prelude.cuh"], let body = files[file] else { return nil }
    return prelude + "\n#line 1 \"\(file)\"\n" + body
  }
}

/// A compiled kernel's identity: the file, the function, and what its macros stand for.
package struct KernelKey: Hashable, Sendable {
  package var file: String
  package var entry: String
  /// "X=float", "VEC=8", in order.
  package var macros: [String]
}

/// What runs each operation: entries of kernel files, or a library.
package enum KernelTable {
  package enum Means: Sendable, Equatable {
    /// Functions of a kernel file.
    case kernel(String, [String])
    /// cuBLASLt.
    case product
    /// The driver's own copies and waits.
    case driver
  }

  /// Every operation's means, by its name.
  package static let means: [String: [Means]] = [
    "embed": [.kernel("embedding.cu", ["embed"])],
    "embedBackward": [.kernel("embedding.cu", ["embed_backward"])],
    "gemm": [.product, .kernel("elements.cu", ["bias_rows"])],
    "biasBackward": [.kernel("rows.cu", ["bias_backward"])],
    "rmsNorm": [.kernel("norm.cu", ["rms_norm"])],
    "addRMSNorm": [.kernel("norm.cu", ["rms_norm"])],
    "rmsNormBackward": [.kernel("norm.cu", ["rms_norm_backward", "norm_weight_gradient"])],
    "rope": [.kernel("rope.cu", ["rope"])],
    "attention": [.kernel("attention.cu", ["attention"]), .kernel("flash.cu", ["first_keys", "flash"])],
    "attentionBackward": [
      .kernel("attention.cu", ["attention_delta", "attention_q_backward", "attention_kv_backward"]),
      .kernel("flash.cu", ["first_keys", "flash_delta", "flash_q_backward", "flash_kv_backward", "flash_kv_sum"]),
    ],
    "appendToCache": [.kernel("cache.cu", ["append_to_cache"])],
    "attentionOverCache": [.kernel("cache.cu", ["attention_over_cache"])],
    "gatedActivation": [.kernel("gated.cu", ["gated"])],
    "gatedActivationBackward": [.kernel("gated.cu", ["gated_backward"])],
    "linearCrossEntropy": [
      .product,
      .kernel(
        "loss.cu",
        ["list_targets", "gather_targets", "scatter_targets", "zero_untargeted", "cross_entropy", "loss_sum"]),
    ],
    "scoreTargets": [.kernel("loss.cu", ["score_targets"])],
    "gatherRows": [.kernel("rows.cu", ["gather_rows"])],
    "add": [.kernel("elements.cu", ["add"])],
    "copy": [.kernel("elements.cu", ["scaled"])],
    "zero": [.kernel("elements.cu", ["zero"])],
    "scale": [.kernel("elements.cu", ["scaled"])],
    "sumOfSquares": [.kernel("reduce.cu", ["sum_of_squares"])],
    "clipFactor": [.kernel("reduce.cu", ["clip_factor"])],
    "adamW": [.kernel("update.cu", ["adamw"])],
    "adamW8bit": [.kernel("update.cu", ["adamw_blocks"])],
    "adafactor": [
      .kernel(
        "adafactor.cu",
        [
          "adafactor_columns", "adafactor_rows", "adafactor_factors", "adafactor_sizes", "adafactor_rates",
          "adafactor_step",
        ])
    ],
    "sgd": [.kernel("update.cu", ["sgd"])],
    "cast": [.kernel("elements.cu", ["scaled"])],
    "dropout": [.kernel("elements.cu", ["dropout"])],
    "dequantise": [.kernel("elements.cu", ["dequantise"])],
    "fetch": [.driver], "evict": [.driver], "wait": [.driver],
  ]
}
