import Basics
import CUchardet

/// The character encoding of a source.
package struct TextEncoding: Sendable, Equatable {
  /// "UTF-8", or the name iconv knows it by.
  package let name: String
  /// Whether it was guessed from the bytes: no byte-order mark, no valid UTF-8, no option said so.
  package let assumed: Bool
  /// Length of the byte-order mark to skip.
  let mark: Int

  init(_ name: String, assumed: Bool = false, mark: Int = 0) {
    self.name = sameBytes(name, "UTF8") ? "UTF-8" : name
    self.assumed = assumed
    self.mark = mark
  }

  var isUTF8: Bool { sameBytes(name, "UTF-8") }

  /// The encoding of `source`: its byte-order mark; else UTF-8 if it is valid, or nearly; else what uchardet says.
  ///
  /// A text counts as UTF-8 with damaged rows when runs of bytes outside ASCII that are well-formed throughout are not
  /// rare beside the broken ones: in other encodings such runs hardly occur.
  static func detect(_ source: any ByteSource) throws(CorpusError) -> TextEncoding {
    let head = try source.bytes(at: 0, count: 4096)
    if let marked = byMark(head) ?? byZeros(head) { return marked }
    if looksLikeISO2022(head), let name = try guess(source, around: 0), name.hasPrefix("ISO-2022") {
      return TextEncoding(name, assumed: true)
    }
    let scan = try survey(source)
    guard let stray = scan.firstStray, scan.soundRuns * 6 < scan.brokenRuns else { return TextEncoding("UTF-8") }
    guard let guessed = try guess(source, around: stray) else { return TextEncoding("UTF-8") }
    let name = try preferred(guessed, source, around: stray)
    guard try isPlausible(name, source, stray: stray, scan) else {
      return TextEncoding("UTF-8")
    }
    return TextEncoding(name, assumed: true)
  }

  private static func byMark(_ head: [UInt8]) -> TextEncoding? {
    if head.starts(with: [0xEF, 0xBB, 0xBF]) { return TextEncoding("UTF-8", mark: 3) }
    if head.starts(with: [0xFF, 0xFE, 0, 0]) { return TextEncoding("UTF-32LE", mark: 4) }
    if head.starts(with: [0, 0, 0xFE, 0xFF]) { return TextEncoding("UTF-32BE", mark: 4) }
    if head.starts(with: [0xFF, 0xFE]) { return TextEncoding("UTF-16LE", mark: 2) }
    if head.starts(with: [0xFE, 0xFF]) { return TextEncoding("UTF-16BE", mark: 2) }
    return nil
  }

  /// UTF-16 and UTF-32 without a mark, by where the zero bytes of ASCII characters lie.
  private static func byZeros(_ head: [UInt8]) -> TextEncoding? {
    let units = head.count / 4
    guard units > 0, head.contains(0) else { return nil }
    var zeros = [0, 0, 0, 0]
    for index in 0..<units * 4 where head[index] == 0 { zeros[index % 4] += 1 }
    let many = max(1, units * 4 / 10)
    let few = units / 20
    if zeros[1] >= many, zeros[2] >= many, zeros[3] >= many, zeros[0] <= few {
      return TextEncoding("UTF-32LE", assumed: true)
    }
    if zeros[0] >= many, zeros[1] >= many, zeros[2] >= many, zeros[3] <= few {
      return TextEncoding("UTF-32BE", assumed: true)
    }
    if zeros[1] + zeros[3] >= many, zeros[0] + zeros[2] <= few { return TextEncoding("UTF-16LE", assumed: true) }
    if zeros[0] + zeros[2] >= many, zeros[1] + zeros[3] <= few { return TextEncoding("UTF-16BE", assumed: true) }
    return nil
  }

  /// Escape sequences of the seven-bit encodings of East Asia.
  private static func looksLikeISO2022(_ head: [UInt8]) -> Bool {
    for (index, byte) in head.enumerated() where byte == 0x1B && index + 1 < head.count {
      if head[index + 1] == UInt8(ascii: "$") || head[index + 1] == UInt8(ascii: "(") { return true }
    }
    return false
  }

  private static func survey(_ source: any ByteSource) throws(CorpusError) -> UTF8Scan {
    var scan = UTF8Scan()
    var offset = 0
    while offset < source.count {
      let piece = try source.bytes(at: offset, count: 4 << 20)
      if piece.isEmpty { break }
      let isLast = offset + piece.count >= source.count
      let done = unsafe piece.withUnsafeBytes { unsafe scan.scan($0, at: offset, isLast: isLast) }
      if done == 0 { break }
      offset += done
    }
    return scan
  }

  /// uchardet's guess from the bytes around `place`, as a name for iconv.
  private static func guess(_ source: any ByteSource, around place: Int) throws(CorpusError) -> String? {
    let sample = try source.bytes(at: max(0, place - 4096), count: 1 << 18)
    guard let detector = unsafe uchardet_new() else { return nil }
    defer { unsafe uchardet_delete(detector) }
    let code = unsafe sample.withUnsafeBytes {
      unsafe uchardet_handle_data(detector, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)
    }
    guard code == 0 else { return nil }
    unsafe uchardet_data_end(detector)
    guard let name = unsafe uchardet_get_charset(detector) else { return nil }
    return forConversion(unsafe String(cString: name).uppercased())
  }

  /// iconv's name; a superset where files in the wild use one.
  private static func forConversion(_ name: String) -> String? {
    switch name {
    case "", "ASCII", "UTF-8": nil
    case "ISO-8859-1": "WINDOWS-1252"
    case "SHIFT_JIS": "CP932"
    case "EUC-KR": "UHC"
    case "GB2312", "GBK": "GB18030"
    case "MAC-CYRILLIC": "MACCYRILLIC"
    case "TIS-620": "CP874"
    default: name
    }
  }

  /// Windows-1252 instead of a DOS code page of Latin letters when no byte is a letter of the DOS page alone: uchardet
  /// takes short Western texts for the rare one.
  private static func preferred(
    _ name: String, _ source: any ByteSource, around place: Int
  ) throws(CorpusError) -> String {
    guard name.hasPrefix("IBM85"), !sameBytes(name, "IBM855") else { return name }
    let sample = try source.bytes(at: max(0, place - 4096), count: 1 << 18)
    let signs: Set<UInt8> = [0x80, 0x85, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x99]
    let isWestern = sample.allSatisfy { $0 < 0x80 || $0 >= 0xC0 || (0xA9...0xBF).contains($0) || signs.contains($0) }
    return isWestern ? "WINDOWS-1252" : name
  }

  /// With little evidence, a single-byte guess must give words: letters beside letters, or usual signs.
  ///
  /// Else one damaged byte in an ASCII file would be read as some letter instead of being refused.
  private static func isPlausible(
    _ name: String, _ source: any ByteSource, stray: Int, _ scan: UTF8Scan
  ) throws(CorpusError) -> Bool {
    guard Converter.isKnown(name) else { return false }
    guard scan.brokenRuns <= 8 else { return true }
    let sample = try source.bytes(at: max(0, stray - 64), count: 1 << 16)
    guard let text = try? Converter.convert(sample, from: name, at: "") else { return false }
    let scalars = Array(String(decoding: text, as: UTF8.self).unicodeScalars)
    for (index, scalar) in scalars.enumerated() where !scalar.isASCII {
      if scalar.value == 0xFFFD { return false }
      if !scalar.properties.isAlphabetic {
        if scalar.properties.generalCategory == .control { return false }
        continue
      }
      let before = index > 0 && scalars[index - 1].properties.isAlphabetic
      let after = index + 1 < scalars.count && scalars[index + 1].properties.isAlphabetic
      let alone: [UInt32] = [0xE0, 0xC0, 0xE9, 0xC9, 0xF3, 0xF2, 0xE8, 0xC8, 0xE5, 0xC5, 0xF6, 0xD6]
      if !before, !after, !alone.contains(scalar.value) { return false }
      if scalar.value == 0xFF || scalar.value == 0xFE || scalar.value == 0xDE { return false }
    }
    return true
  }
}

extension TextEncoding {
  /// Length of the byte-order mark in `head` when the encoding is given.
  static func mark(of name: String, _ head: [UInt8]) -> Int {
    if sameBytes(name, "UTF-8") { return head.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0 }
    // Without a byte order in its name, iconv reads the mark itself.
    if sameBytes(name, "UTF-16LE") { return head.starts(with: [0xFF, 0xFE]) ? 2 : 0 }
    if sameBytes(name, "UTF-16BE") { return head.starts(with: [0xFE, 0xFF]) ? 2 : 0 }
    return 0
  }
}
