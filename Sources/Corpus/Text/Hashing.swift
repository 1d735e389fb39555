/// Hashes for tables in memory. They never leave a run's results, except where a seed decides an order.
enum Hashing {
  /// A bijection that spreads every bit (MurmurHash3's finaliser).
  @inline(__always)
  static func mix(_ value: UInt64) -> UInt64 {
    var h = value
    h = (h ^ (h >> 33)) &* 0xFF51_AFD7_ED55_8CCD
    h = (h ^ (h >> 33)) &* 0xC4CE_B9FE_1A85_EC53
    return h ^ (h >> 33)
  }

  /// A hash of bytes under a seed: eight bytes a round, folded by a full multiplication.
  static func bytes(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
    var h = mix(seed ^ 0x9E37_79B9_7F4A_7C15) ^ UInt64(bytes.count)
    var index = 0
    while index + 8 <= bytes.count {
      let word = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
      h = fold(h ^ word, 0xA076_1D64_78BD_642F)
      index += 8
    }
    var last: UInt64 = 0
    while index < bytes.count {
      last = unsafe last << 8 | UInt64(bytes[index])
      index += 1
    }
    return mix(fold(h ^ last, 0xE703_7ED1_A0B4_28DB))
  }

  @inline(__always)
  private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low ^ a
  }
}

/// A 128-bit key of a sequence of words: equal sequences have equal keys, others practically never.
struct WordsKey: Hashable, Sendable {
  private var high: UInt64 = 0x243F_6A88_85A3_08D3
  private var low: UInt64 = 0x1319_8A2E_0370_7344

  mutating func add(_ word: UInt64) {
    high = (high ^ word) &* 0x9FB2_1C65_1E98_DF25
    high ^= high >> 32
    low = (low &+ word) &* 0xD6E8_FEB8_6659_FD93
    low ^= low >> 29
  }

  /// Parts one text from the next.
  mutating func addBoundary() { add(0x5851_F42D_4C95_7F2D) }

  init() {}

  init(_ words: some Sequence<UInt64>) {
    for word in words { add(word) }
  }

  func hash(into hasher: inout Hasher) { hasher.combine(high ^ low) }
}
