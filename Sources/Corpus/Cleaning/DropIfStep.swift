import Basics

/// `drop_if`: drops rows by length and content.
struct DropIfStep: CleaningStep {
  static let keys: [OptionKey] = [
    OptionKey("chars_below", .integer(0...(.max)), "fewer characters in all texts together"),
    OptionKey("chars_above", .integer(0...(.max)), "more characters in all texts together"),
    OptionKey("words_below", .integer(0...(.max)), "fewer words in all texts together"),
    OptionKey("words_above", .integer(0...(.max)), "more words in all texts together"),
    OptionKey("answer_chars_below", .integer(0...(.max)), "fewer characters in the last answer"),
    OptionKey("answer_chars_above", .integer(0...(.max)), "more characters in the last answer"),
    OptionKey("answer_words_below", .integer(0...(.max)), "fewer words in the last answer"),
    OptionKey("answer_words_above", .integer(0...(.max)), "more words in the last answer"),
    OptionKey("contains", .strings, "any of these texts stands in a row, upper and lower case alike for ASCII letters"),
    OptionKey("non_ascii_ratio_above", .number(0...1), "a larger share of characters outside ASCII"),
    OptionKey("repeated_line_ratio_above", .number(0...1), "a larger share of lines that repeat an earlier one"),
  ]

  private struct Bound: Sendable {
    let key: String
    let limit: Int
    let measure: @Sendable (Row) -> Int
    let isMinimum: Bool
  }

  private let bounds: [Bound]
  private let contains: [(text: String, folded: [UInt8])]
  private let nonASCII: Double?
  private let repeatedLines: Double?

  init(_ json: JSON, at place: String) throws(CorpusError) {
    let options = try Options(json, keys: DropIfStep.keys, at: place)
    let measures: [(String, @Sendable (Row) -> Int)] = [
      ("chars", { row in row.texts.reduce(0) { $0 + $1.unicodeScalars.count } }),
      ("words", { row in row.texts.reduce(0) { $0 + Words.hashes($1, .spaces).count } }),
      ("answer_chars", { row in row.answer?.unicodeScalars.count ?? 0 }),
      ("answer_words", { row in row.answer.map { Words.hashes($0, .spaces).count } ?? 0 }),
    ]
    var bounds: [Bound] = []
    for (name, measure) in measures {
      for (suffix, isMinimum) in [("_below", true), ("_above", false)] {
        if let limit = options.int(name + suffix) {
          bounds.append(Bound(key: name + suffix, limit: limit, measure: measure, isMinimum: isMinimum))
        }
      }
    }
    self.bounds = bounds
    contains = options.strings("contains").map { ($0, DropIfStep.fold($0)) }
    nonASCII = options.double("non_ascii_ratio_above")
    repeatedLines = options.double("repeated_line_ratio_above")
    if contains.contains(where: { $0.folded.isEmpty }) {
      throw CorpusError(.option, "'contains' holds an empty text", at: place)
    }
    if bounds.isEmpty, contains.isEmpty, nonASCII == nil, repeatedLines == nil {
      throw CorpusError(
        .option, "the step has no condition", at: place,
        remedy: "give one of " + DropIfStep.keys.map(\.name).joined(separator: ", "))
    }
  }

  func run(_ rows: WorkingRows, _ label: StepLabel) throws(CorpusError) {
    let step = self
    try rows.judge(label) { step.verdict($0) }
  }

  private func verdict(_ row: Row) -> Verdict {
    for bound in bounds {
      let value = bound.measure(row)
      if bound.isMinimum ? value < bound.limit : value > bound.limit {
        return .drop(reason: bound.key, detail: "\(value), the limit is \(bound.limit)")
      }
    }
    if !contains.isEmpty {
      for text in row.texts {
        let folded = DropIfStep.fold(text)
        if let found = contains.first(where: { DropIfStep.find($0.folded, in: folded) }) {
          return .drop(reason: "contains", detail: "holds '\(Problem.shortened(found.text, limit: 60))'")
        }
      }
    }
    if let nonASCII {
      let all = row.texts.reduce(0) { $0 + $1.unicodeScalars.count }
      let outside = row.texts.reduce(0) { $0 + $1.unicodeScalars.count { !$0.isASCII } }
      let ratio = all > 0 ? Double(outside) / Double(all) : 0
      if ratio > nonASCII {
        return .drop(reason: "non_ascii_ratio_above", detail: "\(Quantity.fixed(ratio, 3)), the limit is \(nonASCII)")
      }
    }
    if let repeatedLines {
      let ratio = DropIfStep.repeatedRatio(row)
      if ratio > repeatedLines {
        return .drop(
          reason: "repeated_line_ratio_above", detail: "\(Quantity.fixed(ratio, 3)), the limit is \(repeatedLines)")
      }
    }
    return .keep
  }

  private static func repeatedRatio(_ row: Row) -> Double {
    var seen: Set<WordsKey> = []
    var lines = 0
    for text in row.texts {
      for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
        let words = Words.hashes(String(decoding: line, as: UTF8.self), .spaces)
        if words.isEmpty { continue }
        lines += 1
        seen.insert(WordsKey(words))
      }
    }
    return lines > 0 ? Double(lines - seen.count) / Double(lines) : 0
  }

  private static func fold(_ text: String) -> [UInt8] { text.utf8.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 } }

  private static func find(_ needle: [UInt8], in text: [UInt8]) -> Bool {
    guard needle.count <= text.count else { return false }
    var start = 0
    while start + needle.count <= text.count {
      guard let hit = text[start...(text.count - needle.count)].firstIndex(of: needle[0]) else { return false }
      if text[hit..<hit + needle.count].elementsEqual(needle) { return true }
      start = hit + 1
    }
    return false
  }
}
