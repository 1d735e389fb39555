import Foundation

/// A moving window over a source: grows at the end, gives up what is done at the start.
struct ByteWindow {
  private let source: any ByteSource
  private let step: Int
  private(set) var bytes: [UInt8] = []
  /// Offset in the source of `bytes[0]`.
  private(set) var offset = 0

  init(_ source: any ByteSource, step: Int = 4 << 20) {
    self.source = source
    self.step = step
  }

  /// Whether the window reaches the end of the source.
  var isLast: Bool { offset + bytes.count >= source.count }

  /// Appends the next piece. A source that grew shorter ends where it ends.
  mutating func grow() throws(CorpusError) {
    let start = bytes.count
    let more = min(step, source.count - offset - start)
    guard more > 0 else { return }
    let base = offset + start
    var result: Result<Int, CorpusError> = .success(0)
    let old = bytes
    bytes = unsafe [UInt8](unsafeUninitializedCapacity: start + more) { buffer, count in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      unsafe old.withUnsafeBytes { unsafe raw.copyMemory(from: $0) }
      result = Result { () throws(CorpusError) -> Int in
        unsafe try source.read(into: UnsafeMutableRawBufferPointer(rebasing: raw[start...]), at: base)
      }
      count = start + ((try? result.get()) ?? 0)
    }
    guard try result.get() == more else {
      throw CorpusError(.source, "the file became shorter while it was read")
    }
  }

  /// Removes the first `count` bytes and returns the whole window as it was.
  mutating func cut(_ count: Int) -> [UInt8] {
    let whole = bytes
    bytes = Array(whole[count...])
    offset += count
    return whole
  }

  /// Drops all bytes.
  mutating func drop() {
    offset += bytes.count
    bytes = []
  }
}

/// A record as it stands in the file.
struct RawRecord: Sendable {
  let range: Range<Int>
  let line: Int
  let offset: Int
}

/// Records cut from a source, to be parsed at the same time.
struct RawBatch: Sendable {
  var bytes: [UInt8] = []
  var records: [RawRecord] = []
  /// Faults of the cutting itself.
  var faults: [RawFault] = []
  /// Bytes of the source read so far.
  var done = 0
}

struct RawFault: Sendable {
  let reason: String
  let detail: String
  let line: Int
  let offset: Int
  var raw = ""
}

/// Cuts a source into records.
protocol RecordSplitter {
  /// The next records; nil at the end.
  mutating func next() throws(CorpusError) -> RawBatch?
}

/// Byte searches over a window.
enum ByteSearch {
  /// The place of `byte` in `range`, or nil.
  static func find(_ byte: UInt8, _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Int? {
    guard !range.isEmpty, let base = bytes.baseAddress,
      let found = unsafe memchr(base + range.lowerBound, Int32(byte), range.count)
    else { return nil }
    return unsafe UnsafeRawPointer(found) - base
  }

  /// The last place of `byte` in `range`, or nil.
  static func findLast(_ byte: UInt8, _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Int? {
    var index = range.upperBound
    while index > range.lowerBound {
      index -= 1
      if unsafe bytes[index] == byte { return index }
    }
    return nil
  }

  static func count(_ byte: UInt8, _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Int {
    var total = 0
    var start = range.lowerBound
    while let found = unsafe find(byte, bytes, start..<range.upperBound) {
      total += 1
      start = found + 1
    }
    return total
  }
}
