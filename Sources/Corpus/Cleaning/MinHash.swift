import Basics

/// Near-equality of sets by MinHash: candidates from locality-sensitive bands, for a true comparison to decide.
///
/// Broder, "On the resemblance and containment of documents", 1997; bands as in Leskovec, Rajaraman and Ullman,
/// "Mining of Massive Datasets", chapter 3.
struct MinHash: Sendable {
  /// Bands, and permutations in each.
  let bands: Int
  let rowsPerBand: Int
  private let multipliers: [UInt32]
  private let masks: [UInt32]

  /// The fewest bands (so the fewest idle candidates) that find a pair at `threshold` with probability 0.999.
  init(permutations: Int, threshold: Double, seed: UInt64) {
    var best = (bands: permutations, rows: 1)
    for rows in stride(from: min(permutations, 16), through: 1, by: -1) {
      let bands = permutations / rows
      var same = 1.0
      for _ in 0..<rows { same *= threshold }
      var missed = 1.0
      for _ in 0..<bands { missed *= 1 - same }
      if missed <= 0.001 {
        best = (bands, rows)
        break
      }
    }
    bands = best.bands
    rowsPerBand = best.rows
    var random = SeededGenerator(seed: seed)
    let count = bands * rowsPerBand
    multipliers = (0..<count).map { _ in UInt32(truncatingIfNeeded: random.next()) | 1 }
    masks = (0..<count).map { _ in UInt32(truncatingIfNeeded: random.next()) }
  }

  /// One key a band for the set of `shingles`, appended to `keys`. Each permutation is x -> (x ^ mask) * odd.
  func appendKeys(_ shingles: [UInt64], _ scratch: inout [UInt32], to keys: inout [UInt64]) {
    let count = multipliers.count
    if scratch.count != count { scratch = [UInt32](repeating: 0, count: count) }
    unsafe scratch.withUnsafeMutableBufferPointer { minima in
      unsafe multipliers.withUnsafeBufferPointer { multipliers in
        unsafe masks.withUnsafeBufferPointer { masks in
          for lane in 0..<count { unsafe minima[lane] = .max }
          for shingle in shingles {
            let value = UInt32(truncatingIfNeeded: shingle >> 32)
            for lane in 0..<count {
              let hash = unsafe (value ^ masks[lane]) &* multipliers[lane]
              unsafe minima[lane] = min(minima[lane], hash)
            }
          }
        }
      }
    }
    for band in 0..<bands {
      var key: UInt64 = UInt64(band) &* 0x9E37_79B9_7F4A_7C15
      for row in 0..<rowsPerBand { key = Hashing.mix(key ^ UInt64(scratch[band * rowsPerBand + row])) }
      keys.append(key)
    }
  }
}
