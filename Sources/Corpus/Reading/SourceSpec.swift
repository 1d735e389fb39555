import Basics

/// One entry of `sources`: paths and how to read them.
package struct SourceSpec: Sendable {
  package static let keys: [OptionKey] = [
    OptionKey("path", .paths, required: true, "a path or glob, or a list of them"),
    OptionKey("format", .choice(RowFormat.names), "the format, where the content should not decide"),
    OptionKey("encoding", .string, "the character encoding, where it should not be found out"),
    OptionKey("fields", .object, "names of fields that the known shapes lack"),
    OptionKey("text", .object, "how plain text becomes rows: {per: auto | file | line | paragraph}"),
  ]

  package static let textKeys: [OptionKey] = [
    OptionKey(
      "per", .choice(["auto", "file", "line", "paragraph"]), default: "auto",
      "one row a file, line or paragraph; auto: paragraphs where blank lines part them, else lines")
  ]

  enum TextRows: String, Sendable { case auto, file, line, paragraph }

  package let paths: [FilePath]
  let format: RowFormat?
  let encoding: String?
  let fields: FieldMapping?
  let textRows: TextRows

  /// A source of the given paths, read by content.
  package init(paths: [FilePath]) {
    self.paths = paths
    format = nil
    encoding = nil
    fields = nil
    textRows = .auto
  }

  /// An entry of `sources`: a path, or a mapping.
  package init(_ json: JSON, at place: String) throws(CorpusError) {
    let mapping = json.string.map { ["path": .string($0)] as JSON } ?? json
    let options = try Options(mapping, keys: SourceSpec.keys, at: place)
    paths = options.strings("path").map { FilePath($0) }
    format = options.string("format").flatMap { RowFormat(rawValue: $0) }
    encoding = options.string("encoding")
    fields = options.given("fields") ? try FieldMapping(options.value("fields"), at: "\(place).fields") : nil
    let text = try Options(options.value("text"), keys: SourceSpec.textKeys, at: "\(place).text")
    textRows = text.string("per").flatMap { TextRows(rawValue: $0) } ?? .auto
  }

  /// The list `sources`.
  package static func list(_ json: JSON, at place: String = "sources") throws(CorpusError) -> [SourceSpec] {
    let entries = json.array ?? [json]
    guard !entries.isEmpty else { throw CorpusError(.option, "no source is given", at: place) }
    var specs: [SourceSpec] = []
    for (index, entry) in entries.enumerated() { specs.append(try SourceSpec(entry, at: "\(place)[\(index)]")) }
    return specs
  }
}
