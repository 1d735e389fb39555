/// Where every tensor of a program lies in one arena, or in the page tier below it, decided before anything is
/// allocated.
///
/// Persistent tensors get places of their own; the others share memory with tensors whose lifetimes, counted in
/// instructions, do not overlap. Persistent places follow the order of `TensorRole`, then of addition: programs that
/// add the same weights, gradients, states, constants and caches in the same order agree on where those lie, and can
/// share one arena. The same goes for tensors at home in the page tier, none of which share room.
package struct MemoryPlan: Sendable {
  /// Byte offset of each tensor in its tier, by its index; every offset is a multiple of `alignment`.
  package let offsets: [Int]
  /// Bytes of the arena.
  package let arenaBytes: Int
  /// Bytes of the page tier.
  package let pageBytes: Int
  /// First and last instruction that touches each tensor; nil for persistent and unused ones, and for those that are
  /// at home in the page tier.
  package let lifetimes: [ClosedRange<Int>?]

  package static let alignment = 128
  /// Of windows and of all that lies in the page tier: what direct transfers to a disk need.
  package static let pageAlignment = 4096

  package init(_ program: Program) {
    let lifetimes = MemoryPlan.lifetimes(program)
    var offsets = [Int](repeating: 0, count: program.tensors.count)
    var end = 0
    var pages = 0
    for role in TensorRole.allCases {
      for (index, spec) in program.tensors.enumerated() where spec.role == role {
        if spec.tier == .page {
          offsets[index] = pages
          pages += MemoryPlan.room(for: spec)
        } else if role.isPersistent {
          offsets[index] = end
          end += MemoryPlan.room(for: spec)
        }
      }
    }
    pageBytes = pages
    arenaBytes = MemoryPlan.place(program, lifetimes, from: end, into: &offsets)
    self.offsets = offsets
    self.lifetimes = lifetimes
  }

  /// Bytes that a tensor takes up.
  package static func room(for spec: TensorSpec) -> Int {
    let unit = alignment(of: spec)
    return (max(spec.bytes, 1) + unit - 1) / unit * unit
  }

  private static func alignment(of spec: TensorSpec) -> Int {
    spec.tier == .page || spec.role == .window ? pageAlignment : alignment
  }

  /// Whether this plan also serves `program`: the same tensors touched by the same instructions, none larger than in
  /// `planned`, the program that the plan was made for.
  ///
  /// So one plan for the longest batch serves every shorter one, and no shape that comes up later can need more.
  package func serves(_ program: Program, planned: Program) -> Bool {
    guard program.tensors.count == planned.tensors.count, program.instructions.count == planned.instructions.count
    else { return false }
    for (mine, theirs) in zip(program.tensors, planned.tensors)
    where mine.role != theirs.role || mine.tier != theirs.tier || mine.bytes > theirs.bytes { return false }
    return MemoryPlan.lifetimes(program) == lifetimes
  }

  private static func lifetimes(_ program: Program) -> [ClosedRange<Int>?] {
    var lifetimes = [ClosedRange<Int>?](repeating: nil, count: program.tensors.count)
    for (place, instruction) in program.instructions.enumerated() {
      for view in instruction.operation.reads + instruction.operation.writes {
        let index = view.tensor.index
        if program.tensors[index].role.isPersistent || program.tensors[index].tier == .page { continue }
        lifetimes[index] = lifetimes[index].map { $0.lowerBound...place } ?? place...place
      }
    }
    return lifetimes
  }

  /// What the arena of a program needs at least: its persistent tensors, and the most of the others at one time. Found
  /// without placing anything; gaps between tensors come on top.
  package static func leastArenaBytes(_ program: Program) -> Int {
    var persistent = 0
    var change = [Int](repeating: 0, count: program.instructions.count + 1)
    for (spec, life) in zip(program.tensors, lifetimes(program)) where spec.tier == .memory {
      if spec.role.isPersistent {
        persistent += room(for: spec)
      } else if let life {
        change[life.lowerBound] += room(for: spec)
        change[life.upperBound + 1] -= room(for: spec)
      }
    }
    var alive = 0
    return persistent
      + change.reduce(0) { peak, delta in
        alive += delta
        return max(peak, alive)
      }
  }

  private struct Placed {
    let index: Int
    let life: ClosedRange<Int>
    let offset: Int
    let end: Int
  }

  /// Largest tensors first, each at the lowest offset where it meets no other alive at the same time.
  ///
  /// What is placed is kept by window, a run of instructions of one micro-batch, so that the cost grows with the
  /// number of micro-batches and not with its square.
  private static func place(
    _ program: Program, _ lifetimes: [ClosedRange<Int>?], from start: Int, into offsets: inout [Int]
  ) -> Int {
    let tensors = program.tensors
    let order = tensors.indices.filter { lifetimes[$0] != nil }.sorted {
      (tensors[$1].bytes, $0) < (tensors[$0].bytes, $1)
    }
    let windowOf = windows(program)
    var placed = [[Placed]](repeating: [], count: (windowOf.last ?? 0) + 1)
    var arenaEnd = start
    for index in order {
      guard let life = lifetimes[index] else { continue }
      let spans = windowOf[life.lowerBound]...windowOf[life.upperBound]
      let bytes = room(for: tensors[index])
      let unit = alignment(of: tensors[index])
      let others =
        spans.count == 1
        ? placed[spans.lowerBound] : spans.flatMap { placed[$0] }.sorted { $0.offset < $1.offset }
      let offset = lowestGap(bytes, life, among: others, from: start, unit: unit)
      offsets[index] = offset
      let entry = Placed(index: index, life: life, offset: offset, end: offset + bytes)
      for window in spans {
        placed[window].insert(entry, at: placed[window].partitionIndex { $0.offset >= entry.offset })
      }
      arenaEnd = max(arenaEnd, entry.end)
    }
    return arenaEnd
  }

  private static func lowestGap(
    _ bytes: Int, _ life: ClosedRange<Int>, among placed: [Placed], from start: Int, unit: Int
  ) -> Int {
    func aligned(_ offset: Int) -> Int { (offset + unit - 1) / unit * unit }
    var offset = aligned(start)
    for other in placed where other.life.overlaps(life) {
      if offset + bytes <= other.offset { break }
      offset = max(offset, aligned(other.end))
    }
    return offset
  }

  /// The window of each instruction: a new one begins where the micro-batch changes, after some instructions.
  private static func windows(_ program: Program) -> [Int] {
    var window = 0
    var start = 0
    var result: [Int] = []
    result.reserveCapacity(program.instructions.count)
    for (place, instruction) in program.instructions.enumerated() {
      if place - start >= 64, instruction.microBatch != program.instructions[place - 1].microBatch {
        window += 1
        start = place
      }
      result.append(window)
    }
    return result
  }

  /// Bytes of each role in the arena: for shared roles the largest sum of tensors alive at one time.
  package func bytesByRole(_ program: Program) -> [(role: TensorRole, bytes: Int)] {
    TensorRole.allCases.compactMap { role in
      let indices = program.tensors.indices.filter {
        program.tensors[$0].role == role && program.tensors[$0].tier == .memory
      }
      let bytes: Int
      if role.isPersistent {
        bytes = indices.reduce(0) { $0 + MemoryPlan.room(for: program.tensors[$1]) }
      } else {
        var change = [Int](repeating: 0, count: program.instructions.count + 1)
        for index in indices {
          guard let life = lifetimes[index] else { continue }
          let size = MemoryPlan.room(for: program.tensors[index])
          change[life.lowerBound] += size
          change[life.upperBound + 1] -= size
        }
        var alive = 0
        bytes = change.reduce(0) { peak, delta in
          alive += delta
          return max(peak, alive)
        }
      }
      return bytes == 0 ? nil : (role, bytes)
    }
  }

  /// Bytes of each role in the page tier.
  package func pageBytesByRole(_ program: Program) -> [(role: TensorRole, bytes: Int)] {
    TensorRole.allCases.compactMap { role in
      let bytes = program.tensors.reduce(0) {
        $1.role == role && $1.tier == .page ? $0 + MemoryPlan.room(for: $1) : $0
      }
      return bytes == 0 ? nil : (role, bytes)
    }
  }
}

extension Array {
  /// The first index whose element satisfies `isAfter`, in an array partitioned by it.
  fileprivate func partitionIndex(where isAfter: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if isAfter(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
