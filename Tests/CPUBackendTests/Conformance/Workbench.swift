import Basics
import Tensors

/// Builds a small program with known contents, runs it, and compares what it leaves with the oracle.
///
/// Matrices may be laid out as strided views in the middle of larger tensors; the surroundings hold a mark that no
/// operation may change.
struct Workbench {
  private(set) var program = Program()
  private var floats: [(id: TensorID, values: [Float])] = []
  private var integers: [(id: TensorID, values: [Int32])] = []
  private var doubles: [(id: TensorID, values: [Double])] = []
  var scalars = StepScalars()
  let layout: Layout

  enum Layout: String, Sendable, CaseIterable {
    case contiguous, strided
  }

  static let mark: Float = -7777.25

  init(_ layout: Layout = .contiguous) { self.layout = layout }

  /// A matrix of f32 with contents.
  mutating func matrix(_ name: String, _ grid: Grid) -> TensorView {
    let before = layout == .strided ? 3 : 0
    let stride = layout == .strided ? grid.columns + 5 : grid.columns
    let rows = layout == .strided ? grid.rows + 2 : grid.rows
    let id = program.add(TensorSpec(name: name, rows: rows, columns: stride, role: .input))
    let first = layout == .strided ? 1 : 0
    var values = [Float](repeating: Workbench.mark, count: rows * stride)
    for row in 0..<grid.rows {
      for column in 0..<grid.columns { values[(row + first) * stride + before + column] = Float(grid[row, column]) }
    }
    floats.append((id, values))
    return TensorView(
      tensor: id, offset: first * stride + before, rows: grid.rows, columns: grid.columns, stride: stride)
  }

  /// A matrix of f32 to be overwritten: full of marks.
  mutating func output(_ name: String, _ rows: Int, _ columns: Int) -> TensorView {
    matrix(name, Grid(rows, columns) { _, _ in Double(Workbench.mark) })
  }

  mutating func column(_ name: String, _ values: [Int32]) -> TensorView {
    let id = program.add(TensorSpec(name: name, dtype: .i32, rows: values.count, columns: 1, role: .input))
    integers.append((id, values))
    return program.view(id)
  }

  mutating func doubles(_ name: String, _ values: [Double]) -> TensorView {
    let id = program.add(TensorSpec(name: name, dtype: .f64, rows: values.count, columns: 1, role: .output))
    doubles.append((id, values))
    return program.view(id)
  }

  mutating func add(_ operation: Operation) { program.instructions.append(Instruction(operation, phase: .forward)) }

  /// Loads without running.
  func load(on backend: any Backend) throws -> any LoadedProgram {
    let plan = MemoryPlan(program)
    let arena = try backend.makeArena(bytes: plan.arenaBytes)
    let loaded = try backend.load(program, plan: plan, in: arena)
    fill(loaded)
    return loaded
  }

  func fill(_ loaded: any LoadedProgram) {
    for (id, values) in floats { loaded.write(values, to: id) }
    for (id, values) in integers { loaded.write(values, to: id) }
    for (id, values) in doubles { loaded.write(values, to: id) }
  }

  /// Runs once and returns what is left.
  func run(on backend: any Backend) throws -> Outcome {
    let loaded = try load(on: backend)
    try loaded.run(scalars)
    return Outcome(loaded, initial: floats)
  }
}

/// What a run left in its tensors.
struct Outcome {
  private let loaded: any LoadedProgram
  private let initial: [(id: TensorID, values: [Float])]

  init(_ loaded: any LoadedProgram, initial: [(id: TensorID, values: [Float])]) {
    self.loaded = loaded
    self.initial = initial
  }

  func grid(_ view: TensorView) -> Grid {
    let values = loaded.read(view.tensor, as: Float.self, initial: 0)
    return Grid(view.rows, view.columns) { Double(values[view.offset + $0 * view.stride + $1]) }
  }

  func doubles(_ view: TensorView) -> [Double] { loaded.read(view.tensor, as: Double.self, initial: 0) }
  func integers(_ view: TensorView) -> [Int32] { loaded.read(view.tensor, as: Int32.self, initial: 0) }

  /// The bits of every float tensor, for comparing runs.
  var bits: [[UInt32]] { initial.map { loaded.read($0.id, as: UInt32.self, initial: 0) } }

  /// Elements outside `written` whose bits changed.
  func strayWrites(except written: [TensorView]) -> Int {
    var strays = 0
    for (id, values) in initial {
      let now = loaded.read(id, as: UInt32.self, initial: 0)
      var allowed = [Bool](repeating: false, count: values.count)
      for view in written where view.tensor == id {
        for row in 0..<view.rows {
          for column in 0..<view.columns { allowed[view.offset + row * view.stride + column] = true }
        }
      }
      for (index, value) in values.enumerated() where !allowed[index] && value.bitPattern != now[index] { strays += 1 }
    }
    return strays
  }
}
