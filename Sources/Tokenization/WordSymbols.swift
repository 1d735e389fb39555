/// The symbols of one word while they are merged, in memory that is kept from word to word.
@safe struct WordSymbols: ~Copyable {
  /// Symbols of the word.
  private(set) var count = 0
  /// Symbols that there is room for.
  private(set) var capacity: Int
  private var symbols: UnsafeMutablePointer<Int32>
  /// End of each symbol, in bytes from the word's start.
  private var ends: UnsafeMutablePointer<Int32>
  /// Rank << 32 | id of the merge of each symbol with its successor (short words).
  private var pairs: UnsafeMutablePointer<UInt64>
  /// Neighbours of each symbol that is left, -1 at the ends (long words).
  private var next: UnsafeMutablePointer<Int32>
  private var previous: UnsafeMutablePointer<Int32>
  /// Rank << 32 | position of possible merges, the least first (long words).
  private var heap: UnsafeMutablePointer<UInt64>
  private var heapCount = 0

  /// Symbols from which a heap is quicker than searching the whole word for each merge.
  private static let longWord = 48

  init() {
    capacity = 256
    unsafe symbols = .allocate(capacity: capacity)
    unsafe ends = .allocate(capacity: capacity)
    unsafe pairs = .allocate(capacity: capacity)
    unsafe next = .allocate(capacity: capacity)
    unsafe previous = .allocate(capacity: capacity)
    // Each pair at first, and two more for each merge.
    unsafe heap = .allocate(capacity: capacity * 3)
  }

  deinit { free() }

  private func free() {
    unsafe symbols.deallocate()
    unsafe ends.deallocate()
    unsafe pairs.deallocate()
    unsafe next.deallocate()
    unsafe previous.deallocate()
    unsafe heap.deallocate()
  }

  /// Begins a word of at most `most` symbols.
  mutating func begin(_ most: Int) {
    count = 0
    guard most > capacity else { return }
    free()
    capacity = most + most / 2
    unsafe symbols = .allocate(capacity: capacity)
    unsafe ends = .allocate(capacity: capacity)
    unsafe pairs = .allocate(capacity: capacity)
    unsafe next = .allocate(capacity: capacity)
    unsafe previous = .allocate(capacity: capacity)
    unsafe heap = .allocate(capacity: capacity * 3)
  }

  /// Adds a symbol; there is room for as many as `begin` was told.
  @inline(__always)
  mutating func append(_ id: Int32, end: Int) {
    unsafe symbols[count] = id
    unsafe ends[count] = Int32(truncatingIfNeeded: end)
    count += 1
  }

  /// The id of a symbol.
  @inline(__always)
  subscript(index: Int) -> Int32 { unsafe symbols[index] }

  /// Where a symbol ends, in bytes from the word's start.
  @inline(__always)
  func end(_ index: Int) -> Int { unsafe Int(ends[index]) }

  /// Moves the end of the last symbol.
  mutating func extendLast(to end: Int) {
    if count > 0 { unsafe ends[count - 1] = Int32(truncatingIfNeeded: end) }
  }

  /// The symbols and their ends, which are taken out.
  mutating func removeAll() -> [(id: Int32, end: Int)] {
    let all = (0..<count).map { (id: self[$0], end: end($0)) }
    count = 0
    return all
  }

  @inline(__always)
  private func merge(_ left: Int, _ right: Int, _ merges: FlatMap) -> UInt64 {
    unsafe merges.value(
      of: UInt64(UInt32(bitPattern: symbols[left])) << 32 | UInt64(UInt32(bitPattern: symbols[right])))
  }

  /// Merges all that can be, the best rank first, of equal ones the leftmost.
  mutating func merge(_ merges: FlatMap) {
    if count < 2 { return }
    if count <= Self.longWord { mergeShort(merges) } else { mergeLong(merges) }
  }

  /// Each turn searches all pairs for the best.
  private mutating func mergeShort(_ merges: FlatMap) {
    for index in 0..<count - 1 { unsafe pairs[index] = merge(index, index + 1, merges) }
    while count > 1 {
      var best = 0
      var bestRank = unsafe pairs[0] >> 32
      var index = 1
      while index < count - 1 {
        let rank = unsafe pairs[index] >> 32
        if rank < bestRank {
          best = index
          bestRank = rank
        }
        index += 1
      }
      let found = unsafe pairs[best]
      if found == FlatMap.absent { return }
      unsafe symbols[best] = Int32(truncatingIfNeeded: found)
      unsafe ends[best] = ends[best + 1]
      count -= 1
      let moved = count - best - 1
      if moved > 0 {
        unsafe (symbols + best + 1).update(from: symbols + best + 2, count: moved)
        unsafe (ends + best + 1).update(from: ends + best + 2, count: moved)
        unsafe (pairs + best).update(from: pairs + best + 1, count: moved)
        unsafe pairs[best] = merge(best, best + 1, merges)
      }
      if best > 0 { unsafe pairs[best - 1] = merge(best - 1, best, merges) }
    }
  }

  /// O(n log n): a linked list of symbols and a heap of possible merges.
  ///
  /// An entry whose symbols have changed meanwhile is found stale when its pair no longer has its rank.
  private mutating func mergeLong(_ merges: FlatMap) {
    for index in 0..<count {
      unsafe next[index] = index + 1 == count ? -1 : Int32(truncatingIfNeeded: index + 1)
      unsafe previous[index] = Int32(truncatingIfNeeded: index - 1)
    }
    heapCount = 0
    for index in 0..<count - 1 { offer(index, merges) }
    while heapCount > 0 {
      let entry = popLeast()
      let position = Int(entry & 0xFFFF_FFFF)
      guard unsafe symbols[position] >= 0, unsafe next[position] >= 0 else { continue }
      let right = unsafe Int(next[position])
      let found = merge(position, right, merges)
      guard found != FlatMap.absent, found >> 32 == entry >> 32 else { continue }
      unsafe symbols[position] = Int32(truncatingIfNeeded: found)
      unsafe ends[position] = ends[right]
      unsafe symbols[right] = -1
      let behind = unsafe next[right]
      unsafe next[position] = behind
      if behind >= 0 { unsafe previous[Int(behind)] = Int32(truncatingIfNeeded: position) }
      let before = unsafe previous[position]
      if before >= 0 { offer(Int(before), merges) }
      offer(position, merges)
    }
    var kept = 0
    for index in 0..<count where unsafe symbols[index] >= 0 {
      unsafe symbols[kept] = symbols[index]
      unsafe ends[kept] = ends[index]
      kept += 1
    }
    count = kept
  }

  /// Puts the merge of the symbol at `position` with its successor on the heap, if there is one.
  @inline(__always)
  private mutating func offer(_ position: Int, _ merges: FlatMap) {
    guard unsafe next[position] >= 0 else { return }
    let found = unsafe merge(position, Int(next[position]), merges)
    guard found != FlatMap.absent else { return }
    let entry = found & ~0xFFFF_FFFF | UInt64(position)
    var child = heapCount
    heapCount += 1
    while child > 0 {
      let parent = (child - 1) / 2
      let above = unsafe heap[parent]
      if above <= entry { break }
      unsafe heap[child] = above
      child = parent
    }
    unsafe heap[child] = entry
  }

  /// Takes the least entry off the heap, which is not empty.
  private mutating func popLeast() -> UInt64 {
    let least = unsafe heap[0]
    heapCount -= 1
    let last = unsafe heap[heapCount]
    var parent = 0
    while true {
      var child = parent * 2 + 1
      guard child < heapCount else { break }
      if child + 1 < heapCount, unsafe heap[child + 1] < heap[child] { child += 1 }
      let below = unsafe heap[child]
      guard below < last else { break }
      unsafe heap[parent] = below
      parent = child
    }
    unsafe heap[parent] = last
    return least
  }
}
