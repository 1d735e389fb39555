/// Where every tensor of a program lies in one arena, decided before anything is allocated.
///
/// Persistent tensors get places of their own; the others share memory with tensors whose lifetimes, counted in
/// instructions, do not overlap. Persistent places follow the order of `TensorRole`, then of addition: programs that
/// add the same weights, gradients, states and constants in the same order agree on where those lie, and can share
/// one arena.
package struct MemoryPlan: Sendable {
  /// Byte offset of each tensor, by its index; every offset is a multiple of `alignment`.
  package let offsets: [Int]
  /// Bytes of the arena.
  package let arenaBytes: Int
  /// First and last instruction that touches each tensor; nil for persistent and unused ones.
  package let lifetimes: [ClosedRange<Int>?]

  package static let alignment = 128

  package init(_ program: Program) {
    var lifetimes = [ClosedRange<Int>?](repeating: nil, count: program.tensors.count)
    for (place, instruction) in program.instructions.enumerated() {
      for view in instruction.operation.reads + instruction.operation.writes {
        let index = view.tensor.index
        if program.tensors[index].role.isPersistent { continue }
        lifetimes[index] = lifetimes[index].map { $0.lowerBound...place } ?? place...place
      }
    }
    var offsets = [Int](repeating: 0, count: program.tensors.count)
    var end = 0
    for role in TensorRole.allCases where role.isPersistent {
      for (index, spec) in program.tensors.enumerated() where spec.role == role {
        offsets[index] = end
        end += MemoryPlan.aligned(spec.bytes)
      }
    }
    let shared = MemoryPlan.place(program.tensors, lifetimes, from: end, into: &offsets)
    self.offsets = offsets
    self.lifetimes = lifetimes
    arenaBytes = shared
  }

  package static func aligned(_ bytes: Int) -> Int { (bytes + alignment - 1) / alignment * alignment }

  /// Largest tensors first, each at the lowest offset where it meets no other alive at the same time.
  private static func place(
    _ tensors: [TensorSpec], _ lifetimes: [ClosedRange<Int>?], from start: Int, into offsets: inout [Int]
  ) -> Int {
    let order = tensors.indices.filter { lifetimes[$0] != nil }.sorted {
      (tensors[$1].bytes, $0) < (tensors[$0].bytes, $1)
    }
    var placed: [(life: ClosedRange<Int>, offset: Int, end: Int)] = []
    var arenaEnd = start
    for index in order {
      guard let life = lifetimes[index] else { continue }
      let bytes = aligned(max(tensors[index].bytes, 1))
      var offset = start
      for other in placed where other.life.overlaps(life) {
        if offset + bytes <= other.offset { break }
        offset = max(offset, other.end)
      }
      offsets[index] = offset
      let entry = (life: life, offset: offset, end: offset + bytes)
      let place = placed.partitionIndex { $0.offset >= entry.offset }
      placed.insert(entry, at: place)
      arenaEnd = max(arenaEnd, entry.end)
    }
    return arenaEnd
  }

  /// Bytes of each role: for shared roles the largest sum of tensors alive at one time.
  package func bytesByRole(_ program: Program) -> [(role: TensorRole, bytes: Int)] {
    TensorRole.allCases.compactMap { role in
      let indices = program.tensors.indices.filter { program.tensors[$0].role == role }
      let bytes: Int
      if role.isPersistent {
        bytes = indices.reduce(0) { $0 + MemoryPlan.aligned(program.tensors[$1].bytes) }
      } else {
        var change = [Int](repeating: 0, count: program.instructions.count + 1)
        for index in indices {
          guard let life = lifetimes[index] else { continue }
          let size = MemoryPlan.aligned(program.tensors[index].bytes)
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
