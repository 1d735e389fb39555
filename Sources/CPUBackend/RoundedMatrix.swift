import CKernels
import Tensors

/// A matrix of f32, or one of bf16 that is widened for the arithmetic and rounded by chance afterwards.
@safe struct RoundedMatrix {
  private let floats: Matrix<Float>?
  private let halves: Matrix<UInt16>?
  let rows: Int
  let columns: Int
  private let purpose: RandomPurpose
  private let stream: Int
  /// Index of the first element in its tensor.
  private let start: Int

  init(
    _ view: TensorView, _ role: String, rows: Int? = nil, columns: Int? = nil, _ purpose: RandomPurpose,
    of o: UpdateOperands, _ resolver: ViewResolver
  ) throws(TensorError) {
    if resolver.dtype(view) == .bf16 {
      halves = try resolver.halves(view, role, rows: rows, columns: columns)
      floats = nil
    } else {
      floats = try resolver.floats(view, role, rows: rows, columns: columns)
      halves = nil
    }
    self.rows = view.rows
    self.columns = view.columns
    self.purpose = purpose
    stream = o.stream
    start = o.start
  }

  var isContiguous: Bool { floats?.isContiguous ?? halves?.isContiguous ?? true }
  var isFloat: Bool { floats != nil }

  /// Elements widened at a time, a multiple of 8-bit states' blocks.
  static let chunk = 1024

  /// `count` elements from (row, column) on as f32: where they are, or in `memory` when they are bf16.
  func open(
    _ row: Int, _ column: Int, _ count: Int, _ memory: UnsafeMutablePointer<Float>
  ) -> UnsafeMutablePointer<Float> {
    if let floats { return unsafe floats.row(row) + column }
    if let halves { unsafe ck_widen(count, halves.row(row) + column, memory) }
    return unsafe memory
  }

  /// Puts back what `open` gave.
  func close(
    _ row: Int, _ column: Int, _ count: Int, _ memory: UnsafeMutablePointer<Float>, step: Int, seed: UInt64
  ) {
    guard let halves else { return }
    var key = ck_random(purpose, stream: stream, step: step, seed: seed)
    unsafe ck_narrow_by_chance(
      count, UInt64(start + row * columns + column), &key, memory, halves.row(row) + column)
  }
}
