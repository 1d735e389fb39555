/// The patterns that most published byte-level tokenizers split words by, as code: many times quicker than a regular
/// expression, with the same words.
enum WordScanner: Sendable, Equatable {
  /// GPT-2: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  case gpt2
  /// Llama 3, and Qwen 2 with one digit: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|`
  /// ` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
  case llama3(digits: Int)
  /// Each number by itself, and what stands between them whole.
  case singleDigits

  /// The scanner for a published pattern whose matches are isolated.
  init?(pattern: String) {
    if let known = Self.patterns.first(where: { $0.0 == pattern }) {
      self = known.1
    } else {
      return nil
    }
  }

  private static let patterns: [(String, WordScanner)] = {
    let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"#
    let tail = #" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    let contractions = [
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
      "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])",
    ]
    var patterns: [(String, WordScanner)] = [
      (gpt2, .gpt2), (gpt2 + #"|\s+"#, .gpt2), (#"\p{N}"#, .singleDigits),
    ]
    for contraction in contractions {
      for (number, digits) in [(#"\p{N}"#, 1), (#"\p{N}{1}"#, 1), (#"\p{N}{1,3}"#, 3)] {
        patterns.append(
          (contraction + #"|[^\r\n\p{L}\p{N}]?\p{L}+|"# + number + "|" + tail, .llama3(digits: digits)))
      }
    }
    return patterns
  }()

  /// The end of the word that begins at `start`, which lies before `end`, the end of the piece.
  @inline(__always)
  func end(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Int {
    switch self {
    case .gpt2: unsafe Self.gpt2End(text, start, end)
    case .llama3(let digits): unsafe Self.llama3End(text, start, end, digits)
    case .singleDigits: unsafe Self.digitsEnd(text, start, end)
    }
  }

  /// The kinds of characters that the patterns tell apart.
  private enum Kind { case letter, number, space, other }

  @inline(__always)
  private static func kind(
    _ text: UnsafeBufferPointer<UInt8>, _ index: Int, _ end: Int
  ) -> (kind: Kind, length: Int) {
    let byte = unsafe text[index]
    if byte < 0x80 {
      if (byte | 0x20) &- 0x61 < 26 { return (.letter, 1) }
      if byte == 0x20 || byte &- 0x09 < 5 { return (.space, 1) }
      if byte &- 0x30 < 10 { return (.number, 1) }
      return (.other, 1)
    }
    return unsafe wideKind(text, index, end)
  }

  private static func wideKind(
    _ text: UnsafeBufferPointer<UInt8>, _ index: Int, _ end: Int
  ) -> (kind: Kind, length: Int) {
    let (scalar, length) = unsafe Unicode8.scalar(text, at: index, to: end)
    // The bulk of Chinese, and of Korean.
    if (0x4E00...0x9FA5).contains(scalar) || (0xAC00...0xD7A3).contains(scalar) { return (.letter, length) }
    if Unicode8.isSpace(scalar) { return (.space, length) }
    let mask = Unicode8.categoryMask(scalar)
    if mask & Unicode8.Category.letter != 0 { return (.letter, length) }
    if mask & Unicode8.Category.number != 0 { return (.number, length) }
    return (.other, length)
  }

  /// The end of the run of characters of one kind that goes on at `index`.
  @inline(__always)
  private static func runEnd(
    _ text: UnsafeBufferPointer<UInt8>, _ index: Int, _ end: Int, _ wanted: Kind
  ) -> Int {
    var position = index
    while position < end {
      let next = unsafe kind(text, position, end)
      if next.kind != wanted { break }
      position += next.length
    }
    return position
  }

  private static func gpt2End(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Int {
    let first = unsafe text[start]
    if first == 0x27, let length = unsafe contraction(text, start, end, anyCase: false) { return start + length }
    let own = unsafe kind(text, start, end)
    if first == 0x20, start + 1 < end {
      let next = unsafe kind(text, start + 1, end)
      if next.kind != .space { return unsafe runEnd(text, start + 1 + next.length, end, next.kind) }
    }
    let runs = unsafe runEnd(text, start + own.length, end, own.kind)
    return own.kind == .space ? unsafe spaceEnd(text, start, runs, end) : runs
  }

  /// `\s+(?!\S)|\s+` for a run of white space: all but the last of several characters before another word.
  @inline(__always)
  private static func spaceEnd(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ runEnd: Int, _ end: Int) -> Int {
    if runEnd == end { return runEnd }
    let last = unsafe Unicode8.scalarStart(text, before: runEnd, from: start)
    return last > start ? last : runEnd
  }

  private static func llama3End(
    _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, _ digits: Int
  ) -> Int {
    let first = unsafe text[start]
    if first == 0x27, let length = unsafe contraction(text, start, end, anyCase: true) { return start + length }
    let own = unsafe kind(text, start, end)
    let after = start + own.length
    switch own.kind {
    case .letter: return unsafe runEnd(text, after, end, .letter)
    case .number:
      var position = after
      for _ in 1..<max(digits, 1) where position < end {
        let next = unsafe kind(text, position, end)
        guard next.kind == .number else { break }
        position += next.length
      }
      return position
    case .space, .other: break
    }
    let isNewline = first == 0x0A || first == 0x0D
    if !isNewline, after < end {
      let next = unsafe kind(text, after, end)
      if next.kind == .letter { return unsafe runEnd(text, after + next.length, end, .letter) }
      if first == 0x20, next.kind == .other {
        return unsafe newlinesEnd(text, runEnd(text, after + next.length, end, .other), end)
      }
    }
    if own.kind == .other { return unsafe newlinesEnd(text, runEnd(text, after, end, .other), end) }
    let runs = unsafe runEnd(text, after, end, .space)
    var position = runs
    while position > start {
      let byte = unsafe text[position - 1]
      if byte == 0x0A || byte == 0x0D { return position }
      position -= 1
    }
    return unsafe spaceEnd(text, start, runs, end)
  }

  private static func newlinesEnd(_ text: UnsafeBufferPointer<UInt8>, _ index: Int, _ end: Int) -> Int {
    var position = index
    while position < end, unsafe text[position] == 0x0A || text[position] == 0x0D { position += 1 }
    return position
  }

  private static func digitsEnd(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Int {
    var position = start
    while position < end {
      let next = unsafe kind(text, position, end)
      if next.kind == .number { return position == start ? position + next.length : position }
      position += next.length
    }
    return end
  }

  /// The length of an English contraction at an apostrophe; nil where there is none.
  private static func contraction(
    _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, anyCase: Bool
  ) -> Int? {
    func letter(_ offset: Int) -> UInt8 {
      guard start + offset < end else { return 0 }
      let byte = unsafe text[start + offset]
      return anyCase && byte &- 0x41 < 26 ? byte | 0x20 : byte
    }
    switch letter(1) {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return 2
    case UInt8(ascii: "r") where letter(2) == UInt8(ascii: "e"): return 3
    case UInt8(ascii: "v") where letter(2) == UInt8(ascii: "e"): return 3
    case UInt8(ascii: "l") where letter(2) == UInt8(ascii: "l"): return 3
    // The long s folds to s.
    case 0xC5 where anyCase && letter(2) == 0xBF: return 3
    default: return nil
    }
  }
}
