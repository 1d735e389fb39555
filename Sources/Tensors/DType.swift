/// Element types of tensors, in memory and in weight files.
package enum DType: String, Sendable, CaseIterable {
  case f64, f32, f16, bf16, i32, u8

  /// Bytes of one element.
  package var size: Int {
    switch self {
    case .f64: 8
    case .f32, .i32: 4
    case .f16, .bf16: 2
    case .u8: 1
    }
  }
}
