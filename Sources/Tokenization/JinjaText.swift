/// Where a stretch of text comes from. Text keeps it through every operation of a template.
struct JinjaOrigin: Hashable, Sendable {
  private var raw: UInt32

  /// Written by the template.
  static let template = JinjaOrigin(raw: 0)
  /// Given beside the messages: tools, documents and other variables.
  static let data = JinjaOrigin(raw: 1)
  /// A value of the message with this index.
  static func message(_ index: Int) -> JinjaOrigin { JinjaOrigin(raw: UInt32(clamping: min(index, 1 << 30)) + 2) }

  private init(raw: UInt32) { self.raw = raw }

  private static let generationBit: UInt32 = 1 << 31

  var isTemplate: Bool { raw & ~JinjaOrigin.generationBit == 0 }
  /// The index of the message the text is from.
  var message: Int? {
    let value = raw & ~JinjaOrigin.generationBit
    return value >= 2 ? Int(value) - 2 : nil
  }
  /// Whether the text was rendered inside `{% generation %}`.
  var isGenerated: Bool { raw & JinjaOrigin.generationBit != 0 }
  var generated: JinjaOrigin { JinjaOrigin(raw: raw | JinjaOrigin.generationBit) }

  /// What a value made from two others counts as: the template's own gives way to foreign text.
  func joined(_ other: JinjaOrigin) -> JinjaOrigin { isTemplate ? other : self }
}

/// A string of a template: UTF-8, measured in code points as Python's `str`, every byte with its origin.
struct JinjaText: Sendable {
  struct Run: Sendable, Equatable {
    /// Byte offset behind the run.
    var end: Int
    var origin: JinjaOrigin
  }

  /// Valid UTF-8.
  private(set) var bytes: [UInt8] = []
  /// Ascending, covering `bytes`; neighbours differ in origin.
  private(set) var runs: [Run] = []
  /// Python's `Markup`: joining it with other text escapes the other.
  var isMarkup = false

  init() {}

  init(_ bytes: [UInt8], _ origin: JinjaOrigin = .template) {
    self.bytes = bytes
    if !bytes.isEmpty { runs = [Run(end: bytes.count, origin: origin)] }
  }

  init(_ text: String, _ origin: JinjaOrigin = .template) { self.init(Array(text.utf8), origin) }

  var isEmpty: Bool { bytes.isEmpty }
  var string: String { String(decoding: bytes, as: UTF8.self) }

  func sameBytes(_ other: JinjaText) -> Bool { bytes == other.bytes }
  func equals(_ word: StaticString) -> Bool {
    unsafe bytes.count == word.utf8CodeUnitCount
      && bytes.elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
  }

  // MARK: Origins

  /// The origin of the byte at `offset`.
  func origin(at offset: Int) -> JinjaOrigin { runs.isEmpty ? .template : runs[runIndex(of: offset)].origin }

  /// The origin of text made from all of this: foreign as soon as one byte is foreign.
  var dominantOrigin: JinjaOrigin { runs.first { !$0.origin.isTemplate }?.origin ?? runs.first?.origin ?? .template }

  /// The origin all bytes share; nil for a mixture.
  var uniformOrigin: JinjaOrigin? { runs.count == 1 ? runs[0].origin : nil }

  /// The text as rendered inside `{% generation %}`.
  var generated: JinjaText {
    var result = self
    result.runs = []
    for run in runs {
      if result.runs.last?.origin == run.origin.generated {
        result.runs[result.runs.count - 1].end = run.end
      } else {
        result.runs.append(Run(end: run.end, origin: run.origin.generated))
      }
    }
    return result
  }

  /// Index of the run that holds `offset`, the last one when `offset` is the end.
  private func runIndex(of offset: Int) -> Int {
    var low = 0
    var high = runs.count - 1
    while low < high {
      let middle = (low + high) / 2
      if runs[middle].end > offset { high = middle } else { low = middle + 1 }
    }
    return low
  }

  // MARK: Building

  mutating func append(_ other: JinjaText) {
    guard !other.isEmpty else { return }
    let offset = bytes.count
    bytes += other.bytes
    for run in other.runs { extend(to: offset + run.end, run.origin) }
  }

  mutating func append(_ more: some Collection<UInt8>, _ origin: JinjaOrigin) {
    guard !more.isEmpty else { return }
    bytes += more
    extend(to: bytes.count, origin)
  }

  mutating func append(_ text: String, _ origin: JinjaOrigin = .template) { append(text.utf8, origin) }

  mutating func append(_ scalar: Unicode.Scalar, _ origin: JinjaOrigin) {
    append(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter, origin)
  }

  private mutating func extend(to end: Int, _ origin: JinjaOrigin) {
    if let last = runs.last, last.origin == origin {
      runs[runs.count - 1].end = end
    } else {
      runs.append(Run(end: end, origin: origin))
    }
  }

  static func + (a: JinjaText, b: JinjaText) -> JinjaText {
    var result = a
    result.append(b)
    return result
  }

  // MARK: Parts, in bytes

  /// The part at these byte offsets, which must lie between code points.
  func bytes(_ range: Range<Int>) -> JinjaText {
    if range.lowerBound <= 0, range.upperBound >= bytes.count { return self }
    var result = JinjaText()
    result.isMarkup = isMarkup
    guard range.lowerBound < range.upperBound else { return result }
    result.bytes = Array(bytes[range])
    var index = runIndex(of: range.lowerBound)
    while index < runs.count {
      let run = runs[index]
      result.runs.append(Run(end: min(run.end, range.upperBound) - range.lowerBound, origin: run.origin))
      if run.end >= range.upperBound { break }
      index += 1
    }
    return result
  }

  /// Byte offset of the first occurrence of `needle` at or behind `start` and ending before `end`.
  func find(_ needle: [UInt8], from start: Int = 0, to end: Int? = nil) -> Int? {
    let limit = (end ?? bytes.count) - needle.count
    guard start >= 0, start <= limit else { return nil }
    guard let first = needle.first else { return start }
    var offset = start
    return unsafe bytes.withUnsafeBufferPointer { all in
      while offset <= limit {
        if unsafe all[offset] == first,
          unsafe all[offset..<offset + needle.count].elementsEqual(needle)
        {
          return offset
        }
        offset += 1
      }
      return nil
    }
  }

  /// Byte offset of the last occurrence of `needle` within `start..<end`.
  func findLast(_ needle: [UInt8], from start: Int = 0, to end: Int? = nil) -> Int? {
    var offset = (end ?? bytes.count) - needle.count
    while offset >= start, offset >= 0 {
      if bytes[offset..<offset + needle.count].elementsEqual(needle) { return offset }
      offset -= 1
    }
    return nil
  }

  // MARK: Code points

  var isASCII: Bool { bytes.allSatisfy { $0 < 0x80 } }

  /// Number of code points.
  var count: Int { bytes.reduce(into: 0) { $0 += $1 & 0xC0 == 0x80 ? 0 : 1 } }

  /// The code point that starts at byte `offset`, and its length in bytes.
  func scalar(at offset: Int) -> (scalar: Unicode.Scalar, length: Int) { decodeScalar(bytes, at: offset) }

  var scalars: [Unicode.Scalar] { Array(string.unicodeScalars) }

  /// Byte offset of the code point `index`, which must exist.
  func offset(ofScalar index: Int) -> Int {
    var (offset, left) = (0, index)
    while offset < bytes.count {
      if bytes[offset] & 0xC0 != 0x80 {
        if left == 0 { return offset }
        left -= 1
      }
      offset += 1
    }
    return bytes.count
  }

  /// Byte offsets of every code point, and the end.
  var scalarOffsets: [Int] {
    var result: [Int] = []
    result.reserveCapacity(bytes.count + 1)
    for (offset, byte) in bytes.enumerated() where byte & 0xC0 != 0x80 { result.append(offset) }
    result.append(bytes.count)
    return result
  }

  /// The code points as texts of their own.
  var characters: [JinjaText] {
    let offsets = scalarOffsets
    return (0..<offsets.count - 1).map { bytes(offsets[$0]..<offsets[$0 + 1]) }
  }

  /// Each code point replaced by `body`'s text, with its origin.
  func mapScalars(_ body: (Unicode.Scalar, Int) -> String) -> JinjaText {
    var result = JinjaText()
    result.isMarkup = isMarkup
    var offset = 0
    var index = 0
    var run = 0
    while offset < bytes.count {
      while runs[run].end <= offset { run += 1 }
      let (scalar, length) = scalar(at: offset)
      result.append(body(scalar, index), runs[run].origin)
      offset += length
      index += 1
    }
    return result
  }
}

/// The code point of valid UTF-8 at `offset`, and its length in bytes.
func decodeScalar(_ bytes: [UInt8], at offset: Int) -> (scalar: Unicode.Scalar, length: Int) {
  let first = UInt32(bytes[offset])
  if first < 0x80 { return (Unicode.Scalar(UInt8(first)), 1) }
  let length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
  guard offset + length <= bytes.count else { return ("\u{FFFD}", bytes.count - offset) }
  var code = first & (0x7F >> UInt32(length))
  for index in 1..<length { code = code << 6 | UInt32(bytes[offset + index] & 0x3F) }
  return (Unicode.Scalar(code) ?? "\u{FFFD}", length)
}
