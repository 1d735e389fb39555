/// A hash table from 64-bit keys to 64-bit values in one block of memory, filled once and then only read.
///
/// Keys are any value but `UInt64.max`. Open addressing with linear probing, at most half full.
@safe final class FlatMap: @unchecked Sendable {
  private let slots: UnsafeMutablePointer<UInt64>
  private let mask: Int
  private let shift: UInt64

  /// What `value(of:)` gives for a key that is not there.
  static let absent = UInt64.max

  /// Room for `capacity` keys.
  init(capacity: Int) {
    var bits = 4
    while 1 << bits < max(capacity, 1) * 2 { bits += 1 }
    let size = 1 << bits
    unsafe slots = .allocate(capacity: size * 2)
    unsafe slots.initialize(repeating: UInt64.max, count: size * 2)
    mask = size - 1
    shift = UInt64(64 - bits)
  }

  deinit { unsafe slots.deallocate() }

  @inline(__always)
  private func place(_ key: UInt64) -> Int { Int((key &* 0x9E37_79B9_7F4A_7C15) >> shift) }

  /// Sets the value of `key`; only while the table is being built, before it is shared.
  func set(_ key: UInt64, _ value: UInt64) {
    var slot = place(key)
    while unsafe slots[slot * 2] != UInt64.max, unsafe slots[slot * 2] != key { slot = (slot + 1) & mask }
    unsafe slots[slot * 2] = key
    unsafe slots[slot * 2 + 1] = value
  }

  @inline(__always)
  func value(of key: UInt64) -> UInt64 {
    var slot = place(key)
    while true {
      let found = unsafe slots[slot &* 2]
      if found == key { return unsafe slots[slot &* 2 &+ 1] }
      if found == UInt64.max { return UInt64.max }
      slot = (slot &+ 1) & mask
    }
  }
}
