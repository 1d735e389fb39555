import CYAML

/// One event of libyaml's parser; lines and columns from 0.
struct YAMLEvent {
  enum Kind {
    case streamStart
    case streamEnd
    case documentStart
    case documentEnd
    case alias
    case scalar(text: String, style: Style)
    case sequenceStart(isFlow: Bool)
    case sequenceEnd
    case mappingStart(isFlow: Bool)
    case mappingEnd
  }
  enum Style { case plain, quoted, block }

  let kind: Kind
  var hasAnchor = false
  var tag: String?
  let line: Int
  let column: Int
  let endLine: Int
  let endColumn: Int
}

/// libyaml's event parser over one text; owns the C structures.
@safe final class YAMLEvents {
  private let text: YAMLText
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  /// libyaml reads the text in place, so it must not move.
  private let buffer: UnsafeMutableBufferPointer<UInt8>

  init(_ text: YAMLText) {
    self.text = text
    unsafe parser = .allocate(capacity: 1)
    unsafe buffer = .allocate(capacity: max(1, text.bytes.count))
    _ = unsafe buffer.update(from: text.bytes)
    unsafe yaml_parser_initialize(parser)
    unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    unsafe yaml_parser_set_input_string(parser, buffer.baseAddress, text.bytes.count)
  }

  deinit {
    unsafe yaml_parser_delete(parser)
    unsafe parser.deallocate()
    unsafe buffer.deallocate()
  }

  func next() throws(YAMLError) -> YAMLEvent {
    var event = unsafe yaml_event_t()
    guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw fault() }
    defer { unsafe yaml_event_delete(&event) }
    return unsafe YAMLEvents.translate(event)
  }

  private static func translate(_ event: yaml_event_t) -> YAMLEvent {
    func make(_ kind: YAMLEvent.Kind, anchor: Bool = false, tag: String? = nil) -> YAMLEvent {
      unsafe YAMLEvent(
        kind: kind, hasAnchor: anchor, tag: tag, line: Int(event.start_mark.line),
        column: Int(event.start_mark.column), endLine: Int(event.end_mark.line), endColumn: Int(event.end_mark.column))
    }
    func string(_ bytes: UnsafeMutablePointer<yaml_char_t>?) -> String? {
      unsafe bytes.map { unsafe String(cString: $0) }
    }
    switch unsafe event.type {
    case YAML_STREAM_START_EVENT: return make(.streamStart)
    case YAML_DOCUMENT_START_EVENT: return make(.documentStart)
    case YAML_DOCUMENT_END_EVENT: return make(.documentEnd)
    case YAML_ALIAS_EVENT: return make(.alias)
    case YAML_SCALAR_EVENT:
      let scalar = unsafe event.data.scalar
      let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
      let style: YAMLEvent.Style =
        switch unsafe scalar.style {
        case YAML_PLAIN_SCALAR_STYLE: .plain
        case YAML_LITERAL_SCALAR_STYLE, YAML_FOLDED_SCALAR_STYLE: .block
        default: .quoted
        }
      return unsafe make(
        .scalar(text: String(decoding: bytes, as: UTF8.self), style: style),
        anchor: scalar.anchor != nil, tag: string(scalar.tag))
    case YAML_SEQUENCE_START_EVENT:
      let start = unsafe event.data.sequence_start
      return unsafe make(
        .sequenceStart(isFlow: start.style == YAML_FLOW_SEQUENCE_STYLE), anchor: start.anchor != nil,
        tag: string(start.tag))
    case YAML_SEQUENCE_END_EVENT: return make(.sequenceEnd)
    case YAML_MAPPING_START_EVENT:
      let start = unsafe event.data.mapping_start
      return unsafe make(
        .mappingStart(isFlow: start.style == YAML_FLOW_MAPPING_STYLE), anchor: start.anchor != nil,
        tag: string(start.tag))
    case YAML_MAPPING_END_EVENT: return make(.mappingEnd)
    default: return make(.streamEnd)
    }
  }

  /// libyaml's fault in our words, at the place that helps most.
  private func fault() -> YAMLError {
    let said = unsafe parser.pointee.problem.map { unsafe String(cString: $0) } ?? "the text cannot be read"
    let context = unsafe parser.pointee.context.map { unsafe String(cString: $0) } ?? ""
    var line = unsafe Int(parser.pointee.problem_mark.line)
    var column = unsafe Int(parser.pointee.problem_mark.column)
    let openLine = unsafe Int(parser.pointee.context_mark.line)
    let openColumn = unsafe Int(parser.pointee.context_mark.column)
    if said == "found unexpected end of stream" || said == "found unexpected document indicator" {
      (line, column) = (openLine, openColumn)
      return YAMLError(
        line: line + 1, column: column + 1, "a quoted text without its closing quote",
        text: text.excerpt(line: line, column: column), remedy: "close the quote")
    }
    let source = text.line(line)
    let leading = source.prefix { $0 == 0x20 || $0 == 0x09 }
    if let tab = leading.firstIndex(of: 0x09), column <= leading.count {
      return YAMLText.tab(line: line, column: tab - source.startIndex, excerpt: text.excerpt(line: line, column: 0))
    }
    let (what, remedy) = YAMLEvents.words(said, context, at: source, column: column, opened: text.line(openLine))
    return YAMLError(
      line: line + 1, column: column + 1, what,
      text: text.excerpt(line: line, column: column) ?? text.excerpt(line: line, column: 0), remedy: remedy)
  }

  /// What libyaml says, and what the author can do.
  private static func words(
    _ said: String, _ context: String, at source: ArraySlice<UInt8>, column: Int, opened: ArraySlice<UInt8>
  ) -> (String, String?) {
    let line = String(decoding: source, as: UTF8.self)
    let reference = line.contains("${") || String(decoding: opened, as: UTF8.self).contains("${")
    switch said {
    case "mapping values are not allowed in this context":
      return ("a key stands where none can", "indent it as its neighbours, or quote a text that holds ': '")
    case "could not find expected ':'":
      return ("a key without its ':'", "write `key: value`, and indent the lines of one value alike")
    case "did not find expected key" where line.unicodeScalars.dropFirst(column).first == ":":
      return ("a key without a name is not supported", "write a key before the ':'")
    case "did not find expected <document start>":
      return (
        "several documents in one file are not supported", "keep one document; indent the text that belongs to it"
      )
    case _ where context == "while scanning a directive":
      return ("this directive is not supported", "leave it out: only `%YAML 1.2` is known")
    case "did not find expected key", "did not find expected '-' indicator":
      return ("the indentation does not fit the lines above", "align keys of one mapping and dashes of one list")
    case "did not find expected ',' or '}'", "did not find expected ',' or ']'", "did not find expected node content",
      "found unexpected ':'":
      if !reference, line.unicodeScalars.dropFirst(column).first == ":" {
        let text = "a ':' here, in braces or brackets, is not supported"
        return (text, "put `key: value` in one line, and text that holds ':' in quotes")
      }
      if line.hasPrefix("...") { return ("'...' without a document is not supported", "remove it") }
      let remedy = reference ? "put \"${…}\" in double quotes" : "check commas and closing brackets, and quote odd text"
      return (said.replacing("did not find expected", with: "expected"), remedy)
    case "found character that cannot start any token":
      let scalar = line.unicodeScalars.dropFirst(column).first.map { "'\($0)'" } ?? "this character"
      return ("\(scalar) cannot begin a plain text", "put the text in quotes")
    case "found undefined tag handle": return ("custom tags are not supported", "remove the tag")
    case "found incompatible YAML document":
      return ("this version of YAML is not supported", "write `%YAML 1.2`, or leave it out")
    case "found duplicate %YAML directive":
      return (said, "write `%YAML 1.2` once, or leave it out")
    case "found unknown escape character":
      return ("an unknown escape in double quotes", "write \\\\ for a backslash, or use single quotes")
    default:
      return (said + (context.isEmpty ? "" : " \(context)"), nil)
    }
  }
}

extension YAMLText {
  /// The fault of a tab in indentation; counts from 0.
  static func tab(line: Int, column: Int, excerpt: String?) -> YAMLError {
    YAMLError(
      line: line + 1, column: column + 1, "a tab in the indentation", text: excerpt, remedy: "indent with spaces")
  }
}
