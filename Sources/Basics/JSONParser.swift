/// A fault in JSON text, with the byte offset from the start of the text.
package struct JSONError: FettleError, Equatable {
  /// What kind of fault it is, for readers that can go on after some.
  package enum Kind: Sendable, Equatable {
    /// The structure is broken, or ends too early.
    case syntax
    /// The structure stands; a string or key in it is refused.
    case duplicateKey, text
    /// Nested too deep.
    case depth
  }

  package let what: String
  package let offset: Int
  package let kind: Kind

  package init(what: String, offset: Int, kind: Kind = .syntax) {
    self.what = what
    self.offset = offset
    self.kind = kind
  }

  package var problem: Problem { Problem("JSON: \(what)", at: "byte \(offset)") }
}

/// A strict JSON reader over bytes (RFC 8259): no comments, no trailing commas, no lone surrogates, valid UTF-8.
///
/// Depth is bounded, so hostile text can not exhaust the stack.
@safe package struct JSONParser {
  /// What happens with a second member of the same name.
  package enum DuplicateKeys: Sendable { case refuse, keepLast }

  private let bytes: UnsafeBufferPointer<UInt8>
  private let duplicateKeys: DuplicateKeys
  private let maximumDepth: Int
  /// Offset of the next byte to read.
  private var position: Int

  /// Parses one whole document: white space may surround it, nothing else.
  package static func parse(
    _ bytes: some Collection<UInt8>, duplicateKeys: DuplicateKeys = .refuse, maximumDepth: Int = 512
  ) throws(JSONError) -> JSON {
    let result: Result<JSON, JSONError>
    let run = { (buffer: UnsafeBufferPointer<UInt8>) -> Result<JSON, JSONError> in
      Result { () throws(JSONError) -> JSON in
        var parser = unsafe JSONParser(buffer, duplicateKeys: duplicateKeys, maximumDepth: maximumDepth)
        let value = try parser.nextValue()
        parser.skipWhiteSpace()
        guard parser.position == buffer.count else { throw parser.error("text after the value") }
        return value
      }
    }
    if let done = bytes.withContiguousStorageIfAvailable(run) {
      result = done
    } else {
      result = unsafe Array(bytes).withUnsafeBufferPointer(run)
    }
    return try result.get()
  }

  package static func parse(
    _ text: String, duplicateKeys: DuplicateKeys = .refuse
  ) throws(JSONError) -> JSON {
    try parse(Array(text.utf8), duplicateKeys: duplicateKeys)
  }

  /// A parser over `bytes` from `offset` on, for streams of values; the buffer must outlive the parser.
  package init(
    _ bytes: UnsafeBufferPointer<UInt8>, from offset: Int = 0, duplicateKeys: DuplicateKeys = .refuse,
    maximumDepth: Int = 512
  ) {
    unsafe self.bytes = bytes
    position = offset
    self.duplicateKeys = duplicateKeys
    self.maximumDepth = maximumDepth
  }

  /// Offset of the next unread byte.
  package var offset: Int { position }

  /// The next value after white space; leaves `offset` right behind it.
  package mutating func nextValue() throws(JSONError) -> JSON {
    try value(depth: 0)
  }

  /// Skips white space, then the byte `byte` if it comes next; says whether it did.
  package mutating func skip(_ byte: UInt8) -> Bool {
    skipWhiteSpace()
    guard peek() == byte else { return false }
    position += 1
    return true
  }

  /// Whether only white space is left.
  package mutating func atEnd() -> Bool {
    skipWhiteSpace()
    return unsafe position >= bytes.count
  }

  package mutating func skipWhiteSpace() {
    while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private func peek() -> UInt8? {
    unsafe position < bytes.count ? bytes[position] : nil
  }

  private func error(_ what: String, at offset: Int? = nil, _ kind: JSONError.Kind = .syntax) -> JSONError {
    JSONError(what: what, offset: offset ?? position, kind: kind)
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSON {
    guard depth <= maximumDepth else { throw error("nested deeper than \(maximumDepth) levels", .depth) }
    skipWhiteSpace()
    switch peek() {
    case nil: throw error("the text ends where a value was expected")
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case .some(UInt8(ascii: "-")), .some(0x30...0x39): return .number(try number())
    default: throw error("unexpected byte \(describe(peek())) where a value was expected")
    }
  }

  private func describe(_ byte: UInt8?) -> String {
    guard let byte else { return "end of text" }
    return (0x21..<0x7F).contains(byte) ? "'\(Character(Unicode.Scalar(byte)))'" : "0x" + String(byte, radix: 16)
  }

  private mutating func word(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
    for index in 0..<word.utf8CodeUnitCount {
      guard unsafe peek() == word.utf8Start[index] else { throw error("misspelt '\(word)'") }
      position += 1
    }
    return value
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSON {
    position += 1
    var members: [(key: String, value: JSON)] = []
    var seen: Set<[UInt8]> = []
    if skip(UInt8(ascii: "}")) { return .object(JSON.Object()) }
    repeat {
      skipWhiteSpace()
      let start = position
      guard peek() == UInt8(ascii: "\"") else { throw error("expected a key in quotes, found \(describe(peek()))") }
      let key = try string()
      guard skip(UInt8(ascii: ":")) else { throw error("expected ':' after a key, found \(describe(peek()))") }
      let member = try value(depth: depth + 1)
      if isDuplicate(key, among: members, &seen) {
        if duplicateKeys == .refuse {
          throw error("duplicate key \"\(Problem.shortened(key))\"", at: start, .duplicateKey)
        }
        members.removeAll { sameBytes($0.key, key) }
      }
      members.append((key: key, value: member))
    } while skip(UInt8(ascii: ","))
    guard skip(UInt8(ascii: "}")) else { throw error("expected ',' or '}', found \(describe(peek()))") }
    return .object(JSON.Object(members))
  }

  /// Small objects are searched; a set takes over where that would be quadratic.
  private func isDuplicate(_ key: String, among members: [(key: String, value: JSON)], _ seen: inout Set<[UInt8]>)
    -> Bool
  {
    if members.count < 16 { return members.contains { sameBytes($0.key, key) } }
    if seen.isEmpty { for member in members { seen.insert(Array(member.key.utf8)) } }
    return !seen.insert(Array(key.utf8)).inserted
  }

  private mutating func array(depth: Int) throws(JSONError) -> JSON {
    position += 1
    var items: [JSON] = []
    if skip(UInt8(ascii: "]")) { return .array(items) }
    repeat { items.append(try value(depth: depth + 1)) } while skip(UInt8(ascii: ","))
    guard skip(UInt8(ascii: "]")) else { throw error("expected ',' or ']', found \(describe(peek()))") }
    return .array(items)
  }

  private mutating func number() throws(JSONError) -> JSON.Number {
    let start = position
    if peek() == UInt8(ascii: "-") { position += 1 }
    if peek() == UInt8(ascii: "0") {
      position += 1
    } else {
      try digits("a digit")
    }
    if peek() == UInt8(ascii: ".") {
      position += 1
      try digits("a digit after the decimal point")
    }
    if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
      position += 1
      if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { position += 1 }
      try digits("a digit in the exponent")
    }
    return unsafe JSON.Number(literal: String(decoding: bytes[start..<position], as: UTF8.self))
  }

  private mutating func digits(_ wanted: String) throws(JSONError) {
    let start = position
    while let byte = peek(), (0x30...0x39).contains(byte) { position += 1 }
    guard position > start else { throw error("expected \(wanted), found \(describe(peek()))") }
  }

  private mutating func string() throws(JSONError) -> String {
    let open = position
    position += 1
    let start = position
    position = unsafe JSONParser.plainEnd(bytes, from: start)
    if peek() == UInt8(ascii: "\"") {
      defer { position += 1 }
      return unsafe try validated(UnsafeBufferPointer(rebasing: bytes[start..<position]), at: start)
    }
    var buffer: [UInt8] = []
    buffer.reserveCapacity(2 * (position - start) + 64)
    unsafe buffer.append(contentsOf: bytes[start..<position])
    while true {
      guard let byte = peek() else { throw error("a string without its closing quote", at: open) }
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        let result: Result<String, JSONError> = unsafe buffer.withUnsafeBufferPointer { contents in
          Result { () throws(JSONError) -> String in unsafe try validated(contents, at: start) }
        }
        return try result.get()
      case UInt8(ascii: "\\"):
        try escape(into: &buffer)
        let run = position
        position = unsafe JSONParser.plainEnd(bytes, from: run)
        unsafe buffer.append(contentsOf: bytes[run..<position])
      default: throw error("a control character in a string must be escaped", at: position - 1, .text)
      }
    }
  }

  /// The first place from `start` on that holds a quote, a backslash or a control character, eight bytes at a time.
  private static func plainEnd(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    let raw = UnsafeRawBufferPointer(bytes)
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    var index = start
    while index + 8 <= raw.count {
      let word = unsafe UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
      let quotes = word ^ (ones &* 0x22)
      let slashes = word ^ (ones &* 0x5C)
      let controls = (word &- ones &* 0x20) & ~word
      let found = (((quotes &- ones) & ~quotes) | ((slashes &- ones) & ~slashes) | controls) & highs
      if found != 0 { return index + found.trailingZeroBitCount / 8 }
      index += 8
    }
    while index < raw.count {
      let byte = unsafe raw[index]
      if byte == 0x22 || byte == 0x5C || byte < 0x20 { break }
      index += 1
    }
    return index
  }

  private func validated(_ contents: UnsafeBufferPointer<UInt8>, at start: Int) throws(JSONError) -> String {
    guard let text = unsafe String(validating: contents, as: UTF8.self) else {
      throw error("a string that is not valid UTF-8", at: start, .text)
    }
    return text
  }

  private mutating func escape(into buffer: inout [UInt8]) throws(JSONError) {
    let start = position - 1
    guard let byte = peek() else { throw error("a string without its closing quote") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): buffer.append(byte)
    case UInt8(ascii: "b"): buffer.append(0x08)
    case UInt8(ascii: "f"): buffer.append(0x0C)
    case UInt8(ascii: "n"): buffer.append(0x0A)
    case UInt8(ascii: "r"): buffer.append(0x0D)
    case UInt8(ascii: "t"): buffer.append(0x09)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if (0xD800..<0xDC00).contains(code) {
        guard peek() == UInt8(ascii: "\\") else { throw error("a lone surrogate", at: start, .text) }
        position += 1
        guard peek() == UInt8(ascii: "u") else { throw error("a lone surrogate", at: start, .text) }
        position += 1
        let low = try hexadecimal()
        guard (0xDC00..<0xE000).contains(low) else { throw error("a lone surrogate", at: start, .text) }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw error("a lone surrogate", at: start, .text) }
      UTF8.encode(scalar) { buffer.append($0) }
    default: throw error("unknown escape '\\\(Character(Unicode.Scalar(byte)))'", at: start, .text)
    }
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
        throw error("expected four hexadecimal digits after \\u")
      }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }
}
