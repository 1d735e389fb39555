import Basics
import Tensors

/// Turns a program's views into memory, refusing all that does not fit: what passes here cannot be read or written
/// out of bounds when it runs.
@safe struct ViewResolver {
  private let program: Program
  private let plan: MemoryPlan
  private let base: UnsafeMutableRawPointer
  let arena: CPUArena
  /// "instruction 12 (gemm)", for messages.
  var place = ""

  /// Checks that the plan is this program's and fits the arena.
  init(_ program: Program, plan: MemoryPlan, arena: CPUArena) throws(TensorError) {
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
      guard spec.rows >= 0, spec.columns >= 0, offset >= 0, offset % 16 == 0, !count.overflow, !bytes.overflow,
        !end.overflow, end.partialValue <= (spec.tier == .page ? arena.pageBytes : arena.bytes)
      else {
        throw TensorError(
          Problem(
            "tensor '\(spec.name)' does not fit the arena",
            value:
              "\(spec.rows) x \(spec.columns) \(spec.dtype.rawValue) at byte \(offset) of \(spec.tier == .page ? arena.pageBytes : arena.bytes)"
          ))
      }
    }
    self.program = program
    self.plan = plan
    unsafe base = arena.memory.base
    self.arena = arena
  }

  /// The f32 matrix of a view, of the given shape where one is given.
  func floats(_ view: TensorView, _ role: String, rows: Int? = nil, columns: Int? = nil) throws(TensorError) -> Matrix<
    Float
  > {
    try matrix(view, role, .f32, Float.self, rows, columns)
  }

  /// The i32 matrix of a view.
  func integers(_ view: TensorView, _ role: String, rows: Int? = nil, columns: Int? = 1) throws(TensorError) -> Matrix<
    Int32
  > {
    try matrix(view, role, .i32, Int32.self, rows, columns)
  }

  /// The f64 matrix of a view.
  func doubles(_ view: TensorView, _ role: String, rows: Int? = nil, columns: Int? = 1) throws(TensorError) -> Matrix<
    Double
  > {
    try matrix(view, role, .f64, Double.self, rows, columns)
  }

  /// The bf16 matrix of a view, as its bits.
  func halves(_ view: TensorView, _ role: String, rows: Int? = nil, columns: Int? = nil) throws(TensorError) -> Matrix<
    UInt16
  > {
    try matrix(view, role, .bf16, UInt16.self, rows, columns)
  }

  /// The u8 matrix of a view.
  func codes(_ view: TensorView, _ role: String, rows: Int? = nil, columns: Int? = nil) throws(TensorError) -> Matrix<
    UInt8
  > {
    try matrix(view, role, .u8, UInt8.self, rows, columns)
  }

  /// The element type of a view.
  func dtype(_ view: TensorView) -> DType? {
    program.tensors.indices.contains(view.tensor.index) ? program[view.tensor].dtype : nil
  }

  /// Memory of a contiguous view of any type.
  func bytes(_ view: TensorView) throws(TensorError) -> (base: UnsafeMutableRawPointer, bytes: Int) {
    let range = try range(view, tier: .memory)
    return unsafe (base + range.lowerBound, range.count)
  }

  /// Bytes of the page tier that a contiguous view of a tensor in it covers.
  func pages(_ view: TensorView) throws(TensorError) -> Range<Int> { try range(view, tier: .page) }

  private func range(_ view: TensorView, tier: Tier) throws(TensorError) -> Range<Int> {
    guard program.tensors.indices.contains(view.tensor.index) else {
      throw refuse("a transfer names a tensor that the program does not have", "\(view.tensor.index)")
    }
    let spec = program[view.tensor]
    try require(spec.tier == tier, "'\(spec.name)' must be in the \(tier.rawValue) tier", spec.tier.rawValue)
    try require(view.isContiguous, "a transfer of '\(spec.name)' must be contiguous", "stride \(view.stride)")
    try require(
      isInside(view, spec.count), "a transfer reaches outside '\(spec.name)'",
      "\(view.rows) x \(view.columns), offset \(view.offset) of \(spec.count) elements")
    let start = plan.offsets[view.tensor.index] + view.offset * spec.dtype.size
    return start..<start + view.count * spec.dtype.size
  }

  /// The name of a view's tensor.
  func name(_ view: TensorView) -> String {
    program.tensors.indices.contains(view.tensor.index) ? program[view.tensor].name : "tensor \(view.tensor.index)"
  }

  /// Refuses with a message that names the instruction.
  func refuse(_ what: String, _ value: String? = nil) -> TensorError {
    TensorError(Problem(what, at: place, value: value))
  }

  func require(_ condition: Bool, _ what: @autoclosure () -> String, _ value: @autoclosure () -> String)
    throws(TensorError)
  {
    if !condition { throw refuse(what(), value()) }
  }

  /// Refuses an output that shares memory with an operand still needed when it is written.
  func requireApart(_ output: TensorView, _ role: String, from others: [TensorView]) throws(TensorError) {
    for other in others where output.count > 0 && other.count > 0 {
      let first = extent(output)
      let second = extent(other)
      try require(
        !first.overlaps(second) || interleaved(output, other), "\(role) overlaps an operand",
        "'\(name(output))' and '\(name(other))'")
    }
  }

  /// Bytes of the arena from a view's first element to its last.
  private func extent(_ view: TensorView) -> Range<Int> {
    let size = program[view.tensor].dtype.size
    let start = plan.offsets[view.tensor.index] + view.offset * size
    return start..<(start + ((view.rows - 1) * view.stride + view.columns) * size)
  }

  /// Whether two views of one tensor are different columns of the same rows.
  private func interleaved(_ a: TensorView, _ b: TensorView) -> Bool {
    guard a.tensor == b.tensor, a.stride == b.stride, a.stride > 0 else { return false }
    let first = a.offset % a.stride
    let second = b.offset % a.stride
    return first + a.columns <= a.stride && second + b.columns <= a.stride
      && (first + a.columns <= second || second + b.columns <= first)
  }

  private func matrix<T: BitwiseCopyable>(
    _ view: TensorView, _ role: String, _ dtype: DType, _ type: T.Type, _ rows: Int?, _ columns: Int?
  ) throws(TensorError) -> Matrix<T> {
    guard program.tensors.indices.contains(view.tensor.index) else {
      throw refuse("\(role) names a tensor that the program does not have", "\(view.tensor.index)")
    }
    let spec = program[view.tensor]
    try require(spec.tier == .memory, "\(role) '\(spec.name)' must be in memory", "the page tier")
    try require(
      spec.dtype == dtype, "\(role) '\(spec.name)' must be \(dtype.rawValue)", spec.dtype.rawValue)
    try require(
      view.rows == rows ?? view.rows && view.columns == columns ?? view.columns,
      "\(role) '\(spec.name)' must be \(rows.map(String.init) ?? "any") x \(columns.map(String.init) ?? "any")",
      "\(view.rows) x \(view.columns)")
    try require(
      isInside(view, spec.count), "\(role) is a view outside '\(spec.name)'",
      "\(view.rows) x \(view.columns), stride \(view.stride), offset \(view.offset) of \(spec.count) elements")
    let start = unsafe (base + plan.offsets[view.tensor.index]).assumingMemoryBound(to: T.self)
    return unsafe Matrix(base: start + view.offset, rows: view.rows, columns: view.columns, stride: view.stride)
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
