import Basics

/// Cuts the values out of a JSON array, or out of values that follow one another, without parsing them.
///
/// A fault of the array itself ends it: rows before the fault stand, the rest is refused as one.
struct JSONSplitter: RecordSplitter {
  enum Form: Sendable { case array, sequence }

  private enum Phase { case open, first, value, inside, after, done }

  private let form: Form
  private var window: ByteWindow
  private var phase: Phase
  /// Where scanning goes on, in the window.
  private var position = 0
  /// Where the value being scanned begins, in the window.
  private var start = 0
  private var scan = JSONValueScan()
  /// Line of `counted`, the place in the window up to which line ends are counted.
  private var line = 1
  private var counted = 0
  private var startLine = 1
  private var startOffset = 0
  /// Whether the value being scanned is too long to keep.
  private var skipping = false
  private let limit: Int
  private var ended = false

  /// Values of over `limit` bytes are refused.
  init(_ source: any ByteSource, _ form: Form, limit: Int) {
    window = ByteWindow(source)
    self.limit = limit
    self.form = form
    phase = form == .array ? .open : .value
  }

  mutating func next() throws(CorpusError) -> RawBatch? {
    guard !ended else { return nil }
    var batch = RawBatch()
    try window.grow()
    let isLast = window.isLast
    advance(&batch, isLast: isLast)
    if isLast, !ended { finish(&batch) }
    if ended {
      batch.bytes = window.bytes
      batch.done = window.offset + window.bytes.count
      return batch
    }
    if phase == .inside, !skipping, window.bytes.count - start > limit {
      batch.faults.append(LineSplitter.tooLong(startLine, startOffset, limit))
      skipping = true
    }
    let keepFrom = phase == .inside && !skipping ? start : position
    count(to: keepFrom)
    batch.bytes = window.cut(keepFrom)
    batch.done = window.offset
    position -= keepFrom
    start = 0
    counted = 0
    return batch
  }

  /// Counts line ends up to `place`.
  private mutating func count(to place: Int) {
    guard place > counted else { return }
    line += unsafe window.bytes.withUnsafeBytes {
      unsafe ByteSearch.count(UInt8(ascii: "\n"), $0, counted..<place)
    }
    counted = place
  }

  /// Scans as far as the window goes.
  private mutating func advance(_ batch: inout RawBatch, isLast: Bool) {
    let end = window.bytes.count
    while !ended {
      if phase == .inside {
        let finished = unsafe window.bytes.withUnsafeBytes { bytes in
          unsafe scan.run(bytes, from: &position, isLast: isLast)
        }
        guard finished else { return }
        closeValue(&batch)
        continue
      }
      skipWhiteSpace()
      guard position < end else { return }
      punctuation(window.bytes[position], &batch)
    }
  }

  private mutating func skipWhiteSpace() {
    var place = position
    unsafe window.bytes.withUnsafeBufferPointer { bytes in
      while place < bytes.count, unsafe bytes[place] <= 0x20,
        unsafe bytes[place] == 0x20 || bytes[place] == 0x0A || bytes[place] == 0x0D || bytes[place] == 0x09
      {
        place += 1
      }
    }
    position = place
  }

  private mutating func punctuation(_ byte: UInt8, _ batch: inout RawBatch) {
    switch (phase, byte) {
    case (.open, UInt8(ascii: "[")):
      phase = .first
      position += 1
    case (.first, UInt8(ascii: "]")), (.after, UInt8(ascii: "]")):
      phase = .done
      position += 1
    case (.after, UInt8(ascii: ",")):
      phase = .value
      position += 1
    case (.first, _), (.value, _):
      if form == .array, byte == UInt8(ascii: "]") { return fail("a comma before the closing bracket", &batch) }
      openValue(byte, &batch)
    case (.after, _): fail("expected ',' or ']' between rows", &batch)
    case (.done, _): fail("text after the array", &batch)
    default: fail("expected '['", &batch)
    }
  }

  private mutating func openValue(_ byte: UInt8, _ batch: inout RawBatch) {
    if byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") || byte == UInt8(ascii: ":")
    {
      return fail("expected a row", &batch)
    }
    count(to: position)
    start = position
    startLine = line
    startOffset = window.offset + position
    scan = JSONValueScan()
    phase = .inside
  }

  private mutating func closeValue(_ batch: inout RawBatch) {
    if skipping {
      skipping = false
    } else if position - start > limit {
      batch.faults.append(LineSplitter.tooLong(startLine, startOffset, limit))
    } else {
      batch.records.append(RawRecord(range: start..<position, line: startLine, offset: startOffset))
    }
    phase = form == .array ? .after : .value
  }

  /// The source has ended; whether it may.
  private mutating func finish(_ batch: inout RawBatch) {
    switch phase {
    case .inside where skipping: break
    case .inside:
      position = start
      fail("the text ends inside a row", &batch)
    case .value where form == .sequence: break
    case .done: break
    case .open: fail("expected '['", &batch)
    default: fail("the text ends before the closing ']'", &batch)
    }
    ended = true
  }

  private mutating func fail(_ what: String, _ batch: inout RawBatch) {
    count(to: position)
    let rest = window.bytes[position...]
    batch.faults.append(
      RawFault(
        reason: "broken_json", detail: what + "; nothing from here on was read", line: line,
        offset: window.offset + position, raw: Reject.excerpt(rest)))
    ended = true
  }

  /// Stops the reading because a row of the array is broken, so that the places of later rows are not sure.
  mutating func stop() { ended = true }
}

/// Finds where a JSON value ends, over pieces of text.
struct JSONValueScan {
  private var depth = 0
  private var inString = false
  private var escaped = false
  private var begun = false
  private var isScalar = false

  /// Goes on from `position` to the end of the value or of the bytes; whether the value ended.
  mutating func run(_ bytes: UnsafeRawBufferPointer, from position: inout Int, isLast: Bool) -> Bool {
    let end = bytes.count
    var index = position
    defer { position = index }
    while index < end {
      if inString {
        if escaped {
          escaped = false
          index += 1
          continue
        }
        index = unsafe JSONValueScan.quoteOrBackslash(bytes, from: index)
        if index == end { return false }
        if unsafe bytes[index] == UInt8(ascii: "\\") {
          escaped = true
        } else {
          inString = false
          if depth == 0 {
            index += 1
            return true
          }
        }
        index += 1
        continue
      }
      let byte = unsafe bytes[index]
      if isScalar {
        if byte == 0x2C || byte == 0x5D || byte == 0x7D || byte <= 0x20 { return true }
        index += 1
        continue
      }
      switch byte {
      case UInt8(ascii: "\""):
        inString = true
        begun = true
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        begun = true
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        if depth <= 0 {
          index += 1
          return true
        }
      default:
        if !begun { isScalar = true }
      }
      index += 1
    }
    return isLast && isScalar
  }

  /// The next quote or backslash, eight bytes at a time.
  private static func quoteOrBackslash(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
    var index = start
    let end = bytes.count
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    while index + 8 <= end {
      let word = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
      let quotes = word ^ (ones &* 0x22)
      let slashes = word ^ (ones &* 0x5C)
      let found = ((quotes &- ones) & ~quotes | (slashes &- ones) & ~slashes) & highs
      if found != 0 { return index + found.trailingZeroBitCount / 8 }
      index += 8
    }
    while index < end, unsafe bytes[index] != 0x22 && bytes[index] != 0x5C { index += 1 }
    return index
  }
}
