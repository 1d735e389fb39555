/// The 256 values of an 8-bit code that is fine where values are small (Dettmers et al., "8-bit optimizers via
/// block-wise quantization", 2022): each decade from 1e-6 to 1 is cut into twice as many bins as the one below.
///
/// Bins are those of bitsandbytes' `create_dynamic_map`: decade i of 0...6 has the middles of 2^i equal bins of
/// [0.1, 1] (2^(i+1) in the unsigned map) times 10^(i-6); the signed map adds the negatives; 0 and 1 come last.
package enum DynamicMap {
  /// In [-0.993, 1]: code 127 is 0, 127 + 2^i + k bin k of decade i, 127 - 2^i - k its negative, 255 is 1.
  package static let signed: [Float] = {
    let positive = middles { 1 << $0 }
    return (positive.map { -$0 } + [0, 1] + positive).sorted().map { Float($0) }
  }()

  /// In [0, 1]: code 0 is 0, 2^(i+1) + k - 1 is bin k of decade i, 255 is 1.
  package static let unsigned: [Float] = (middles { 2 << $0 } + [0, 1]).sorted().map { Float($0) }

  /// The code of the value of the sorted `map` nearest to `x`; the lower one of two equally near.
  package static func nearest(_ x: Float, in map: [Float]) -> UInt8 {
    var low = 0
    var high = map.count - 1
    while high - low > 1 {
      let middle = (low + high) / 2
      if map[middle] <= x { low = middle } else { high = middle }
    }
    let isUpper = Double(map[high]) - Double(x) < Double(x) - Double(map[low])
    return UInt8(truncatingIfNeeded: isUpper ? high : low)
  }

  private static func middles(_ bins: (Int) -> Int) -> [Double] {
    [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1].enumerated().flatMap { decade, power in
      let count = bins(decade)
      return (0..<count).map { (0.1 + 0.9 * (Double($0) + 0.5) / Double(count)) * power }
    }
  }
}
