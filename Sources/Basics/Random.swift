/// A counter-based generator: the n-th draw of a key is a pure function, so any draw can be repeated after a resume.
///
/// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
package struct Philox: Sendable {
  private let key: (UInt32, UInt32)

  package init(seed: UInt64) { key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)) }

  /// Four independent 32-bit words for `counter` of `stream`.
  package func words(stream: UInt64, counter: UInt64) -> SIMD4<UInt32> {
    var c = SIMD4<UInt32>(
      UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32),
      UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32))
    var k = key
    for _ in 0..<10 {
      let a = UInt64(c[0]) &* 0xD251_1F53
      let b = UInt64(c[2]) &* 0xCD9E_8D57
      c = SIMD4(
        UInt32(truncatingIfNeeded: b >> 32) ^ c[1] ^ k.0, UInt32(truncatingIfNeeded: b),
        UInt32(truncatingIfNeeded: a >> 32) ^ c[3] ^ k.1, UInt32(truncatingIfNeeded: a))
      k = (k.0 &+ 0x9E37_79B9, k.1 &+ 0xBB67_AE85)
    }
    return c
  }
}

/// A seeded sequence of draws from one stream of `Philox`; the same on every machine.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private let philox: Philox
  private let stream: UInt64
  private var counter: UInt64 = 0

  package init(seed: UInt64, stream: UInt64 = 0) {
    philox = Philox(seed: seed)
    self.stream = stream
  }

  package mutating func next() -> UInt64 {
    let words = philox.words(stream: stream, counter: counter)
    counter += 1
    return UInt64(words[0]) << 32 | UInt64(words[1])
  }

  /// A uniform double in [0, 1).
  package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A uniform whole number in `0..<bound` (Lemire's multiplication, its bias below 2^-40 for bounds under 2^24).
  package mutating func below(_ bound: Int) -> Int {
    precondition(bound > 0)
    return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// `items` in a seeded order (Fisher-Yates); does not depend on the standard library's shuffle.
  package mutating func shuffled<T>(_ items: [T]) -> [T] {
    var result = items
    guard result.count > 1 else { return result }
    for index in stride(from: result.count - 1, to: 0, by: -1) { result.swapAt(index, below(index + 1)) }
    return result
  }
}
