struct JinjaToken: Sendable {
  enum Kind: Equatable, Sendable {
    case data([UInt8])
    case variableBegin, variableEnd, blockBegin, blockEnd
    case name(String)
    case string([UInt8])
    case integer(String)
    case double(Double)
    case symbol(String)
    case end
  }
  let kind: Kind
  let line: Int

  /// The token in a message.
  var description: String {
    switch kind {
    case .data: "text"
    case .variableBegin: "{{"
    case .variableEnd: "}}"
    case .blockBegin: "{%"
    case .blockEnd: "%}"
    case .name(let name): name
    case .string: "a string"
    case .integer(let digits): digits
    case .double(let value): "\(value)"
    case .symbol(let symbol): symbol
    case .end: "the end of the template"
    }
  }
}

/// Splits a template into tokens as jinja2 does with `trim_blocks` and `lstrip_blocks`.
struct JinjaLexer {
  private let source: [UInt8]
  private var position = 0
  private var line = 1
  private var tokens: [JinjaToken] = []
  /// Whether what was read last ended a line, so that white space before a tag counts as its indentation.
  private var lineStarting = true

  /// All tokens of `text`; line ends become "\n" and one at the very end is dropped.
  static func tokens(of text: [UInt8]) throws(TemplateError) -> [JinjaToken] {
    var lexer = JinjaLexer(source: normalized(text, dropLast: true))
    try lexer.run()
    return lexer.tokens
  }

  private init(source: [UInt8]) { self.source = source }

  private static func normalized(_ text: [UInt8], dropLast: Bool) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      if text[index] == 0x0D {
        result.append(0x0A)
        if index + 1 < text.count, text[index + 1] == 0x0A { index += 1 }
      } else {
        result.append(text[index])
      }
      index += 1
    }
    if dropLast, result.last == 0x0A { result.removeLast() }
    return result
  }

  private func fault(_ what: String) -> TemplateError { TemplateError(what, line: line) }

  private mutating func add(_ kind: JinjaToken.Kind) { tokens.append(JinjaToken(kind: kind, line: line)) }

  private func byte(_ offset: Int) -> UInt8? { offset < source.count ? source[offset] : nil }

  private func starts(_ word: StaticString, at offset: Int) -> Bool {
    for index in 0..<word.utf8CodeUnitCount {
      guard unsafe byte(offset + index) == word.utf8Start[index] else { return false }
    }
    return true
  }

  /// Moves to `end`, counting lines.
  private mutating func advance(to end: Int) {
    for offset in position..<end where source[offset] == 0x0A { line += 1 }
    if end > position { lineStarting = source[end - 1] == 0x0A }
    position = end
  }

  private func skipSpace(_ offset: Int) -> Int {
    var offset = offset
    while offset < source.count {
      let (scalar, length) = decodeScalar(source, at: offset)
      guard scalar.isPythonSpace else { break }
      offset += length
    }
    return offset
  }

  private mutating func run() throws(TemplateError) {
    while position < source.count {
      guard let open = nextTag() else {
        add(.data(Array(source[position...])))
        advance(to: source.count)
        break
      }
      let mark = source[open + 1]
      var inside = open + 2
      let sign = byte(inside)
      if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { inside += 1 }
      let raw = mark == UInt8(ascii: "%") ? rawTagEnd(inside) : nil
      addData(upTo: open, sign: sign, isVariable: mark == UInt8(ascii: "{"))
      if let raw {
        advance(to: raw)
        try rawBlock()
      } else if mark == UInt8(ascii: "#") {
        try comment(from: inside)
      } else {
        advance(to: inside)
        add(mark == UInt8(ascii: "{") ? .variableBegin : .blockBegin)
        try tag(isVariable: mark == UInt8(ascii: "{"))
      }
    }
    add(.end)
  }

  private func nextTag() -> Int? {
    var offset = position
    while offset + 1 < source.count {
      if source[offset] == UInt8(ascii: "{") {
        let next = source[offset + 1]
        if next == UInt8(ascii: "{") || next == UInt8(ascii: "%") || next == UInt8(ascii: "#") { return offset }
      }
      offset += 1
    }
    return nil
  }

  /// Text before a tag, stripped as the tag's sign and the environment want it.
  private mutating func addData(upTo end: Int, sign: UInt8?, isVariable: Bool) {
    var last = end
    if sign == UInt8(ascii: "-") {
      last = lastNonSpace(position, end)
    } else if sign != UInt8(ascii: "+"), !isVariable {
      let lineStart = source[position..<end].lastIndex(of: 0x0A).map { $0 + 1 } ?? position
      if lineStart > position || lineStarting, skipSpace(lineStart) >= end { last = lineStart }
    }
    if last > position { add(.data(Array(source[position..<last]))) }
    advance(to: end)
  }

  /// The end of `start..<end` without the white space at its end.
  private func lastNonSpace(_ start: Int, _ end: Int) -> Int {
    var last = end
    while last > start {
      var previous = last - 1
      while previous > start, source[previous] & 0xC0 == 0x80 { previous -= 1 }
      guard decodeScalar(source, at: previous).scalar.isPythonSpace else { break }
      last = previous
    }
    return last
  }

  /// Where `raw %}` ends, if that is what stands at `offset`.
  private func rawTagEnd(_ offset: Int) -> Int? {
    let word = skipSpace(offset)
    guard starts("raw", at: word) else { return nil }
    let close = skipSpace(word + 3)
    if starts("-%}", at: close) { return skipSpace(close + 3) }
    return starts("%}", at: close) ? close + 2 : nil
  }

  private mutating func rawBlock() throws(TemplateError) {
    var open = position
    while open < source.count {
      if starts("{%", at: open) {
        var inside = open + 2
        let sign = byte(inside)
        if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { inside += 1 }
        let word = skipSpace(inside)
        if starts("endraw", at: word), let end = blockEnd(skipSpace(word + 6)) {
          addData(upTo: open, sign: sign, isVariable: false)
          advance(to: end)
          return
        }
      }
      open += 1
    }
    throw fault("missing end of the raw block")
  }

  private mutating func comment(from start: Int) throws(TemplateError) {
    var offset = start
    while offset < source.count {
      if starts("#}", at: offset) {
        let sign = offset > start ? source[offset - 1] : 0
        var end = offset + 2
        if sign == UInt8(ascii: "-") {
          end = skipSpace(end)
        } else if sign != UInt8(ascii: "+"), byte(end) == 0x0A {
          end += 1
        }
        advance(to: end)
        return
      }
      offset += 1
    }
    throw fault("missing end of a comment")
  }

  /// Where the end of a block tag at `offset` ends, with the white space it takes along.
  private func blockEnd(_ offset: Int) -> Int? {
    if starts("-%}", at: offset) { return skipSpace(offset + 3) }
    if starts("+%}", at: offset) { return offset + 3 }
    guard starts("%}", at: offset) else { return nil }
    return byte(offset + 2) == 0x0A ? offset + 3 : offset + 2
  }

  private func variableEnd(_ offset: Int) -> Int? {
    if starts("-}}", at: offset) { return skipSpace(offset + 3) }
    return starts("}}", at: offset) ? offset + 2 : nil
  }

  /// The tokens up to and with the end of a tag.
  private mutating func tag(isVariable: Bool) throws(TemplateError) {
    var open: [String] = []
    while position < source.count {
      if open.isEmpty, let end = isVariable ? variableEnd(position) : blockEnd(position) {
        add(isVariable ? .variableEnd : .blockEnd)
        advance(to: end)
        return
      }
      let space = skipSpace(position)
      if space > position {
        advance(to: space)
        continue
      }
      try token(&open)
    }
    add(.end)
  }

  private mutating func token(_ open: inout [String]) throws(TemplateError) {
    let first = source[position]
    if (0x30...0x39).contains(first) {
      number()
    } else if first == UInt8(ascii: "_") || first >= 0x80 || (first | 0x20) >= 0x61 && (first | 0x20) <= 0x7A {
      var end = position
      while let next = byte(end), next >= 0x80 || next == 0x5F || JinjaLexer.isWord(next) { end += 1 }
      add(.name(String(decoding: source[position..<end], as: UTF8.self)))
      advance(to: end)
    } else if first == UInt8(ascii: "'") || first == UInt8(ascii: "\"") {
      try string(quote: first)
    } else {
      try symbol(&open)
    }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
  }

  private mutating func symbol(_ open: inout [String]) throws(TemplateError) {
    for length in [2, 1] where position + length <= source.count {
      let text = String(decoding: source[position..<position + length], as: UTF8.self)
      guard JinjaLexer.symbols.contains(text) else { continue }
      switch text {
      case "{": open.append("}")
      case "(": open.append(")")
      case "[": open.append("]")
      case "}", ")", "]":
        guard let expected = open.popLast() else { throw fault("unexpected '\(text)'") }
        guard expected == text else { throw fault("unexpected '\(text)', expected '\(expected)'") }
      default: break
      }
      add(.symbol(text))
      return advance(to: position + length)
    }
    throw fault("unexpected character '\(decodeScalar(source, at: position).scalar)'")
  }

  private static let symbols: Set<String> = [
    "+", "-", "/", "//", "*", "%", "**", "~", "[", "]", "(", ")", "{", "}", "==", "!=", ">", ">=", "<", "<=", "=", ".",
    ":", "|", ",", ";",
  ]

  // MARK: Numbers and strings

  /// Where a run of digits with single underscores between them ends.
  private func digits(_ start: Int, _ isDigit: (UInt8) -> Bool) -> Int {
    var offset = start
    while let next = byte(offset) {
      if isDigit(next) {
        offset += 1
      } else if next == 0x5F, offset > start, let after = byte(offset + 1), isDigit(after) {
        offset += 2
      } else {
        break
      }
    }
    return offset
  }

  private static func isDecimal(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  private func plain(_ range: Range<Int>) -> String {
    String(decoding: source[range].filter { $0 != 0x5F }, as: UTF8.self)
  }

  private mutating func number() {
    if let end = floatEnd() {
      add(.double(Double(plain(position..<end)) ?? .infinity))
      return advance(to: end)
    }
    if source[position] == 0x30, let mark = byte(position + 1).map({ $0 | 0x20 }) {
      let bases: [UInt8: (Int, (UInt8) -> Bool)] = [
        UInt8(ascii: "x"): (16, { JinjaLexer.isDecimal($0) || (0x61...0x66).contains($0 | 0x20) }),
        UInt8(ascii: "o"): (8, { (0x30...0x37).contains($0) }),
        UInt8(ascii: "b"): (2, { (0x30...0x31).contains($0) }),
      ]
      if let (radix, isDigit) = bases[mark] {
        let end = digits(position + 2, isDigit)
        if end > position + 2 {
          add(.integer(Int(plain(position + 2..<end), radix: radix).map { String($0) } ?? "9223372036854775808"))
          return advance(to: end)
        }
      }
    }
    let end = source[position] == 0x30 ? digits(position) { $0 == 0x30 } : digits(position, JinjaLexer.isDecimal)
    let text = plain(position..<end)
    add(.integer(text.utf8.allSatisfy { $0 == 0x30 } ? "0" : text))
    advance(to: end)
  }

  /// Where a float at the position ends: digits, then a fraction or an exponent or both.
  private func floatEnd() -> Int? {
    if position > 0, source[position - 1] == UInt8(ascii: ".") { return nil }
    var end = digits(position, JinjaLexer.isDecimal)
    var isFloat = false
    if byte(end) == UInt8(ascii: "."), let next = byte(end + 1), JinjaLexer.isDecimal(next) {
      end = digits(end + 1, JinjaLexer.isDecimal)
      isFloat = true
    }
    if let mark = byte(end), mark | 0x20 == UInt8(ascii: "e") {
      var exponent = end + 1
      if let sign = byte(exponent), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { exponent += 1 }
      if let next = byte(exponent), JinjaLexer.isDecimal(next) {
        end = digits(exponent, JinjaLexer.isDecimal)
        isFloat = true
      }
    }
    return isFloat ? end : nil
  }

  private mutating func string(quote: UInt8) throws(TemplateError) {
    var end = position + 1
    while let next = byte(end), next != quote { end += next == UInt8(ascii: "\\") ? 2 : 1 }
    guard end < source.count else { throw fault("a string without its closing quote") }
    guard let text = JinjaEscapes.decode(Array(source[position + 1..<end])) else {
      throw fault("a string with a broken escape")
    }
    add(.string(text))
    advance(to: end + 1)
  }
}
