import Basics

/// `split`: parts the rows into training and validation.
package struct Split: Sendable {
  package static let keys: [OptionKey] = [
    OptionKey(
      "validation", .number(0...1e12), required: true,
      "share of the rows (below 1), or their number (a whole number from 1)"),
    OptionKey(
      "by", .choice(["cluster", "row"]), default: "cluster",
      "cluster: near duplicates and rows that ask the same stay on one side; row: only rows that ask the same"),
    OptionKey("seed", .integer(0...(.max)), default: 0, "seed of the choice"),
  ]

  private let share: Double?
  private let count: Int?
  private let byCluster: Bool
  private let seed: UInt64

  /// `fallbackSeed` stands where the options give no seed.
  package init(_ json: JSON, at place: String = "split", fallbackSeed: UInt64 = 0) throws(CorpusError) {
    let options = try Options(json, keys: Split.keys, at: place)
    let value = options.double("validation") ?? 0
    if value >= 1 {
      guard let whole = options.int("validation") else {
        throw CorpusError(
          .option, "'validation' must be a share below 1 or a whole number", at: place,
          value: options.value("validation").text())
      }
      count = whole
      share = nil
    } else {
      count = nil
      share = value
    }
    byCluster = options.string("by") != "row"
    seed = options.given("seed") ? UInt64(options.int("seed") ?? 0) : fallbackSeed
  }

  /// Whether each row goes to validation. Decided by contents and seed, not by order; the training side never
  /// becomes empty.
  func choose(_ rows: WorkingRows) -> [Bool] {
    let list = rows.rows
    var clusters = UnionFind(list.count)
    if byCluster { joinClusters(rows, &clusters) }
    joinPrompts(list, &clusters)
    let hashes = contentHashes(list)
    // A group's rank is the smallest hash among its rows.
    var groups: [Int: (hash: UInt64, rows: [Int])] = [:]
    for index in list.indices {
      let group = clusters.group(of: index)
      var entry = groups[group] ?? (hash: .max, rows: [])
      entry.hash = min(entry.hash, hashes[index])
      entry.rows.append(index)
      groups[group] = entry
    }
    let target = min(
      count ?? Int((Double(list.count) * (share ?? 0)).rounded()), max(0, list.count - 1))
    var chosen = [Bool](repeating: false, count: list.count)
    var taken = 0
    for group in groups.values.sorted(by: {
      ($0.hash, $0.rows.count, $0.rows[0]) < ($1.hash, $1.rows.count, $1.rows[0])
    }) {
      guard taken < target else { break }
      guard taken + group.rows.count <= target else { continue }
      for index in group.rows { chosen[index] = true }
      taken += group.rows.count
    }
    return chosen
  }

  /// Joins what dedup found near; looks for near duplicates itself where no step did.
  private func joinClusters(_ rows: WorkingRows, _ clusters: inout UnionFind) {
    var first: [Int: Int] = [:]
    for (index, number) in rows.numbers.enumerated() {
      let group = rows.clusters.group(of: number)
      if let other = first[group] { clusters.join(index, other) } else { first[group] = index }
    }
    guard !rows.isClustered else { return }
    let list = rows.rows
    let near = NearDuplicates(words: 5, threshold: 0.8, permutations: 128, seed: 1)
    _ = near.find(list.count) {
      list[$0].words(byPrompt: false)
    } linked: {
      clusters.join($0, $1)
    }
  }

  private func joinPrompts(_ list: [Row], _ clusters: inout UnionFind) {
    let keys = Parallel.mapPieces(list.count, of: WorkingRows.pieceSize) { range in
      range.map { list[$0].promptTexts.isEmpty ? nil : list[$0].key(byPrompt: true) }
    }
    var first: [WordsKey: Int] = [:]
    first.reserveCapacity(list.count)
    for (index, key) in keys.joined().enumerated() {
      guard let key else { continue }
      if let other = first[key] { clusters.join(index, other) } else { first[key] = index }
    }
  }

  private func contentHashes(_ list: [Row]) -> [UInt64] {
    let seed = self.seed
    let pieces = Parallel.mapPieces(list.count, of: WorkingRows.pieceSize) { range -> [UInt64] in
      var bytes: [UInt8] = []
      return range.map { index in
        bytes.removeAll(keepingCapacity: true)
        list[index].write(to: &bytes)
        return unsafe bytes.withUnsafeBytes { unsafe Hashing.bytes($0, seed: seed) }
      }
    }
    return Array(pieces.joined())
  }
}
