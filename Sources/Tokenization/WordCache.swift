/// The tokens of short words met before: a table with one place for each hash, where a newer word takes the place of
/// an older one. Holds only words whose tokens stand for all of their bytes.
@safe final class WordCache {
  /// Longest word kept, in bytes.
  static let longest = 15
  /// Most tokens of a word kept.
  static let mostTokens = 6

  private static let places = 1 << 16
  /// Two words of text (the last byte: its length), one count, three of two ids each.
  private static let stride = 6
  private let table: UnsafeMutablePointer<UInt64>

  init() {
    unsafe table = .allocate(capacity: Self.places * Self.stride)
    unsafe table.initialize(repeating: 0, count: Self.places * Self.stride)
  }

  deinit { unsafe table.deallocate() }

  /// A word's bytes and length in two integers.
  struct Key {
    let low: UInt64
    let high: UInt64

    /// The key of `text[range]`, which is 1 to `longest` bytes long.
    @inline(__always)
    init(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
      let count = range.count
      var low: UInt64 = 0
      var high: UInt64 = 0
      if range.lowerBound + 16 <= text.count {
        let raw = UnsafeRawBufferPointer(text)
        low = unsafe raw.loadUnaligned(fromByteOffset: range.lowerBound, as: UInt64.self)
        high = unsafe raw.loadUnaligned(fromByteOffset: range.lowerBound + 8, as: UInt64.self)
        if count <= 8 {
          high = 0
          low &= UInt64.max >> UInt64(64 - count * 8)
        } else {
          high &= UInt64.max >> UInt64(128 - count * 8)
        }
      } else {
        for index in 0..<count {
          let byte = unsafe UInt64(text[range.lowerBound + index])
          if index < 8 { low |= byte << UInt64(index * 8) } else { high |= byte << UInt64(index * 8 - 64) }
        }
      }
      self.low = low
      self.high = high | UInt64(count) << 56
    }

    @inline(__always)
    var place: Int {
      let mixed = (low ^ (high &* 0xD6E8_FEB8_6659_FD93)) &* 0x9E37_79B9_7F4A_7C15
      return Int((mixed ^ mixed >> 32) & UInt64(WordCache.places - 1))
    }
  }

  /// Calls `token` with the id of each token of the word; false where it is not here.
  @inline(__always)
  func replay(_ key: Key, _ token: (Int32) -> Void) -> Bool {
    let entry = unsafe table + key.place * Self.stride
    guard unsafe entry[0] == key.low, unsafe entry[1] == key.high else { return false }
    let count = unsafe Int(entry[2])
    for index in 0..<count {
      unsafe token(Int32(truncatingIfNeeded: entry[3 + index >> 1] >> UInt64((index & 1) * 32)))
    }
    return true
  }

  /// Remembers a word of at most `mostTokens` tokens.
  func store(_ key: Key, _ ids: [Int32]) {
    let entry = unsafe table + key.place * Self.stride
    unsafe entry[0] = key.low
    unsafe entry[1] = key.high
    unsafe entry[2] = UInt64(ids.count)
    for index in 3..<Self.stride { unsafe entry[index] = 0 }
    for (index, id) in ids.enumerated() {
      unsafe entry[3 + index >> 1] |= UInt64(UInt32(bitPattern: id)) << UInt64((index & 1) * 32)
    }
  }
}
