import Basics
import Tensors

/// Builds a small program with known contents, runs it, and compares what it leaves with the oracle.
///
/// Matrices may be laid out as strided views in the middle of larger tensors; the surroundings hold a mark that no
/// operation may change.
package struct Workbench {
  package private(set) var program = Program()
  private var floats: [(id: TensorID, values: [Float])] = []
  private var integers: [(id: TensorID, values: [Int32])] = []
  private var doubles: [(id: TensorID, values: [Double])] = []
  private var halves: [(id: TensorID, values: [UInt16])] = []
  private var bytes: [(id: TensorID, values: [UInt8])] = []
  package var scalars = StepScalars()
  package let layout: Layout

  package enum Layout: String, Sendable, CaseIterable {
    case contiguous, strided
  }

  package static let mark: Float = -7777.25

  package init(_ layout: Layout = .contiguous) { self.layout = layout }

  /// A matrix of f32 with contents.
  package mutating func matrix(_ name: String, _ grid: Grid) -> TensorView {
    let (view, values) = place(name, grid, .f32)
    floats.append((view.tensor, values.map { Float($0) }))
    return view
  }

  /// A matrix of bf16 whose contents bf16 holds exactly.
  package mutating func halves(_ name: String, _ grid: Grid) -> TensorView {
    let (view, values) = place(name, grid, .bf16)
    halves.append((view.tensor, values.map { UInt16(truncatingIfNeeded: Float($0).bitPattern >> 16) }))
    return view
  }

  /// A matrix of bytes.
  package mutating func bytes(_ name: String, _ grid: Grid) -> TensorView {
    let (view, values) = place(name, grid, .u8)
    bytes.append((view.tensor, values.map { $0 < 0 ? 77 : UInt8($0) }))
    return view
  }

  /// Lays a matrix out among marks.
  private mutating func place(_ name: String, _ grid: Grid, _ dtype: DType) -> (TensorView, [Double]) {
    let before = layout == .strided ? 3 : 0
    let stride = layout == .strided ? grid.columns + 5 : grid.columns
    let rows = layout == .strided ? grid.rows + 2 : grid.rows
    let id = program.add(TensorSpec(name: name, dtype: dtype, rows: rows, columns: stride, role: .input))
    let first = layout == .strided ? 1 : 0
    var values = [Double](repeating: Double(Workbench.mark), count: rows * stride)
    for row in 0..<grid.rows {
      for column in 0..<grid.columns { values[(row + first) * stride + before + column] = grid[row, column] }
    }
    let view = TensorView(
      tensor: id, offset: first * stride + before, rows: grid.rows, columns: grid.columns, stride: stride)
    return (view, values)
  }

  /// A matrix of f32 to be overwritten: full of marks.
  package mutating func output(_ name: String, _ rows: Int, _ columns: Int) -> TensorView {
    matrix(name, Grid(rows, columns) { _, _ in Double(Workbench.mark) })
  }

  package mutating func column(_ name: String, _ values: [Int32]) -> TensorView {
    let id = program.add(TensorSpec(name: name, dtype: .i32, rows: values.count, columns: 1, role: .input))
    integers.append((id, values))
    return program.view(id)
  }

  package mutating func doubles(_ name: String, _ values: [Double]) -> TensorView {
    let id = program.add(TensorSpec(name: name, dtype: .f64, rows: values.count, columns: 1, role: .output))
    doubles.append((id, values))
    return program.view(id)
  }

  package mutating func add(_ operation: Operation) {
    program.instructions.append(Instruction(operation, phase: .forward))
  }

  /// Loads without running.
  package func load(on backend: any Backend) throws -> any LoadedProgram {
    let plan = MemoryPlan(program)
    let arena = try backend.makeArena(bytes: plan.arenaBytes)
    let loaded = try backend.load(program, plan: plan, in: arena)
    fill(loaded)
    return loaded
  }

  package func fill(_ loaded: any LoadedProgram) {
    for (id, values) in floats { loaded.write(values, to: id) }
    for (id, values) in integers { loaded.write(values, to: id) }
    for (id, values) in doubles { loaded.write(values, to: id) }
    for (id, values) in halves { loaded.write(values, to: id) }
    for (id, values) in bytes { loaded.write(values, to: id) }
  }

  /// Runs once and returns what is left.
  package func run(on backend: any Backend) throws -> Outcome {
    let loaded = try load(on: backend)
    try loaded.run(scalars)
    return Outcome(loaded, initial: floats, halves: halves, bytes: bytes)
  }
}

/// What a run left in its tensors.
package struct Outcome {
  private let loaded: any LoadedProgram
  private let initial: [(id: TensorID, values: [Float])]
  private let halves: [(id: TensorID, values: [UInt16])]
  private let bytes: [(id: TensorID, values: [UInt8])]

  package init(
    _ loaded: any LoadedProgram, initial: [(id: TensorID, values: [Float])],
    halves: [(id: TensorID, values: [UInt16])] = [], bytes: [(id: TensorID, values: [UInt8])] = []
  ) {
    self.loaded = loaded
    self.initial = initial
    self.halves = halves
    self.bytes = bytes
  }

  /// The values of a view of f32, bf16 or bytes.
  package func grid(_ view: TensorView) -> Grid {
    let values: [Double] =
      switch loaded.program[view.tensor].dtype {
      case .bf16:
        loaded.read(view.tensor, as: UInt16.self, initial: 0).map { Double(Float(bitPattern: UInt32($0) << 16)) }
      case .u8: loaded.read(view.tensor, as: UInt8.self, initial: 0).map { Double($0) }
      default: loaded.read(view.tensor, as: Float.self, initial: 0).map { Double($0) }
      }
    return Grid(view.rows, view.columns) { values[view.offset + $0 * view.stride + $1] }
  }

  package func doubles(_ view: TensorView) -> [Double] { loaded.read(view.tensor, as: Double.self, initial: 0) }
  package func integers(_ view: TensorView) -> [Int32] { loaded.read(view.tensor, as: Int32.self, initial: 0) }

  /// The bits of every float tensor, for comparing runs.
  package var bits: [[UInt32]] { initial.map { loaded.read($0.id, as: UInt32.self, initial: 0) } }

  /// Elements outside `written` whose bits changed.
  package func strayWrites(except written: [TensorView]) -> Int {
    strays(initial.map { ($0.id, $0.values.map(\.bitPattern)) }, written)
      + strays(halves, written) + strays(bytes, written)
  }

  private func strays<T: FixedWidthInteger & BitwiseCopyable>(
    _ tensors: [(TensorID, [T])], _ written: [TensorView]
  ) -> Int {
    var strays = 0
    for (id, values) in tensors {
      let now = loaded.read(id, as: T.self, initial: 0)
      var allowed = [Bool](repeating: false, count: values.count)
      for view in written where view.tensor == id {
        for row in 0..<view.rows {
          for column in 0..<view.columns { allowed[view.offset + row * view.stride + column] = true }
        }
      }
      for (index, value) in values.enumerated() where !allowed[index] && value != now[index] { strays += 1 }
    }
    return strays
  }
}
