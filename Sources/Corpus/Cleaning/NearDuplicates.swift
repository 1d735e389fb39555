import Basics

/// Finds rows that are near to one another.
struct NearDuplicates {
  /// What became of one row.
  enum Fate: Sendable, Equatable {
    case first
    /// Near to the earlier row at this index, and how near.
    case near(Int, Double)
  }

  let words: Int
  let threshold: Double
  let minHash: MinHash

  init(words: Int, threshold: Double, permutations: Int, seed: UInt64) {
    self.words = words
    self.threshold = threshold
    minHash = MinHash(permutations: permutations, threshold: threshold, seed: seed)
  }

  /// The fate of every text, given as its words: it is near when an earlier one that stays is at least `threshold`
  /// similar by the Jaccard measure of their sets of word runs.
  ///
  /// `linked` is called for near pairs, those of rows that do not stay too, until all that hang together are linked.
  func find(_ count: Int, words text: @Sendable (Int) -> [UInt64], linked: (Int, Int) -> Void) -> [Fate] {
    let (sets, keys) = prepare(count, text)
    let groups = group(keys, count)
    var members = [[Int32]](repeating: [], count: groups.count)
    var losers = [Int](repeating: 0, count: groups.count)
    var fates = [Fate](repeating: .first, count: count)
    var checked = [Int32](repeating: -1, count: count)
    var chains = UnionFind(count)
    for row in 0..<count where !groups.of[row].isEmpty {
      var nearest: (row: Int, similarity: Double)?
      for group in groups.of[row] {
        for other in members[Int(group)] where checked[Int(other)] != Int32(row) {
          checked[Int(other)] = Int32(row)
          let earlier = Int(other)
          if fates[earlier] != .first, chains.group(of: row) == chains.group(of: earlier) { continue }
          guard let value = Shingles.similarity(sets[row], sets[earlier], atLeast: threshold) else { continue }
          chains.join(row, earlier)
          linked(row, earlier)
          if fates[earlier] == .first, nearest.map({ earlier < $0.row }) ?? true { nearest = (earlier, value) }
        }
      }
      if let nearest { fates[row] = .near(nearest.row, nearest.similarity) }
      // Rows that do not stay only link chains: a few of a group do that, all of them would make large groups of
      // equals quadratic.
      for group in groups.of[row] {
        if nearest != nil {
          guard losers[Int(group)] < NearDuplicates.keptLosers else { continue }
          losers[Int(group)] += 1
        }
        members[Int(group)].append(Int32(row))
      }
    }
    return fates
  }

  /// Rows of a group that are compared further although they do not stay.
  private static let keptLosers = 64

  /// The sets of shingles, and for each row the keys of its bands.
  private func prepare(_ count: Int, _ text: @Sendable (Int) -> [UInt64]) -> (sets: [[UInt64]], keys: [UInt64]) {
    let minHash = self.minHash
    let words = self.words
    let pieces = Parallel.mapPieces(count, of: 512) { range -> ([[UInt64]], [UInt64]) in
      var sets: [[UInt64]] = []
      var keys: [UInt64] = []
      var scratch: [UInt32] = []
      keys.reserveCapacity(range.count * minHash.bands)
      for row in range {
        let set = Shingles.set(text(row), count: words)
        minHash.appendKeys(set, &scratch, to: &keys)
        sets.append(set)
      }
      return (sets, keys)
    }
    var sets: [[UInt64]] = []
    var keys: [UInt64] = []
    sets.reserveCapacity(count)
    keys.reserveCapacity(count * minHash.bands)
    for piece in pieces {
      sets += piece.0
      keys += piece.1
    }
    return (sets, keys)
  }

  /// Groups of two or more rows that share a band's key: how many, and those of each row.
  private func group(_ keys: [UInt64], _ count: Int) -> (count: Int, of: [[Int32]]) {
    let bands = minHash.bands
    let perBand = Parallel.map(bands) { band -> [[Int32]] in
      var entries: [(key: UInt64, row: Int32)] = []
      entries.reserveCapacity(count)
      for row in 0..<count { entries.append((keys[row * bands + band], Int32(row))) }
      entries.sort { ($0.key, $0.row) < ($1.key, $1.row) }
      var groups: [[Int32]] = []
      var start = 0
      for index in 1...max(1, entries.count) {
        if index < entries.count, entries[index].key == entries[start].key { continue }
        if index - start > 1, index <= entries.count { groups.append(entries[start..<index].map(\.row)) }
        start = index
      }
      return groups
    }
    var of = [[Int32]](repeating: [], count: count)
    var total: Int32 = 0
    for rows in perBand.joined() {
      for row in rows { of[Int(row)].append(total) }
      total += 1
    }
    return (Int(total), of)
  }
}
