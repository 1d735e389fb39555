import Basics

/// Reads the `pre_tokenizer` of a tokenizer.json.
struct PreTokenizerReader {
  private(set) var preTokenizer = PreTokenizer()
  /// Whether words become bytes in GPT-2's alphabet.
  private(set) var isByteLevel = false

  static func read(_ field: JSONField?) throws(TokenizerError) -> PreTokenizerReader {
    var reader = PreTokenizerReader()
    if let field { try reader.read(field, depth: 0) }
    return reader
  }

  private mutating func read(_ field: JSONField, depth: Int) throws(TokenizerError) {
    guard !isByteLevel else { throw field.unsupported("a step behind ByteLevel") }
    switch try field.type() {
    case "Sequence":
      guard depth < 8 else { throw TokenizerError("sequences nested too deep", at: field.path) }
      let list = try field.required("pretokenizers")
      for (index, item) in try list.items(limit: 64).enumerated() {
        try read(JSONField(item, "\(list.path)[\(index)]"), depth: depth + 1)
      }
    case "ByteLevel":
      if try field.flag("add_prefix_space", true) { append(.prefixSpace) }
      if try field.flag("use_regex", true) { append(.scan(.gpt2)) }
      isByteLevel = true
    case "Split": append(try split(field))
    case "Digits":
      if try field.flag("individual_digits", false) {
        append(.scan(.singleDigits))
      } else {
        append(.split(.characters(.number), .contiguous))
      }
    case "Punctuation": append(.split(.characters(.punctuation), try behavior(field) ?? .isolated))
    case "Whitespace": append(.words)
    case "WhitespaceSplit": append(.split(.characters(.space), .removed))
    case "BertPreTokenizer":
      append(.split(.characters(.space), .removed))
      append(.split(.characters(.punctuation), .isolated))
    case "CharDelimiterSplit":
      let delimiter = try field.required("delimiter")
      let scalars = Array(try delimiter.string().unicodeScalars)
      guard scalars.count == 1 else { throw delimiter.wrong("one character") }
      append(.split(.characters(.scalar(scalars[0].value)), .removed))
    case "Metaspace": append(try metaspace(field))
    case let other: throw field.unsupported("a pre_tokenizer of the kind \(other)")
    }
  }

  private mutating func append(_ step: PreTokenizer.Step) { preTokenizer.steps.append(step) }

  private func behavior(_ field: JSONField) throws(TokenizerError) -> SplitBehavior? {
    guard let member = field.optional("behavior") else { return nil }
    guard let behavior = SplitBehavior(rawValue: try member.string()) else {
      throw member.wrong("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous")
    }
    return behavior
  }

  private func split(_ field: JSONField) throws(TokenizerError) -> PreTokenizer.Step {
    let pattern = try field.required("pattern")
    guard let behavior = try behavior(field) else {
      throw TokenizerError("the field 'behavior' is missing", at: field.path)
    }
    let inverted = try field.flag("invert", false)
    if let expression = pattern.optional("Regex") {
      let text = try expression.string()
      // Patterns that match everything give the same words whether matches are isolated or all else is removed.
      let isTotal = text.hasSuffix(#"|\s+"#)
      if let scanner = WordScanner(pattern: text), behavior == .isolated || behavior == .removed && inverted && isTotal
      {
        return .scan(scanner)
      }
      let compiled = TextPattern.expression(try RegularExpression(text, at: expression.path))
      return .split(inverted ? .outside(compiled) : compiled, behavior)
    }
    guard let literal = pattern.optional("String") else { throw pattern.wrong("an object with Regex or String") }
    let found = TextPattern.literal(try literal.bytes())
    return .split(inverted ? .outside(found) : found, behavior)
  }

  private func metaspace(_ field: JSONField) throws(TokenizerError) -> PreTokenizer.Step {
    let mark = try field.optional("replacement")?.bytes() ?? BytePairModel.wordMark
    var prepend = PreTokenizer.Prepend.always
    if let scheme = field.optional("prepend_scheme") {
      guard let known = PreTokenizer.Prepend(rawValue: try scheme.string()) else {
        throw scheme.wrong("always, first or never")
      }
      prepend = known
    }
    if try !field.flag("add_prefix_space", true) { prepend = .never }
    return .metaspace(mark: mark, prepend: prepend, splits: try field.flag("split", true))
  }
}
