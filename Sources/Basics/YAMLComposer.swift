/// Builds nodes from events.
struct YAMLComposer {
  private let text: YAMLText
  private let events: YAMLEvents
  private(set) var faults: [YAMLError] = []
  /// Lines (from 0) that begin inside a quoted or block scalar, where tabs are content.
  private var insideScalars: [ClosedRange<Int>] = []
  /// Columns (from 0) of the block collections around the node at hand.
  private var indents: [Int] = []
  /// How many flow collections are open.
  private var flowDepth = 0

  init(_ text: YAMLText) {
    self.text = text
    events = YAMLEvents(text)
  }

  mutating func note(_ fault: YAMLError) {
    if faults.count < YAML.maximumFaults { faults.append(fault) }
  }

  /// The only document of the stream; an empty stream is null.
  mutating func document() throws(YAMLError) -> YAMLNode {
    var root: YAMLNode?
    while true {
      let event = try events.next()
      switch event.kind {
      case .streamStart, .documentEnd: break
      case .streamEnd:
        checkTabs()
        return root ?? YAMLNode(.scalar(YAMLScalar(text: "", isPlain: true, value: .null)), line: 1, column: 1)
      case .documentStart where root != nil:
        throw fault(event, "several documents in one file are not supported", "keep one document, without `---`")
      case .documentStart:
        checkDirectives(before: event)
        root = try node(try events.next(), depth: 1)
      default: throw fault(event, "unexpected structure", nil)
      }
    }
  }

  /// libyaml takes `%YAML 1.2#…` for a directive and a comment.
  private mutating func checkDirectives(before event: YAMLEvent) {
    for line in 0..<event.endLine {
      let source = text.line(line)
      guard source.first == UInt8(ascii: "%"), let mark = source.firstIndex(of: UInt8(ascii: "#")),
        source[mark - 1] != 0x20, source[mark - 1] != 0x09
      else { continue }
      note(
        YAMLError(
          line: line + 1, column: mark - source.startIndex + 1, "a comment without a space before it",
          text: text.excerpt(line: line, column: 0), remedy: "put a space before the '#'"))
    }
  }

  private func fault(_ event: YAMLEvent, _ what: String, _ remedy: String?) -> YAMLError {
    YAMLError(
      line: event.line + 1, column: event.column + 1, what,
      text: text.excerpt(line: event.line, column: event.column), remedy: remedy)
  }

  private mutating func node(_ event: YAMLEvent, depth: Int) throws(YAMLError) -> YAMLNode {
    guard depth <= YAML.maximumDepth else {
      throw fault(event, "nested deeper than \(YAML.maximumDepth) levels", nil)
    }
    if event.hasAnchor { note(fault(event, "anchors are not supported", "write the value out where it is used")) }
    switch event.kind {
    case .scalar(let content, let style):
      return node(.scalar(try scalar(event, content, style)), event)
    case .sequenceStart(let isFlow):
      checkTag(event, allowed: "seq")
      enter(event, isFlow)
      var items: [YAMLNode] = []
      while true {
        let next = try events.next()
        if case .sequenceEnd = next.kind {
          leave(event, next, isFlow)
          return node(.sequence(items), event)
        }
        items.append(try node(next, depth: depth + 1))
      }
    case .mappingStart(let isFlow):
      checkTag(event, allowed: "map")
      enter(event, isFlow)
      let (members, end) = try members(depth: depth)
      leave(event, end, isFlow)
      return node(.mapping(members), event)
    case .alias:
      note(fault(event, "aliases are not supported", "write the value out where it is used"))
      return node(.scalar(YAMLScalar(text: "", isPlain: true, value: .null)), event)
    default: throw fault(event, "unexpected structure", nil)
    }
  }

  private func node(_ content: YAMLNode.Content, _ event: YAMLEvent) -> YAMLNode {
    YAMLNode(content, line: event.line + 1, column: event.column + 1)
  }

  private mutating func enter(_ event: YAMLEvent, _ isFlow: Bool) {
    if isFlow { flowDepth += 1 } else { indents.append(event.column) }
  }

  private mutating func leave(_ start: YAMLEvent, _ end: YAMLEvent, _ isFlow: Bool) {
    guard isFlow else {
      indents.removeLast()
      return
    }
    flowDepth -= 1
    checkLines(of: start, until: end)
  }

  /// What libyaml lets pass in flow collections and quoted text: lines no deeper than the block around them, and a
  /// comment that touches what it follows.
  private mutating func checkLines(of start: YAMLEvent, until end: YAMLEvent) {
    if text.scalar(line: end.endLine, column: end.endColumn) == "#" {
      note(
        YAMLError(
          line: end.endLine + 1, column: end.endColumn + 1, "a comment without a space before it",
          text: text.excerpt(line: end.endLine, column: end.endColumn), remedy: "put a space before the '#'"))
    }
    guard flowDepth == 0, let indent = indents.last, end.endLine > start.line else { return }
    for line in start.line + 1...end.endLine {
      let source = text.line(line)
      let spaces = source.prefix { $0 == 0x20 }.count
      guard source.contains(where: { $0 != 0x20 && $0 != 0x09 }), spaces <= indent else { continue }
      note(
        YAMLError(
          line: line + 1, column: spaces + 1, "a line that is not indented deeper than the key it belongs to",
          text: text.excerpt(line: line, column: 0), remedy: "indent it by more than \(indent) spaces"))
      return
    }
  }

  private mutating func members(depth: Int) throws(YAMLError) -> (members: [YAMLMember], end: YAMLEvent) {
    var members: [YAMLMember] = []
    var lines: [[UInt8]: Int] = [:]
    while true {
      let event = try events.next()
      if case .mappingEnd = event.kind { return (members, event) }
      let key = try node(event, depth: depth + 1)
      let value = try node(try events.next(), depth: depth + 1)
      if flowDepth > 0, text.scalar(line: event.line, column: event.column - 1) == "?" {
        // libyaml takes `?x` in a flow collection for a key; YAML 1.2 takes it for text.
        note(fault(event, "'?' cannot begin a plain text here", "put the text in quotes"))
      }
      guard let scalar = key.scalar else {
        note(fault(event, "\(key.kindName) as a key is not supported", "use plain text as a key"))
        continue
      }
      if scalar.isPlain, scalar.text == "<<" {
        note(fault(event, "merge keys are not supported", "write the keys out"))
        continue
      }
      if let earlier = lines.updateValue(key.line, forKey: Array(scalar.text.utf8)) {
        note(
          YAMLError(
            line: key.line, column: key.column, "duplicate key '\(Problem.shortened(scalar.text))'",
            text: text.excerpt(line: event.line, column: event.column),
            remedy: "the key already stands in line \(earlier): keep one of them"))
        continue
      }
      members.append(YAMLMember(key: key, value: value))
    }
  }

  private mutating func scalar(
    _ event: YAMLEvent, _ content: String, _ style: YAMLEvent.Style
  ) throws(YAMLError) -> YAMLScalar {
    guard content.utf8.count <= YAML.maximumScalar else {
      throw fault(event, "a text larger than \(Quantity.describe(bytes: YAML.maximumScalar))", nil)
    }
    if style != .plain, event.endLine > event.line {
      // A block scalar ends at the start of the line behind it.
      let last = style == .block && event.endColumn == 0 ? event.endLine - 1 : event.endLine
      if last > event.line { insideScalars.append(event.line + 1...last) }
    }
    if style == .quoted { checkLines(of: event, until: event) }
    let text = text.restored(content)
    guard let tag = event.tag else {
      guard style == .plain else { return YAMLScalar(text: text, isPlain: false, value: .string(text)) }
      if let value = YAMLScalarType.value(text) { return YAMLScalar(text: text, isPlain: true, value: value) }
      note(
        fault(event, "a number that is infinite, undefined or too large", "write a finite number, or quote the text"))
      return YAMLScalar(text: text, isPlain: true, value: .null)
    }
    let plain = YAMLScalarType.value(text) ?? .string(text)
    let value: JSON? =
      switch (YAMLComposer.coreName(tag), plain) {
      case ("str", _), ("!", _): .string(text)
      case ("null", .null), ("bool", .bool): plain
      case ("int", .number(let number)) where Int(number.literal) != nil: plain
      case ("float", .number): plain
      default: nil
      }
    if value == nil { refuseTag(event, tag) }
    return YAMLScalar(text: text, isPlain: false, value: value ?? .string(text))
  }

  /// "str" of `tag:yaml.org,2002:str`, "!" of the non-specific tag; nil for custom tags.
  private static func coreName(_ tag: String) -> String? {
    let prefix = "tag:yaml.org,2002:"
    return tag == "!" ? "!" : tag.hasPrefix(prefix) ? String(tag.dropFirst(prefix.count)) : nil
  }

  private mutating func checkTag(_ event: YAMLEvent, allowed: String) {
    if let tag = event.tag, YAMLComposer.coreName(tag) != allowed, tag != "!" { refuseTag(event, tag) }
  }

  private mutating func refuseTag(_ event: YAMLEvent, _ tag: String) {
    guard let name = YAMLComposer.coreName(tag) else {
      return note(fault(event, "custom tags are not supported", "remove the tag \(Problem.shortened(tag))"))
    }
    let known = ["str", "null", "bool", "int", "float", "seq", "map"]
    note(
      known.contains(name)
        ? fault(event, "the value does not fit its tag !!\(name)", "remove the tag or correct the value")
        : fault(event, "the tag !!\(Problem.shortened(name)) is not supported", "remove the tag"))
  }

  /// Tabs that libyaml passes over although they stand in indentation.
  private mutating func checkTabs() {
    var skipped = insideScalars[...]
    for line in 0..<text.lineCount {
      while let range = skipped.first, range.upperBound < line { skipped = skipped.dropFirst() }
      if let range = skipped.first, range.contains(line) { continue }
      let source = text.line(line)
      let leading = source.prefix { $0 == 0x20 || $0 == 0x09 }
      guard leading.count < source.count, let tab = leading.firstIndex(of: 0x09) else { continue }
      note(YAMLText.tab(line: line, column: tab - source.startIndex, excerpt: text.excerpt(line: line, column: 0)))
    }
  }
}
