import Basics

/// Cuts a text into its lines, or into paragraphs: runs of lines between blank ones. Blank lines give no record.
struct LineSplitter: RecordSplitter {
  private var window: ByteWindow
  private let paragraphs: Bool
  private let limit: Int
  private var line = 1
  private var ended = false

  /// Records of over `limit` bytes are refused.
  init(_ source: any ByteSource, paragraphs: Bool = false, limit: Int) {
    window = ByteWindow(source)
    self.limit = limit
    self.paragraphs = paragraphs
  }

  mutating func next() throws(CorpusError) -> RawBatch? {
    guard !ended else { return nil }
    while true {
      try window.grow()
      let isLast = window.isLast
      let cut = isLast ? window.bytes.count : lastBoundary()
      if let cut {
        ended = isLast
        return batch(upTo: cut)
      }
      if window.bytes.count > limit { return try skipRecord() }
    }
  }

  /// Behind the last line end of the window, or behind its last blank line.
  private func lastBoundary() -> Int? {
    unsafe window.bytes.withUnsafeBytes { bytes in
      guard paragraphs else {
        return unsafe ByteSearch.findLast(UInt8(ascii: "\n"), bytes, 0..<bytes.count).map { $0 + 1 }
      }
      var end = bytes.count
      while let newline = unsafe ByteSearch.findLast(UInt8(ascii: "\n"), bytes, 0..<end) {
        let start = unsafe ByteSearch.findLast(UInt8(ascii: "\n"), bytes, 0..<newline).map { $0 + 1 } ?? 0
        if unsafe LineSplitter.isBlank(bytes, start..<newline) { return newline + 1 }
        end = newline
      }
      return nil
    }
  }

  private mutating func batch(upTo cut: Int) -> RawBatch {
    let offset = window.offset
    var batch = RawBatch(bytes: window.cut(cut), done: offset + cut)
    var number = line
    let paragraphs = self.paragraphs
    unsafe batch.bytes.withUnsafeBytes { bytes in
      var start = 0
      var open: (start: Int, end: Int, line: Int)?
      func close() {
        if let open {
          batch.records.append(RawRecord(range: open.start..<open.end, line: open.line, offset: offset + open.start))
        }
        open = nil
      }
      while start < cut {
        let newline = unsafe ByteSearch.find(UInt8(ascii: "\n"), bytes, start..<cut) ?? cut
        var end = newline
        if end > start, unsafe bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        if unsafe LineSplitter.isBlank(bytes, start..<end) {
          close()
        } else if paragraphs {
          open = (open?.start ?? start, end, open?.line ?? number)
        } else {
          open = (start, end, number)
          close()
        }
        start = newline + 1
        number += newline < cut ? 1 : 0
      }
      close()
    }
    line = number
    for record in batch.records where record.range.count > limit {
      batch.faults.append(LineSplitter.tooLong(record.line, record.offset, limit))
    }
    batch.records.removeAll { $0.range.count > limit }
    return batch
  }

  private static func isBlank(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
    for index in range {
      let byte = unsafe bytes[index]
      if byte != 0x20 && byte != 0x09 && byte != 0x0D && byte != 0x0C && byte != 0x0B { return false }
    }
    return true
  }

  /// Passes over a record that is too long, without keeping it.
  private mutating func skipRecord() throws(CorpusError) -> RawBatch {
    let fault = LineSplitter.tooLong(line, window.offset, limit)
    while true {
      let isLast = window.isLast
      if let boundary = firstBoundary() {
        line += unsafe window.bytes.withUnsafeBytes {
          unsafe ByteSearch.count(UInt8(ascii: "\n"), $0, 0..<boundary)
        }
        _ = window.cut(boundary)
        break
      }
      line += unsafe window.bytes.withUnsafeBytes { unsafe ByteSearch.count(UInt8(ascii: "\n"), $0, 0..<$0.count) }
      window.drop()
      if isLast {
        ended = true
        break
      }
      try window.grow()
    }
    return RawBatch(faults: [fault], done: window.offset)
  }

  /// The end of the record that the window begins inside.
  private func firstBoundary() -> Int? {
    unsafe window.bytes.withUnsafeBytes { bytes in
      guard paragraphs else {
        return unsafe ByteSearch.find(UInt8(ascii: "\n"), bytes, 0..<bytes.count).map { $0 + 1 }
      }
      var start = 0
      while let newline = unsafe ByteSearch.find(UInt8(ascii: "\n"), bytes, start..<bytes.count) {
        if newline > start || start > 0, unsafe LineSplitter.isBlank(bytes, start..<newline) { return newline + 1 }
        start = newline + 1
      }
      return nil
    }
  }

  static func tooLong(_ line: Int, _ offset: Int, _ limit: Int) -> RawFault {
    RawFault(
      reason: "row_too_long", detail: "a row of over \(Quantity.describe(bytes: limit)) is refused", line: line,
      offset: offset)
  }
}

/// One record: the whole file.
struct WholeSplitter: RecordSplitter {
  private let source: any ByteSource
  private let limit: Int
  private var ended = false

  init(_ source: any ByteSource, limit: Int) {
    self.source = source
    self.limit = limit
  }

  mutating func next() throws(CorpusError) -> RawBatch? {
    guard !ended, source.count > 0 else { return nil }
    ended = true
    guard source.count <= limit else {
      return RawBatch(faults: [LineSplitter.tooLong(1, 0, limit)], done: source.count)
    }
    let bytes = try source.bytes(at: 0, count: source.count)
    return RawBatch(
      bytes: bytes, records: [RawRecord(range: 0..<bytes.count, line: 1, offset: 0)], done: bytes.count)
  }
}
