import Basics

/// How the rows of a text stand in it.
package enum RowFormat: String, Sendable {
  /// A JSON array of rows.
  case json
  /// One JSON value a line.
  case jsonLines = "jsonl"
  /// JSON values one after another, each over any number of lines; a single object too.
  case jsonValues = "json-values"
  /// Comma-separated values; semicolons where the header has them instead.
  case csv
  /// Tab-separated values.
  case tsv
  case text

  /// The name that the `format` option and reports use.
  package var name: String { rawValue }

  static let names = ["json", "jsonl", "json-values", "csv", "tsv", "text"]

  /// The format of a text that begins with `head`; the file's extension decides only what the content leaves open.
  static func detect(_ head: [UInt8], isWhole: Bool, hint: String) -> RowFormat {
    let first = head.firstIndex { !isWhiteSpace($0) }
    guard let first else { return fromHint(hint) ?? .text }
    switch head[first] {
    case UInt8(ascii: "[") where isArrayOfRows(head, first, hint): return .json
    case UInt8(ascii: "{"): return objects(head, isWhole: isWhole)
    default: break
    }
    let hinted = fromHint(hint)
    if hinted == .csv || hinted == .tsv { return hinted ?? .csv }
    if looksLikeLines(head, isWhole: isWhole) { return .jsonLines }
    if let table = delimited(head) { return table }
    return hinted == .json ? .jsonLines : hinted ?? .text
  }

  private static func fromHint(_ hint: String) -> RowFormat? {
    switch hint {
    case "json": .json
    case "jsonl", "ndjson", "jsonlines": .jsonLines
    case "csv": .csv
    case "tsv", "tab": .tsv
    case "txt", "text", "md": .text
    default: nil
    }
  }

  private static func isWhiteSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

  /// A bracket begins an array of rows when an object follows, or, in a file called JSON, anything that may.
  private static func isArrayOfRows(_ head: [UInt8], _ bracket: Int, _ hint: String) -> Bool {
    guard let next = head[(bracket + 1)...].first(where: { !isWhiteSpace($0) }) else {
      return fromHint(hint) == .json
    }
    if fromHint(hint) == .jsonLines {
      // Lines that each hold an array are rows of JSON Lines.
      let lines = head.split(separator: UInt8(ascii: "\n"), maxSplits: 2).prefix(2)
      if lines.count == 2, lines.allSatisfy({ (try? JSONParser.parse($0)) != nil }) { return false }
      return true
    }
    return next == UInt8(ascii: "{") || fromHint(hint) == .json
  }

  /// JSON Lines when a line that begins with a brace is a value by itself, else values over several lines.
  private static func objects(_ head: [UInt8], isWhole: Bool) -> RowFormat {
    looksLikeLines(head, isWhole: isWhole) ? .jsonLines : .jsonValues
  }

  private static func looksLikeLines(_ head: [UInt8], isWhole: Bool) -> Bool {
    let lines = head.split(separator: UInt8(ascii: "\n"), maxSplits: 200)
    for (index, line) in lines.prefix(200).enumerated() {
      if index == lines.count - 1, !isWhole, lines.count > 1 { break }
      guard line.first == UInt8(ascii: "{") else { continue }
      if (try? JSONParser.parse(line, duplicateKeys: .keepLast)) != nil { return true }
    }
    // No whole line: a first line that is cut and goes on with another object is a broken row.
    let starts = lines.prefix(200).filter {
      $0.first == UInt8(ascii: "{") && $0.count > 1 && $0.contains(UInt8(ascii: ":"))
    }
    return starts.count > 1 && starts.count == min(lines.count, 200)
  }

  /// CSV or TSV without a name that says so: two or more known field names in the first line, and nothing unusual.
  private static func delimited(_ head: [UInt8]) -> RowFormat? {
    let line = head.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
    for (delimiter, format) in [
      (UInt8(ascii: "\t"), RowFormat.tsv), (UInt8(ascii: ","), .csv), (UInt8(ascii: ";"), .csv),
    ] {
      let names = DelimitedFields(delimiter: delimiter).split(line).fields.map {
        String(decoding: $0, as: UTF8.self).lowercased()
      }
      if names.filter({ knownFields.contains($0) }).count >= 2 { return format }
    }
    return nil
  }

  private static let knownFields: Set<String> = [
    "instruction", "input", "output", "prompt", "completion", "response", "question", "answer", "text", "system",
    "messages", "query", "user", "assistant",
  ]

  /// The delimiter of CSV: the one of comma, semicolon and tab that the header has most.
  static func delimiter(_ head: [UInt8]) -> UInt8 {
    var counts: [UInt8: Int] = [:]
    var quoted = false
    for byte in head {
      if byte == UInt8(ascii: "\"") { quoted.toggle() }
      if quoted { continue }
      if byte == UInt8(ascii: "\n") { break }
      counts[byte, default: 0] += 1
    }
    let comma = counts[UInt8(ascii: ","), default: 0]
    let semicolon = counts[UInt8(ascii: ";"), default: 0]
    let tab = counts[UInt8(ascii: "\t"), default: 0]
    if comma >= semicolon, comma >= tab { return UInt8(ascii: ",") }
    return semicolon >= tab ? UInt8(ascii: ";") : UInt8(ascii: "\t")
  }

  /// What a file that is no text is, by its first bytes; nil for text.
  static func binaryName(_ head: [UInt8]) -> String? {
    if let name = magicName(head) { return name }
    let start = head.prefix(4096)
    let odd = start.count { $0 < 0x09 || (0x0E...0x1A).contains($0) }
    return odd * 50 > start.count ? "a binary file" : nil
  }

  /// A known kind of file that is no text, by its first bytes.
  static func magicName(_ head: [UInt8]) -> String? {
    let magics: [(String, String)] = [
      ("PAR1", "a Parquet file"), ("%PDF-", "a PDF file"), ("SQLite format 3", "an SQLite database"),
    ]
    for (magic, name) in magics where head.starts(with: Array(magic.utf8)) { return name }
    return nil
  }
}
