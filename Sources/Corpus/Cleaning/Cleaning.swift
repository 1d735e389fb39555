import Basics

/// A whole cleaning: sources through steps into training and validation rows, with a ledger of all that was lost.
///
/// The same contents give the same bytes, whatever the files are called and however many cores there are.
package struct Cleaning: Sendable {
  /// Names of the output files.
  package static let trainName = "train.jsonl"
  package static let validationName = "validation.jsonl"
  package static let ledgerName = "ledger.jsonl"

  private let sources: [SourceSpec]
  private let steps: [(name: String, step: any CleaningStep)]
  private let split: Split?

  package init(sources: [SourceSpec], steps: [(name: String, step: any CleaningStep)], split: Split?) {
    self.sources = sources
    self.steps = steps
    self.split = split
  }

  /// From the stage's `sources`, `steps` and `split`; other keys are not looked at. `seed` stands where the split
  /// gives none.
  package init(_ with: JSON, seed: UInt64 = 0) throws(CorpusError) {
    guard let sources = with["sources"], !sources.isNull else {
      throw CorpusError(.option, "'sources' is missing", remedy: "name the files to clean")
    }
    self.sources = try SourceSpec.list(sources)
    steps = try StepKind.list(with["steps"] ?? .null)
    let split = with["split"] ?? .null
    self.split = split.isNull ? nil : try Split(split, fallbackSeed: seed)
  }

  /// Cleans into the folder `output`, which must exist: `train.jsonl`, `validation.jsonl` if there is a split, and
  /// `ledger.jsonl`. Paths are relative to `root`.
  package func run(
    root: FilePath = "", output: FilePath, progress: ProgressHandler? = nil
  ) throws(CorpusError) -> CleaningReport {
    let ledger = try Ledger(output.appending(Cleaning.ledgerName))
    var report = CleaningReport()
    let rows = try read(root, ledger, &report, progress)
    for (index, entry) in steps.enumerated() {
      let label = StepLabel(name: entry.name, index: index + 1)
      rows.begin(label)
      try entry.step.run(rows, label)
      try tell(progress, "step", index + 1, steps.count)
    }
    for tally in rows.tallies {
      for (reason, count) in tally.dropped { report.rejected[reason, default: 0] += count }
      if tally.edited > 0 { report.edited[tally.label.name, default: 0] += tally.edited }
    }
    report.steps = rows.tallies
    report.ledgerEntries = ledger.entries
    try ledger.publish()
    guard !rows.rows.isEmpty else { throw noRows(report) }
    try write(rows, output, &report)
    return report
  }

  // MARK: Reading

  private func read(
    _ root: FilePath, _ ledger: Ledger, _ report: inout CleaningReport, _ progress: ProgressHandler?
  ) throws(CorpusError) -> WorkingRows {
    let reader = RowReader(root: root)
    var rows: [Row] = []
    var rejected: [String: Int] = [:]
    var bytesBefore = 0
    let label = StepLabel(name: "read", index: 0)
    for spec in sources {
      let files = try reader.filesByContent(spec)
      for file in files {
        var total = 0
        try reader.read([file], spec) { batch throws(CorpusError) in
          rows += batch.rows
          total = batch.total
          if !batch.rejects.isEmpty {
            let names = reader.sources.map(\.name)
            var lines: [UInt8] = []
            for reject in batch.rejects {
              rejected[reject.reason, default: 0] += 1
              Ledger.append(
                to: &lines, step: label, action: "rejected", reason: reject.reason, detail: reject.detail,
                place: reject.place, sources: names, before: .raw(reject.raw), after: nil)
            }
            try ledger.write(lines, entries: batch.rejects.count)
          }
          try tell(progress, "byte", bytesBefore + batch.done, nil)
        }
        bytesBefore += total
      }
    }
    report.sources = reader.sources
    report.rejected = rejected
    report.rowsIn = rows.count + rejected.values.reduce(0, +)
    for source in reader.sources where source.encoding.assumed {
      report.notes.append("\(source.name): read as \(source.encoding.name), which is an assumption")
    }
    return WorkingRows(rows, sources: reader.sources.map(\.name), root: root, ledger: ledger)
  }

  private func tell(_ progress: ProgressHandler?, _ unit: String, _ done: Int, _ total: Int?) throws(CorpusError) {
    guard let progress, progress(ProgressEvent(unit: unit, done: done, total: total)) == .stop else { return }
    throw CorpusError(.stopped, "cleaning was stopped", remedy: "run it again to start over")
  }

  private func noRows(_ report: CleaningReport) -> CorpusError {
    let reasons = report.rejected.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    let names = report.sources.map(\.name).prefix(5).joined(separator: ", ")
    return CorpusError(
      .noRows, "no row survives cleaning: \(report.rowsIn) read; \(reasons.isEmpty ? "none in the files" : reasons)",
      at: names.isEmpty ? nil : names, remedy: "check the sources and what the steps require")
  }

  // MARK: Writing

  private func write(
    _ rows: WorkingRows, _ output: FilePath, _ report: inout CleaningReport
  ) throws(CorpusError) {
    let list = rows.rows
    let chosen = split?.choose(rows) ?? [Bool](repeating: false, count: list.count)
    report.validation = chosen.count { $0 }
    report.train = list.count - report.validation
    try write(list, output.appending(Cleaning.trainName)) { !chosen[$0] }
    guard split != nil else { return }
    try write(list, output.appending(Cleaning.validationName)) { chosen[$0] }
    if report.validation == 0 {
      report.notes.append("the validation rows are empty: too few rows, or all in one group of near duplicates")
    }
  }

  /// Writes the rows that `include` names, a stretch at a time.
  private func write(
    _ list: [Row], _ path: FilePath, _ include: @Sendable (Int) -> Bool
  ) throws(CorpusError) {
    let file = try filed { () throws(FileError) -> AtomicFile in try AtomicFile(path) }
    for stretch in Parallel.pieces(list.count, of: 1 << 16) {
      let start = stretch.lowerBound
      let pieces = Parallel.mapPieces(stretch.count, of: WorkingRows.pieceSize) { range -> [UInt8] in
        var bytes: [UInt8] = []
        for index in range where include(start + index) {
          list[start + index].write(to: &bytes)
          bytes.append(UInt8(ascii: "\n"))
        }
        return bytes
      }
      for piece in pieces { try filed { () throws(FileError) in try file.write(piece) } }
    }
    try filed { () throws(FileError) in try file.publish() }
  }
}
