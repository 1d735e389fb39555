/// A table from hashes of word runs to the first item that has each: a bit map that most look-ups end at, before an
/// open-addressed table.
struct RunTable: Sendable {
  private var hashes: [UInt64] = [UInt64](repeating: 0, count: 1 << 12)
  private var items: [Int32] = [Int32](repeating: 0, count: 1 << 12)
  private var count = 0
  private var bits: [UInt64] = []
  private var shift: UInt64 = 0

  /// Adds a run of `item`, unless an item added before has it.
  mutating func insert(_ hash: UInt64, _ item: Int32) {
    if count * 2 >= hashes.count { grow() }
    if place(hash, item) { count += 1 }
  }

  /// Zero marks an empty slot, so it stands for one.
  @inline(__always)
  private func stored(_ hash: UInt64) -> UInt64 { hash == 0 ? 1 : hash }

  private mutating func place(_ hash: UInt64, _ item: Int32) -> Bool {
    let wanted = stored(hash)
    let mask = hashes.count - 1
    var slot = Int(truncatingIfNeeded: wanted) & mask
    while hashes[slot] != 0 {
      if hashes[slot] == wanted { return false }
      slot = (slot + 1) & mask
    }
    hashes[slot] = wanted
    items[slot] = item
    return true
  }

  private mutating func grow() {
    let oldHashes = hashes
    let oldItems = items
    hashes = [UInt64](repeating: 0, count: oldHashes.count * 4)
    items = [Int32](repeating: 0, count: hashes.count)
    for (index, hash) in oldHashes.enumerated() where hash != 0 { _ = place(hash, oldItems[index]) }
  }

  /// Builds the bit map; call it after the last insertion.
  mutating func seal() {
    var size: UInt64 = 16
    while size < 30, 1 << size < UInt64(count) * 16 { size += 1 }
    shift = 64 - size
    bits = [UInt64](repeating: 0, count: 1 << Int(size - 6))
    for hash in hashes where hash != 0 {
      let place = hash >> shift
      bits[Int(place >> 6)] |= 1 << (place & 63)
    }
  }

  /// The first of `runs` that is in the table: its place in `runs`, and the item that has it.
  func first(of runs: [UInt64]) -> (start: Int, item: Int32)? {
    for (start, run) in runs.enumerated() {
      let place = run >> shift
      if bits[Int(place >> 6)] >> (place & 63) & 1 == 0 { continue }
      if let item = item(of: stored(run)) { return (start, item) }
    }
    return nil
  }

  private func item(of wanted: UInt64) -> Int32? {
    let mask = hashes.count - 1
    var slot = Int(truncatingIfNeeded: wanted) & mask
    while hashes[slot] != 0 {
      if hashes[slot] == wanted { return items[slot] }
      slot = (slot + 1) & mask
    }
    return nil
  }
}
