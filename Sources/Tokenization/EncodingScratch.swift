/// Memory that encoding works in, kept between texts; one encoding at a time owns it.
final class EncodingScratch: @unchecked Sendable {
  /// Ids of the word being merged.
  var symbols: [Int32] = []
  /// End of each symbol, in bytes from the word's start.
  var ends: [Int32] = []
  /// Tokens of the text so far.
  var tokens: [Token] = []
  let cache = WordCache()
  /// What regular expressions match with; made when the first one runs.
  lazy var matcher = RegularExpression.Matcher()

  /// Rank << 32 | id of the merge of each symbol with its successor.
  private var pairs: [UInt64] = []
  private var next: [Int32] = []
  private var previous: [Int32] = []
  /// Rank << 32 | position of possible merges, the least first.
  private var heap: [UInt64] = []

  @inline(__always)
  func append(_ id: Int32, end: Int) {
    symbols.append(id)
    ends.append(Int32(truncatingIfNeeded: end))
  }

  /// Whether each symbol stands for exactly the bytes that its id always stands for.
  func isPlain(_ lengths: [Int32]) -> Bool {
    var start: Int32 = 0
    for (id, end) in zip(symbols, ends) {
      if end - start != lengths[Int(id)] { return false }
      start = end
    }
    return true
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// Merges a short word: each turn searches all pairs for the best.
  func mergeShort(_ merges: FlatMap) {
    var count = symbols.count
    pairs.removeAll(keepingCapacity: true)
    for index in 0..<count - 1 { pairs.append(merges.value(of: Self.key(symbols[index], symbols[index + 1]))) }
    unsafe symbols.withUnsafeMutableBufferPointer { symbols in
      unsafe ends.withUnsafeMutableBufferPointer { ends in
        unsafe pairs.withUnsafeMutableBufferPointer { pairs in
          while count > 1 {
            var best = 0
            var bestRank = unsafe pairs[0] >> 32
            for index in 1..<max(count - 1, 1) where unsafe pairs[index] >> 32 < bestRank {
              best = index
              bestRank = unsafe pairs[index] >> 32
            }
            let merge = unsafe pairs[best]
            guard merge != FlatMap.absent else { break }
            unsafe symbols[best] = Int32(truncatingIfNeeded: merge)
            unsafe ends[best] = ends[best + 1]
            count -= 1
            for index in best + 1..<max(count, best + 1) {
              unsafe symbols[index] = symbols[index + 1]
              unsafe ends[index] = ends[index + 1]
              unsafe pairs[index - 1] = pairs[index]
            }
            if best > 0 { unsafe pairs[best - 1] = merges.value(of: Self.key(symbols[best - 1], symbols[best])) }
            if best < count - 1 { unsafe pairs[best] = merges.value(of: Self.key(symbols[best], symbols[best + 1])) }
          }
        }
      }
    }
    symbols.removeLast(symbols.count - count)
    ends.removeLast(ends.count - count)
  }

  /// Merges a long word in O(n log n): a linked list of symbols and a heap of possible merges.
  ///
  /// An entry whose symbols have changed meanwhile is found stale when its pair no longer has its rank.
  func mergeLong(_ merges: FlatMap) {
    let count = symbols.count
    next = (0..<count).map { Int32($0 + 1 == count ? -1 : $0 + 1) }
    previous = (0..<count).map { Int32($0 - 1) }
    heap.removeAll(keepingCapacity: true)
    for index in 0..<count - 1 { offer(index, merges) }
    while let entry = popLeast() {
      let position = Int(entry & 0xFFFF_FFFF)
      guard symbols[position] >= 0, next[position] >= 0 else { continue }
      let right = Int(next[position])
      let merge = merges.value(of: Self.key(symbols[position], symbols[right]))
      guard merge != FlatMap.absent, merge >> 32 == entry >> 32 else { continue }
      symbols[position] = Int32(truncatingIfNeeded: merge)
      ends[position] = ends[right]
      symbols[right] = -1
      next[position] = next[right]
      if next[right] >= 0 { previous[Int(next[right])] = Int32(position) }
      if previous[position] >= 0 { offer(Int(previous[position]), merges) }
      offer(position, merges)
    }
    var kept = 0
    for index in 0..<count where symbols[index] >= 0 {
      symbols[kept] = symbols[index]
      ends[kept] = ends[index]
      kept += 1
    }
    symbols.removeLast(count - kept)
    ends.removeLast(count - kept)
  }

  /// Puts the merge of the symbol at `position` with its successor on the heap, if there is one.
  private func offer(_ position: Int, _ merges: FlatMap) {
    guard next[position] >= 0 else { return }
    let merge = merges.value(of: Self.key(symbols[position], symbols[Int(next[position])]))
    guard merge != FlatMap.absent else { return }
    heap.append(merge & ~0xFFFF_FFFF | UInt64(position))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child] < heap[parent] else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  private func popLeast() -> UInt64? {
    guard let least = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return least }
    var parent = 0
    while true {
      var child = parent * 2 + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < last else { break }
      heap[parent] = heap[child]
      parent = child
    }
    heap[parent] = last
    return least
  }
}
