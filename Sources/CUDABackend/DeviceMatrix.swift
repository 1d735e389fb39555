import Basics
import CCUDA
import Tensors

/// A view resolved to a card's memory: rows of `columns` elements, `stride` elements apart.
struct DeviceMatrix {
  let address: cc_address
  let rows: Int
  let columns: Int
  let stride: Int
  let dtype: DType

  var isContiguous: Bool { stride == columns || rows <= 1 }
  var count: Int { rows * columns }

  /// Whether eight elements can be moved at a time.
  var isAligned: Bool {
    address % 16 == 0 && columns % 8 == 0 && (rows <= 1 || stride * dtype.size % 16 == 0)
  }

  /// The same elements as one row, for operations on elements.
  var asRow: DeviceMatrix {
    DeviceMatrix(address: address, rows: min(rows, 1), columns: count, stride: count, dtype: dtype)
  }

  func columns(_ range: Range<Int>) -> DeviceMatrix {
    DeviceMatrix(
      address: address + UInt64(range.lowerBound * dtype.size), rows: rows, columns: range.count, stride: stride,
      dtype: dtype)
  }

  func rows(_ range: Range<Int>) -> DeviceMatrix {
    DeviceMatrix(
      address: address + UInt64(range.lowerBound * stride * dtype.size), rows: range.count, columns: columns,
      stride: stride, dtype: dtype)
  }
}

/// Turns a program's views into a card's memory, refusing all that does not fit: what passes here is inside the arena.
struct DeviceResolver {
  private let program: Program
  private let plan: MemoryPlan
  private let arena: CUDAArena
  /// "instruction 12 (gemm)", for messages.
  var place = ""

  init(_ program: Program, plan: MemoryPlan, arena: CUDAArena) throws(TensorError) {
    guard plan.offsets.count == program.tensors.count else {
      throw TensorError(
        Problem(
          "the memory plan is for another program",
          value: "\(plan.offsets.count) places for \(program.tensors.count) tensors"))
    }
    for (spec, offset) in zip(program.tensors, plan.offsets) {
      let count = spec.rows.multipliedReportingOverflow(by: spec.columns)
      let bytes = count.partialValue.multipliedReportingOverflow(by: spec.dtype.size)
      let end = offset.addingReportingOverflow(bytes.partialValue)
      let room = spec.tier == .page ? arena.pageBytes : arena.bytes
      guard spec.rows >= 0, spec.columns >= 0, offset >= 0, offset % 16 == 0, !count.overflow, !bytes.overflow,
        !end.overflow, end.partialValue <= room
      else {
        throw TensorError(
          Problem(
            "tensor '\(spec.name)' does not fit the arena",
            value: "\(spec.rows) x \(spec.columns) \(spec.dtype.rawValue) at byte \(offset) of \(room)"))
      }
    }
    self.program = program
    self.plan = plan
    self.arena = arena
  }

  /// The matrix of a view whose elements are of one of `dtypes`.
  func matrix(
    _ view: TensorView, _ role: String, _ dtypes: [DType], rows: Int? = nil, columns: Int? = nil
  ) throws(TensorError) -> DeviceMatrix {
    guard program.tensors.indices.contains(view.tensor.index) else {
      throw refuse("\(role) names a tensor that the program does not have", "\(view.tensor.index)")
    }
    let spec = program[view.tensor]
    try require(spec.tier == .memory, "\(role) '\(spec.name)' must be in memory", spec.tier.rawValue)
    try require(
      dtypes.contains(spec.dtype),
      "\(role) '\(spec.name)' must be \(dtypes.map(\.rawValue).joined(separator: " or "))", spec.dtype.rawValue)
    try require(
      view.rows == rows ?? view.rows && view.columns == columns ?? view.columns,
      "\(role) '\(spec.name)' must be \(rows.map(String.init) ?? "any") x \(columns.map(String.init) ?? "any")",
      "\(view.rows) x \(view.columns)")
    try require(
      isInside(view, spec.count), "\(role) is a view outside '\(spec.name)'",
      "\(view.rows) x \(view.columns), stride \(view.stride), offset \(view.offset) of \(spec.count) elements")
    let start = plan.offsets[view.tensor.index] + view.offset * spec.dtype.size
    return DeviceMatrix(
      address: arena.address + UInt64(start), rows: view.rows, columns: view.columns,
      stride: view.rows <= 1 ? max(view.stride, view.columns) : view.stride, dtype: spec.dtype)
  }

  /// Activations: f32 or bf16, of `like`'s type where it is given.
  func floats(
    _ view: TensorView, _ role: String, rows: Int? = nil, columns: Int? = nil, like: DeviceMatrix? = nil
  ) throws(TensorError) -> DeviceMatrix {
    try matrix(view, role, like.map { [$0.dtype] } ?? [.f32, .bf16], rows: rows, columns: columns)
  }

  func integers(_ view: TensorView, _ role: String, rows: Int? = nil) throws(TensorError) -> DeviceMatrix {
    try matrix(view, role, [.i32], rows: rows, columns: 1)
  }

  func doubles(_ view: TensorView, _ role: String, rows: Int? = nil) throws(TensorError) -> DeviceMatrix {
    try matrix(view, role, [.f64], rows: rows, columns: 1)
  }

  /// Byte range of a contiguous view in its tier.
  func span(_ view: TensorView, _ role: String, tier: Tier) throws(TensorError) -> Range<Int> {
    guard program.tensors.indices.contains(view.tensor.index) else {
      throw refuse("\(role) names a tensor that the program does not have", "\(view.tensor.index)")
    }
    let spec = program[view.tensor]
    try require(spec.tier == tier, "\(role) '\(spec.name)' must be in the tier \(tier.rawValue)", spec.tier.rawValue)
    try require(view.isContiguous && isInside(view, spec.count), "\(role) must be a whole part", spec.name)
    let start = plan.offsets[view.tensor.index] + view.offset * spec.dtype.size
    return start..<start + view.count * spec.dtype.size
  }

  func refuse(_ what: String, _ value: String? = nil) -> TensorError {
    TensorError(Problem(what, at: place, value: value))
  }

  func require(_ condition: Bool, _ what: @autoclosure () -> String, _ value: @autoclosure () -> String)
    throws(TensorError)
  {
    if !condition { throw refuse(what(), value()) }
  }

  private func isInside(_ view: TensorView, _ count: Int) -> Bool {
    guard view.offset >= 0, view.rows >= 0, view.columns >= 0, view.offset <= count else { return false }
    guard view.rows <= Int(Int32.max), view.columns <= Int(Int32.max), view.stride <= Int(Int32.max) else {
      return false
    }
    guard view.rows > 0, view.columns > 0 else { return true }
    guard view.rows == 1 || view.stride >= view.columns else { return false }
    let before = (view.rows - 1).multipliedReportingOverflow(by: view.stride)
    let row = before.partialValue.addingReportingOverflow(view.columns)
    return !before.overflow && !row.overflow && row.partialValue <= count - view.offset
  }
}
