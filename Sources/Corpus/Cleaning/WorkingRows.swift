import Basics

/// The rows on their way through the steps.
package final class WorkingRows {
  /// Rows that one piece of parallel work judges.
  static let pieceSize = 512

  private(set) var rows: [Row]
  /// The number of each row among all rows read.
  private(set) var numbers: [Int]
  /// Rows that are near to one another, dropped ones included, by number.
  var clusters: UnionFind
  /// Whether near duplicates have been looked for.
  var isClustered = false
  /// Names of the sources, by a place's index.
  let sources: [String]
  /// Paths in options are relative to it.
  let root: FilePath
  private let ledger: Ledger
  private(set) var tallies: [StepTally] = []

  init(_ rows: [Row], sources: [String], root: FilePath, ledger: Ledger) {
    self.rows = rows
    numbers = Array(rows.indices)
    clusters = UnionFind(rows.count)
    self.sources = sources
    self.root = root
    self.ledger = ledger
  }

  func begin(_ label: StepLabel) { tallies.append(StepTally(label: label, rowsIn: rows.count)) }

  /// Judges every row by itself, many at a time.
  func judge(
    _ label: StepLabel, items: [String] = [], _ verdict: @Sendable (Row) -> Verdict
  ) throws(CorpusError) {
    let rows = self.rows
    try apply(label, items: items) { verdict(rows[$0]) }
  }

  /// Carries out the verdict of each row by its place in `rows`; `items` names the files that evaluation items are in.
  func apply(
    _ label: StepLabel, items: [String] = [], _ verdict: @Sendable (Int) -> Verdict
  ) throws(CorpusError) {
    let rows = self.rows
    let sources = self.sources
    let pieces = Parallel.mapPieces(rows.count, of: WorkingRows.pieceSize) { range in
      var piece = Piece()
      for index in range { piece.take(verdict(index), rows[index], index, label, sources, items) }
      return piece
    }
    var tally = tallies.removeLast()
    var gone: [Int] = []
    for piece in pieces {
      for (index, after) in piece.edited { self.rows[index] = after }
      gone += piece.gone
      tally.edited += piece.edited.count
      for (reason, count) in piece.dropped { tally.dropped[reason, default: 0] += count }
      if !piece.lines.isEmpty { try ledger.write(piece.lines, entries: piece.edited.count + piece.gone.count) }
    }
    tallies.append(tally)
    remove(gone)
  }

  /// Removes the rows at `gone`, which is in order.
  private func remove(_ gone: [Int]) {
    guard var kept = gone.first else { return }
    var next = gone[...]
    for index in kept..<rows.count {
      if next.first == index {
        next.removeFirst()
        continue
      }
      rows.swapAt(kept, index)
      numbers.swapAt(kept, index)
      kept += 1
    }
    rows.removeLast(rows.count - kept)
    numbers.removeLast(numbers.count - kept)
  }

  private struct Piece: Sendable {
    var edited: [(index: Int, after: Row)] = []
    var gone: [Int] = []
    var lines: [UInt8] = []
    var dropped: [String: Int] = [:]

    mutating func take(
      _ verdict: Verdict, _ row: Row, _ index: Int, _ label: StepLabel, _ sources: [String], _ items: [String]
    ) {
      switch verdict {
      case .keep: break
      case .edit(let after, let reason):
        edited.append((index, after))
        Ledger.append(
          to: &lines, step: label, action: "edited", reason: reason, detail: "", place: row.place, sources: sources,
          before: .row(row), after: after)
      case .drop(let reason, let detail, let of, let isItem):
        dropped[reason, default: 0] += 1
        gone.append(index)
        Ledger.append(
          to: &lines, step: label, action: "dropped", reason: reason, detail: detail, place: row.place,
          sources: sources, before: .row(row), after: nil, of: of, ofSources: isItem ? items : sources)
      }
    }
  }
}

/// What one step did.
package struct StepTally: Sendable {
  package let label: StepLabel
  package let rowsIn: Int
  package internal(set) var edited = 0
  package internal(set) var dropped: [String: Int] = [:]

  package var rowsOut: Int { rowsIn - dropped.values.reduce(0, +) }

  package var json: JSON {
    [
      "step": .string(label.name), "in": JSON(rowsIn), "out": JSON(rowsOut), "edited": JSON(edited),
      "dropped": CleaningReport.counts(dropped),
    ]
  }
}

/// Groups of numbers that belong together.
struct UnionFind: Sendable {
  private var parents: [Int32]

  init(_ count: Int) { parents = (0..<Int32(clamping: count)).map { $0 } }

  /// The smallest number of `number`'s group.
  mutating func group(of number: Int) -> Int {
    var root = number
    while Int(parents[root]) != root { root = Int(parents[root]) }
    var next = number
    while Int(parents[next]) != root {
      let after = Int(parents[next])
      parents[next] = Int32(root)
      next = after
    }
    return root
  }

  mutating func join(_ a: Int, _ b: Int) {
    let first = group(of: a)
    let second = group(of: b)
    if first != second { parents[max(first, second)] = Int32(min(first, second)) }
  }
}
