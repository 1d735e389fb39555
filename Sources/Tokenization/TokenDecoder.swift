import Basics

/// How tokens become text again: what each piece stands for, and what is taken off the ends of the whole.
struct TokenDecoder: Sendable {
  private enum Step: Sendable {
    case replace([UInt8], [UInt8])
    case byteFallback
    case strip(UInt8, start: Int, stop: Int)
  }

  private var isByteLevel: Bool
  private var steps: [Step] = []
  /// Bytes `strip.byte` taken off the ends of a whole text.
  private(set) var strip: (byte: UInt8, start: Int, stop: Int)?

  init(_ field: JSONField?, isByteLevel: Bool) throws(TokenizerError) {
    self.isByteLevel = isByteLevel
    var fused = false
    if let field { try read(field, fused: &fused, depth: 0) }
  }

  private mutating func read(_ field: JSONField, fused: inout Bool, depth: Int) throws(TokenizerError) {
    switch try field.type() {
    case "ByteLevel": isByteLevel = true
    case "Fuse": fused = true
    case "ByteFallback": steps.append(.byteFallback)
    case "Metaspace":
      let mark = try field.optional("replacement")?.bytes() ?? BytePairModel.wordMark
      steps.append(.replace(mark, [0x20]))
      let scheme = try field.optional("prepend_scheme")?.string() ?? "always"
      if scheme != "never", try field.flag("add_prefix_space", true) { strip = (0x20, 1, 0) }
    case "Replace":
      guard let literal = try field.required("pattern").optional("String") else {
        throw field.unsupported("a decoder that replaces a regular expression")
      }
      steps.append(.replace(try literal.bytes(), try field.required("content").bytes()))
    case "Strip":
      let content = try field.required("content").bytes()
      guard content.count == 1 else { throw field.unsupported("stripping \(content.count) bytes") }
      func count(_ key: String) throws(TokenizerError) -> Int {
        let member = try field.required(key)
        guard let count = member.value.int, (0...1024).contains(count) else { throw member.wrong("a small count") }
        return count
      }
      let (start, stop) = (try count("start"), try count("stop"))
      if fused { strip = (content[0], start, stop) } else { steps.append(.strip(content[0], start: start, stop: stop)) }
    case "Sequence":
      guard depth < 8 else { throw TokenizerError("sequences nested too deep", at: field.path) }
      let list = try field.required("decoders")
      for (index, item) in try list.items(limit: 64).enumerated() {
        try read(JSONField(item, "\(list.path)[\(index)]"), fused: &fused, depth: depth + 1)
      }
    case let other: throw field.unsupported("a decoder of the kind \(other)")
    }
  }

  /// The bytes that the piece spelt `name` stands for.
  func text(_ name: ArraySlice<UInt8>) -> [UInt8] {
    var text = Array(name)
    if isByteLevel {
      text = ByteAlphabet.decoded(String(decoding: name, as: UTF8.self)) ?? text
    }
    for step in steps {
      switch step {
      case .byteFallback:
        // A byte stands for itself: nothing else may change it.
        if let byte = Self.fallbackByte(text) { return [byte] }
      case .replace(let old, let new): text = Self.replaced(text, old, new)
      case .strip(let byte, let start, let stop): text = Self.stripped(text, byte, start, stop)
      }
    }
    return text
  }

  /// The byte that a piece such as `<0x0A>` stands for.
  static func fallbackByte(_ name: some Collection<UInt8>) -> UInt8? {
    guard name.count == 6, name.starts(with: "<0x".utf8), name.suffix(1).elementsEqual(">".utf8) else { return nil }
    let digits = String(decoding: name.dropFirst(3).prefix(2), as: UTF8.self)
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x46).contains($0) }) else { return nil }
    return UInt8(digits, radix: 16)
  }

  private static func replaced(_ text: [UInt8], _ old: [UInt8], _ new: [UInt8]) -> [UInt8] {
    guard let first = old.first, text.contains(first) else { return text }
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      if text[index...].starts(with: old) {
        result += new
        index += old.count
      } else {
        result.append(text[index])
        index += 1
      }
    }
    return result
  }

  /// `text` without up to `start` and `stop` bytes `byte` at its ends.
  static func stripped(_ text: [UInt8], _ byte: UInt8, _ start: Int, _ stop: Int) -> [UInt8] {
    let front = text.prefix(start).prefix { $0 == byte }.count
    let back = text.dropFirst(front).suffix(stop).reversed().prefix { $0 == byte }.count
    return Array(text.dropFirst(front).dropLast(back))
  }
}
