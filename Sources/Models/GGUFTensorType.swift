/// How a GGUF file stores the numbers of a tensor: ggml's type ids.
package struct GGUFTensorType: Sendable, Equatable {
  package let id: UInt32

  package static let f32 = GGUFTensorType(id: 0)
  package static let f16 = GGUFTensorType(id: 1)
  /// Q4_0.
  package static let q40 = GGUFTensorType(id: 2)
  /// Q4_1.
  package static let q41 = GGUFTensorType(id: 3)
  /// Q8_0.
  package static let q80 = GGUFTensorType(id: 8)
  package static let bf16 = GGUFTensorType(id: 30)

  /// What `WeightSource` can dequantise, for messages.
  static let supportedNames = "F32, F16, BF16, Q8_0, Q4_0, Q4_1"

  /// Elements and bytes of one block; nil for types that are not supported.
  var block: (elements: Int, bytes: Int)? {
    switch self {
    case .f32: (1, 4)
    case .f16, .bf16: (1, 2)
    case .q40: (32, 18)
    case .q41: (32, 20)
    case .q80: (32, 34)
    default: nil
    }
  }

  /// ggml's name of the type; "type N" for ids it has not given.
  package var name: String {
    Self.names[id] ?? "type \(id)"
  }

  private static let names: [UInt32: String] = [
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K",
    12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
    29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
  ]
}
