import Basics

/// What a step does with one row.
package enum Verdict: Sendable {
  case keep
  case edit(Row, reason: String)
  /// `of`: the row or evaluation item because of which this one goes.
  case drop(reason: String, detail: String, of: RowPlace? = nil, items: Bool = false)
}

/// The verdict ledger: one JSON object a line for every row that was rejected, dropped or edited.
///
/// - `step`, `index`: the step's name and its place in `steps`, from 1; `read` and 0 for rejects of the readers
/// - `action`: `rejected`, `dropped` or `edited`
/// - `reason`, `detail`: a stable code, and words
/// - `file`, `line`, `offset`, and `part` where a record holds several rows: where the row came from
/// - `before`: the row before the step, or the text of a rejected record; `after`: the row after it, null if dropped
/// - `of`: `file`, `line` and `offset` of the row kept instead, or of the evaluation item found
final class Ledger {
  private let file: AtomicFile
  private(set) var entries = 0

  init(_ path: FilePath) throws(CorpusError) {
    file = try filed { () throws(FileError) -> AtomicFile in try AtomicFile(path) }
  }

  func write(_ lines: [UInt8], entries count: Int) throws(CorpusError) {
    entries += count
    try filed { () throws(FileError) in try file.write(lines) }
  }

  func publish() throws(CorpusError) { try filed { () throws(FileError) in try file.publish() } }

  /// Appends one line.
  static func append(
    to bytes: inout [UInt8], step: StepLabel, action: String, reason: String, detail: String, place: RowPlace,
    sources: [String], before: Content, after: Row?, of: RowPlace? = nil, ofSources: [String] = []
  ) {
    bytes += #"{"step":""#.utf8
    bytes += step.name.utf8
    bytes += #"","index":\#(step.index),"action":""#.utf8
    bytes += action.utf8
    bytes += #"","reason":""#.utf8
    bytes += reason.utf8
    bytes += #"","detail":"#.utf8
    JSON.write(detail, to: &bytes)
    bytes.append(UInt8(ascii: ","))
    append(place, sources, to: &bytes)
    bytes += #","before":"#.utf8
    switch before {
    case .row(let row): row.write(to: &bytes)
    case .raw(let text): JSON.write(text, to: &bytes)
    }
    bytes += #","after":"#.utf8
    if let after { after.write(to: &bytes) } else { bytes += "null".utf8 }
    if let of {
      bytes += #","of":{"#.utf8
      append(of, ofSources, to: &bytes)
      bytes.append(UInt8(ascii: "}"))
    }
    bytes += "}\n".utf8
  }

  enum Content {
    case row(Row)
    case raw(String)
  }

  private static func append(_ place: RowPlace, _ sources: [String], to bytes: inout [UInt8]) {
    bytes += #""file":"#.utf8
    JSON.write(sources.indices.contains(place.source) ? sources[place.source] : "", to: &bytes)
    bytes += #","line":\#(place.line),"offset":\#(place.offset)"#.utf8
    if place.part > 0 { bytes += #","part":\#(place.part)"#.utf8 }
  }
}

/// Which step of the list it is.
package struct StepLabel: Sendable {
  package let name: String
  /// From 1; 0 is the reading.
  package let index: Int
}
