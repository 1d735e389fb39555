import Tensors

/// Moves tensors to the page tier: each is fetched into a window of memory before it is used, and evicted after it was
/// changed, with `lookahead` bytes of coming tensors on their way at a time, and as many going.
///
/// One mechanism for every technique that keeps less in memory: activation offloading (activations), paged optimizer
/// states (states), streamed weights (weights) and streamed gradients (gradients). Copies change no bits.
package struct PagingPass: Sendable {
  package let tensors: Set<TensorID>
  package let lookahead: Int

  package init(tensors: Set<TensorID>, lookahead: Int) {
    self.tensors = tensors
    self.lookahead = lookahead
  }

  /// The program with its transfers. Their order follows from the sizes of `bound`, the program for the longest
  /// micro-batches, so that all programs of one plan have the same lifetimes.
  package func apply(_ program: Program, bound: Program) -> Program {
    guard !tensors.isEmpty else { return program }
    var schedule = Schedule(program: program, bound: bound, lookahead: lookahead)
    for (index, uses) in uses(in: program).enumerated() where !uses.isEmpty {
      schedule.add(TensorID(index: index), visits(uses))
    }
    for tensor in tensors { schedule.result[tensor].tier = .page }
    return schedule.run()
  }

  /// What one instruction does with one tensor.
  struct Use {
    let place: Int
    let segment: Int
    var views: [TensorView]
    var reads = false
    var writes = false
    /// Whether it sets every element without reading one.
    var overwrites = false
  }

  /// The uses of each paged tensor, by its index.
  private func uses(in program: Program) -> [[Use]] {
    var result = [[Use]](repeating: [], count: program.tensors.count)
    let segments = segments(program)
    for (place, instruction) in program.instructions.enumerated() {
      let reads = instruction.operation.reads.filter { tensors.contains($0.tensor) }
      let writes = instruction.operation.writes.filter { tensors.contains($0.tensor) }
      for tensor in Set((reads + writes).map(\.tensor)) {
        let read = reads.filter { $0.tensor == tensor }
        let written = writes.filter { $0.tensor == tensor }
        var use = Use(place: place, segment: segments[place], views: read + written)
        use.reads = !read.isEmpty
        use.writes = !written.isEmpty
        use.overwrites = read.isEmpty && written.contains { $0.count == program[tensor].count }
        result[tensor.index].append(use)
      }
    }
    return result
  }

  /// Numbers the runs of one phase and block; updates belong to the run they stand in.
  private func segments(_ program: Program) -> [Int] {
    var segment = 0
    var last: (Instruction.Phase, Int?)?
    return program.instructions.map { instruction in
      guard instruction.phase != .update else { return segment }
      if let last, last != (instruction.phase, instruction.block) { segment += 1 }
      last = (instruction.phase, instruction.block)
      return segment
    }
  }

  /// Uses in neighbouring runs make one visit: in between the window stays.
  private func visits(_ uses: [Use]) -> [[Use]] {
    var result: [[Use]] = []
    for use in uses {
      if let last = result.last?.last, use.segment - last.segment <= 1 {
        result[result.count - 1].append(use)
      } else {
        result.append([use])
      }
    }
    return result
  }
}

extension PagingPass {
  /// One stay of a tensor, or of a slice of it, in memory.
  private struct Window {
    let home: TensorView
    let view: TensorView
    let bytes: Int
    let first: Int
    let isFetched: Bool
    /// The instruction after which it is written back; nil where nothing changed that is read again.
    let evictedAfter: Int?
    /// The instruction that must have run before it can be fetched.
    let readyAfter: Int
  }

  private struct Schedule {
    let program: Program
    let bound: Program
    let lookahead: Int
    var result: Program
    private var windows: [Window] = []
    /// The windows that stand for a tensor at an instruction.
    private var places: [Int: [TensorID: [Int]]] = [:]

    init(program: Program, bound: Program, lookahead: Int) {
      self.program = program
      self.bound = bound
      self.lookahead = lookahead
      result = program
    }

    mutating func add(_ tensor: TensorID, _ visits: [[Use]]) {
      var readyAfter = -1
      for (number, visit) in visits.enumerated() {
        let isLast = number == visits.count - 1
        let keeps = program[tensor].role.isPersistent || !isLast
        var evictions = readyAfter
        for unit in units(visit, of: tensor) {
          let window = open(unit.uses, home: unit.home, number: number, keeps: keeps, readyAfter: readyAfter)
          for use in unit.uses { places[use.place, default: [:]][tensor, default: []].append(windows.count) }
          windows.append(window)
          evictions = max(evictions, window.evictedAfter ?? -1)
        }
        readyAfter = evictions
      }
    }

    /// A visit by slices alone has a window for each; any other has one for the whole tensor.
    private func units(_ visit: [Use], of tensor: TensorID) -> [(home: TensorView, uses: [Use])] {
      let whole = program.view(tensor)
      let isSliced = visit.allSatisfy { use in
        Set(use.views).count == 1 && use.views[0].rows == 1 && use.views[0].count < whole.count
          && use.views[0].offset * program[tensor].dtype.size % MemoryPlan.pageAlignment == 0
      }
      guard isSliced else { return [(whole, visit)] }
      var result: [(home: TensorView, uses: [Use])] = []
      for use in visit {
        if let known = result.firstIndex(where: { $0.home == use.views[0] }) {
          result[known].uses.append(use)
        } else {
          result.append((use.views[0], [use]))
        }
      }
      let sorted = result.map(\.home).sorted { $0.offset < $1.offset }
      let overlap = zip(sorted, sorted.dropFirst()).contains { $0.offset + $0.count > $1.offset }
      return overlap ? [(whole, visit)] : result
    }

    private mutating func open(
      _ uses: [Use], home: TensorView, number: Int, keeps: Bool, readyAfter: Int
    ) -> Window {
      let spec = program[home.tensor]
      let id = result.add(
        TensorSpec(
          name: "\(spec.name).window\(windows.count)", dtype: spec.dtype, rows: home.rows, columns: home.columns,
          role: .window))
      let isWhole = home.count == spec.count
      let size = isWhole ? bound[home.tensor].bytes : home.count * spec.dtype.size
      let written = uses.last(where: \.writes)?.place
      return Window(
        home: home, view: result.view(id), bytes: size, first: uses[0].place,
        isFetched: isWhole ? !uses[0].overwrites : uses[0].reads, evictedAfter: keeps ? written : nil,
        readyAfter: readyAfter)
    }

    /// Writes the instructions out with the transfers between them.
    mutating func run() -> Program {
      let coming = windows.indices.filter { windows[$0].isFetched }.sorted {
        (windows[$0].first, $0) < (windows[$1].first, $1)
      }
      let going = Dictionary(grouping: windows.indices.filter { windows[$0].evictedAfter != nil }) {
        windows[$0].evictedAfter ?? 0
      }
      let instructions = program.instructions
      result.instructions = []
      var next = 0
      var awaited = 0
      var onTheWay = 0
      var leaving: [Int] = []
      var leavingBytes = 0
      for (place, instruction) in instructions.enumerated() {
        while next < coming.count {
          let window = windows[coming[next]]
          let isDue = window.first == place
          guard isDue || (window.readyAfter < place && onTheWay + window.bytes <= lookahead) else { break }
          emit(.fetch(from: window.home, into: window.view, transfer: 2 * coming[next]), like: instruction)
          onTheWay += window.bytes
          next += 1
        }
        while awaited < next, windows[coming[awaited]].first == place {
          let window = windows[coming[awaited]]
          emit(.wait(transfer: 2 * coming[awaited], view: window.view), like: instruction)
          onTheWay -= window.bytes
          awaited += 1
        }
        result.instructions.append(moved(instruction, place))
        for number in going[place] ?? [] {
          let window = windows[number]
          while let oldest = leaving.first, leavingBytes + window.bytes > lookahead {
            emit(.wait(transfer: 2 * oldest + 1, view: windows[oldest].view), like: instruction)
            leavingBytes -= windows[oldest].bytes
            leaving.removeFirst()
          }
          emit(.evict(from: window.view, into: window.home, transfer: 2 * number + 1), like: instruction)
          leaving.append(number)
          leavingBytes += window.bytes
        }
      }
      if let last = instructions.last {
        for number in leaving { emit(.wait(transfer: 2 * number + 1, view: windows[number].view), like: last) }
      }
      return result
    }

    private mutating func emit(_ operation: Operation, like instruction: Instruction) {
      var transfer = instruction
      transfer.operation = operation
      result.instructions.append(transfer)
    }

    private func moved(_ instruction: Instruction, _ place: Int) -> Instruction {
      guard let standing = places[place] else { return instruction }
      var instruction = instruction
      instruction.operation = instruction.operation.mappingViews { view in
        guard let candidates = standing[view.tensor] else { return view }
        for number in candidates {
          let window = windows[number]
          if window.home.count == program[view.tensor].count {
            var view = view
            view.tensor = window.view.tensor
            return view
          }
          if window.home == view { return window.view }
        }
        return view
      }
      return instruction
    }
  }
}
