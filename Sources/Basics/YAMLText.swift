/// The bytes of a YAML document, checked before libyaml sees them, with the places of their lines.
struct YAMLText {
  /// UTF-8 without a byte order mark; code points that only YAML 1.1 takes for line breaks are swapped out.
  let bytes: [UInt8]
  /// Offset of each line's first byte.
  private let lineStarts: [Int]
  /// What U+0085, U+2028 and U+2029 were swapped for, so that libyaml leaves them in their lines.
  private let swaps: [(original: Unicode.Scalar, stand: Unicode.Scalar)]

  init(_ source: some Collection<UInt8>, maximumSize: Int) throws(YAMLError) {
    guard source.count <= maximumSize else {
      throw YAMLError(
        line: 1, column: 1, "the text is larger than \(Quantity.describe(bytes: maximumSize))",
        text: Quantity.describe(bytes: source.count))
    }
    var bytes = Array(source)
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
    // libyaml would drop the line break that ends a block at the end of the text.
    if let last = bytes.last, last != 0x0A, last != 0x0D { bytes.append(0x0A) }
    let starts = YAMLText.lineStarts(bytes)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw YAMLText.invalidEncoding(bytes, starts)
    }
    var breaks = false
    for (offset, scalar) in YAMLText.scalars(of: text) {
      switch scalar.value {
      case 0x09, 0x0A, 0x0D, 0x20..<0x7F: break
      case 0x85, 0x2028, 0x2029: breaks = true
      case 0..<0x20, 0x7F..<0xA0, 0xFEFF, 0xFFFE, 0xFFFF:
        let place = YAMLText.place(offset, bytes, starts)
        throw YAMLError(
          line: place.line, column: place.column, "a character that YAML does not allow",
          text: "U+" + String(scalar.value, radix: 16, uppercase: true),
          remedy: "remove it, or write it as an escape in double quotes")
      default: break
      }
    }
    lineStarts = starts
    swaps = breaks ? YAMLText.swaps(for: text) : []
    self.bytes = breaks ? Array(YAMLText.exchange(text, swaps.map { ($0.original, $0.stand) }).utf8) : bytes
  }

  /// A scalar's content with the swapped code points back in place.
  func restored(_ text: String) -> String {
    swaps.isEmpty ? text : YAMLText.exchange(text, swaps.map { ($0.stand, $0.original) })
  }

  var lineCount: Int { lineStarts.count }

  /// The bytes of line `line` (from 0) without its break.
  func line(_ line: Int) -> ArraySlice<UInt8> {
    guard lineStarts.indices.contains(line) else { return [] }
    var end = line + 1 < lineStarts.count ? min(lineStarts[line + 1], bytes.count) : bytes.count
    let start = min(lineStarts[line], end)
    while end > start, bytes[end - 1] == 0x0A || bytes[end - 1] == 0x0D { end -= 1 }
    return bytes[start..<end]
  }

  /// The code point at a place, counted from 0; nil past the end of the line.
  func scalar(line: Int, column: Int) -> Unicode.Scalar? {
    guard column >= 0 else { return nil }
    return String(decoding: self.line(line), as: UTF8.self).unicodeScalars.dropFirst(column).first
  }

  /// What stands at a place up to the end of its line, shortened; nil when nothing does. Both counts are from 0.
  func excerpt(line: Int, column: Int) -> String? {
    let text = restored(String(decoding: self.line(line), as: UTF8.self))
    let rest = text.unicodeScalars.dropFirst(column)
    guard !rest.isEmpty else { return nil }
    return Problem.shortened(String(String.UnicodeScalarView(rest)), limit: 60)
  }
}

extension YAMLText {
  private static func lineStarts(_ bytes: [UInt8]) -> [Int] {
    var starts = [0]
    for (index, byte) in bytes.enumerated() where byte == 0x0A || byte == 0x0D {
      if byte == 0x0D, index + 1 < bytes.count, bytes[index + 1] == 0x0A { continue }
      starts.append(index + 1)
    }
    return starts
  }

  private static func scalars(of text: String) -> some Sequence<(Int, Unicode.Scalar)> {
    var offset = 0
    return text.unicodeScalars.lazy.map { scalar in
      defer { offset += UTF8.width(scalar) }
      return (offset, scalar)
    }
  }

  /// Line and column, from 1, of a byte offset.
  private static func place(_ offset: Int, _ bytes: [UInt8], _ starts: [Int]) -> (line: Int, column: Int) {
    let line = (starts.firstIndex { $0 > offset } ?? starts.count) - 1
    let column = bytes[starts[line]..<offset].count { $0 & 0xC0 != 0x80 }
    return (line + 1, column + 1)
  }

  private static func invalidEncoding(_ bytes: [UInt8], _ starts: [Int]) -> YAMLError {
    let broken = (0..<starts.count).first { index in
      let end = index + 1 < starts.count ? starts[index + 1] : bytes.count
      return String(validating: bytes[starts[index]..<end], as: UTF8.self) == nil
    }
    let line = broken ?? 0
    let end = line + 1 < starts.count ? starts[line + 1] : bytes.count
    let slice = bytes[starts[line]..<end]
    // The longest valid beginning of the line ends where the fault is.
    var valid = 0
    var decoder = UTF8()
    var iterator = slice.makeIterator()
    while case .scalarValue(let scalar) = decoder.decode(&iterator) { valid += UTF8.width(scalar) }
    let place = place(starts[line] + valid, bytes, starts)
    let byte = slice.dropFirst(valid).first ?? 0
    let isUTF16 = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
    return YAMLError(
      line: place.line, column: place.column, "the text is not valid UTF-8",
      text: "byte 0x" + String(byte, radix: 16, uppercase: true),
      remedy: isUTF16 ? "it seems to be UTF-16: save it as UTF-8" : "save the file as UTF-8")
  }

  /// Stand-ins that the text does not hold: noncharacters, which libyaml lets through.
  private static func swaps(for text: String) -> [(original: Unicode.Scalar, stand: Unicode.Scalar)] {
    let used = Set(text.unicodeScalars)
    let free = (UInt32(0xFDD0)...0xFDEF).lazy.compactMap(Unicode.Scalar.init).filter { !used.contains($0) }
    let breaks = [UInt32(0x85), 0x2028, 0x2029].compactMap(Unicode.Scalar.init)
    return zip(breaks, free).map { (original: $0, stand: $1) }
  }

  private static func exchange(_ text: String, _ pairs: [(Unicode.Scalar, Unicode.Scalar)]) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      result.append(pairs.first { $0.0 == scalar }?.1 ?? scalar)
    }
    return String(result)
  }
}
