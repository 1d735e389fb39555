import Basics

/// Cuts the records out of CSV or TSV (RFC 4180): quoted fields may hold line ends.
struct DelimitedSplitter: RecordSplitter {
  private let delimiter: UInt8
  private let place: String
  private var window: ByteWindow
  private var position = 0
  private var start = 0
  private var line = 1
  private var startLine = 1
  /// Line on which the open quoted field began.
  private var quoteLine = 1
  private var state = State.fieldStart
  private let limit: Int
  private var ended = false

  private enum State { case fieldStart, plain, quoted, quoteInQuoted }

  init(_ source: any ByteSource, delimiter: UInt8, at place: String, limit: Int) {
    window = ByteWindow(source)
    self.limit = limit
    self.delimiter = delimiter
    self.place = place
  }

  mutating func next() throws(CorpusError) -> RawBatch? {
    guard !ended else { return nil }
    var batch = RawBatch()
    try window.grow()
    scan(&batch)
    if window.isLast {
      if state == .quoted { throw unclosed("a quoted field is never closed") }
      close(&batch, end: window.bytes.count)
      ended = true
      batch.bytes = window.bytes
      batch.done = window.offset + window.bytes.count
      return batch
    }
    if window.bytes.count - start > limit {
      if state == .quoted { throw unclosed("a quoted field is still open after \(Quantity.describe(bytes: limit))") }
      throw CorpusError(
        .source, "a row of over \(Quantity.describe(bytes: limit))", at: "\(place):\(startLine)",
        remedy: "check the format of the file")
    }
    let kept = start
    batch.bytes = window.cut(kept)
    batch.done = window.offset
    position -= kept
    start = 0
    return batch
  }

  private func unclosed(_ what: String) -> CorpusError {
    CorpusError(
      .source, what, at: "\(place):\(quoteLine)", remedy: "close the quote that opens on line \(quoteLine)")
  }

  private mutating func scan(_ batch: inout RawBatch) {
    let bytes = window.bytes
    for index in position..<bytes.count {
      let byte = bytes[index]
      switch state {
      case .quoted:
        if byte == UInt8(ascii: "\"") {
          state = .quoteInQuoted
        } else if byte == UInt8(ascii: "\n") {
          line += 1
        }
      case .fieldStart where byte == UInt8(ascii: "\""):
        quoteLine = line
        state = .quoted
      case .quoteInQuoted where byte == UInt8(ascii: "\""): state = .quoted
      default:
        if byte == delimiter {
          state = .fieldStart
        } else if byte == UInt8(ascii: "\n") {
          close(&batch, end: index)
          start = index + 1
          line += 1
          startLine = line
          state = .fieldStart
        } else {
          state = .plain
        }
      }
    }
    position = bytes.count
  }

  /// Ends the record; one without a byte gives none.
  private func close(_ batch: inout RawBatch, end: Int) {
    var end = end
    if end > start, window.bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
    guard end > start else { return }
    batch.records.append(RawRecord(range: start..<end, line: startLine, offset: window.offset + start))
  }
}

/// The fields of one record.
struct DelimitedFields {
  let delimiter: UInt8

  /// The fields, quotes resolved; nil with the reason when a closing quote is followed by text.
  func split(_ record: ArraySlice<UInt8>) -> (fields: [ArraySlice<UInt8>], fault: String?) {
    var fields: [ArraySlice<UInt8>] = []
    var index = record.startIndex
    while true {
      if index < record.endIndex, record[index] == UInt8(ascii: "\"") {
        var value: [UInt8] = []
        index += 1
        while index < record.endIndex {
          let run = record[index...].firstIndex(of: UInt8(ascii: "\"")) ?? record.endIndex
          value += record[index..<run]
          index = min(run + 1, record.endIndex)
          if index < record.endIndex, run < record.endIndex, record[index] == UInt8(ascii: "\"") {
            value.append(UInt8(ascii: "\""))
            index += 1
          } else {
            break
          }
        }
        fields.append(value[...])
        if index == record.endIndex { return (fields, nil) }
        guard record[index] == delimiter else {
          return (fields, "text after the closing quote of field \(fields.count)")
        }
        index += 1
      } else {
        let end = record[index...].firstIndex(of: delimiter) ?? record.endIndex
        fields.append(record[index..<end])
        if end == record.endIndex { return (fields, nil) }
        index = end + 1
      }
    }
  }
}
