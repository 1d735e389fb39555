/// Python's `random.Random(seed)`, as far as `sample` needs it: shots are then those that lm-evaluation-harness draws.
///
/// The Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), seeded as CPython does from a whole number.
struct PythonRandom {
  private var state = [UInt32](repeating: 0, count: 624)
  private var index = 624

  init(seed: UInt64) {
    var key = [UInt32(truncatingIfNeeded: seed)]
    if seed >> 32 != 0 { key.append(UInt32(truncatingIfNeeded: seed >> 32)) }
    state[0] = 19_650_218
    for i in 1..<624 { state[i] = 1_812_433_253 &* (state[i - 1] ^ state[i - 1] >> 30) &+ UInt32(i) }
    var i = 1
    var j = 0
    for _ in 0..<max(624, key.count) {
      state[i] = (state[i] ^ (state[i - 1] ^ state[i - 1] >> 30) &* 1_664_525) &+ key[j] &+ UInt32(j)
      advance(&i)
      j = (j + 1) % key.count
    }
    for _ in 0..<623 {
      state[i] = (state[i] ^ (state[i - 1] ^ state[i - 1] >> 30) &* 1_566_083_941) &- UInt32(i)
      advance(&i)
    }
    state[0] = 0x8000_0000
  }

  private mutating func advance(_ i: inout Int) {
    i += 1
    if i >= 624 {
      state[0] = state[623]
      i = 1
    }
  }

  private mutating func next() -> UInt32 {
    if index == 624 {
      for k in 0..<624 {
        let y = state[k] & 0x8000_0000 | state[(k + 1) % 624] & 0x7FFF_FFFF
        state[k] = state[(k + 397) % 624] ^ y >> 1 ^ (y & 1 == 0 ? 0 : 0x9908_B0DF)
      }
      index = 0
    }
    var y = state[index]
    index += 1
    y ^= y >> 11
    y ^= y << 7 & 0x9D2C_5680
    y ^= y << 15 & 0xEFC6_0000
    return y ^ y >> 18
  }

  /// A whole number below `bound`, which must be from 1 to 2^31.
  private mutating func below(_ bound: Int) -> Int {
    let bits = Int.bitWidth - bound.leadingZeroBitCount
    while true {
      let draw = Int(next() >> (32 - UInt32(bits)))
      if draw < bound { return draw }
    }
  }

  /// `count` different indices below `size`, in the order that `random.sample(range(size), count)` gives.
  mutating func sample(_ count: Int, of size: Int) -> [Int] {
    var limit = 21
    if count > 5 {
      var power = 1
      while power < count * 3 { power *= 4 }
      limit += power
    }
    var result: [Int] = []
    if size <= limit {
      var pool = Array(0..<size)
      for i in 0..<count {
        let j = below(size - i)
        result.append(pool[j])
        pool[j] = pool[size - i - 1]
      }
      return result
    }
    var chosen: Set<Int> = []
    while result.count < count {
      let j = below(size)
      if chosen.insert(j).inserted { result.append(j) }
    }
    return result
  }
}
