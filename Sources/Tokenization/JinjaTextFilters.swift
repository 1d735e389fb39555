/// Filters that make text of text.
extension JinjaRenderer {
  func textFilter(_ filter: JinjaFilter, _ value: JinjaValue, _ arguments: JinjaArguments)
    throws(JinjaFault) -> JinjaValue
  {
    let source = try text(of: value)
    try spend(text: source.bytes.count)
    let name = filter.rawValue
    switch filter {
    case .upper, .lower, .capitalize, .title, .striptags, .escape, .e, .forceescape, .wordcount:
      _ = try arguments.bound([], to: name)
      try spend(mapping: source)
      return try plainFilter(filter, source, value)
    case .string, .safe, .pprint:
      _ = try arguments.bound([], to: name)
      return try plainFilter(filter, source, value)
    case .trim:
      let given = try arguments.bound(["chars"], to: name)
      return .text(JinjaRenderer.stripped(source, try optionalText(given[0], name)))
    case .replace:
      let given = try arguments.bound(["old", "new", "count"], required: 2, to: name)
      let (old, new) = (try text(of: given[0] ?? .none), try text(of: given[1] ?? .none))
      var plain = source
      plain.isMarkup = false
      return .text(try replaced(plain, old, new, given[2]?.int ?? -1))
    case .indent: return .text(try indented(value, arguments))
    case .center:
      return try call(
        JinjaMethod("center", of: .text(source)),
        arguments.positional.isEmpty && arguments.keywords.isEmpty
          ? JinjaArguments(positional: [.int(80)]) : arguments)
    case .format:
      guard arguments.positional.isEmpty || arguments.keywords.isEmpty else {
        throw JinjaFault("can't handle positional and keyword arguments at the same time")
      }
      if arguments.keywords.isEmpty { return .text(try percentFormat(source, .tuple(arguments.positional))) }
      let dict = JinjaDict()
      for (name, value) in arguments.keywords { try dict.set(.text(JinjaText(name)), value) }
      return .text(try percentFormat(source, JinjaValue(.dict(dict))))
    case .truncate: return .text(try truncated(source, arguments))
    case .wordwrap: return .text(try wrapped(source, arguments))
    case .urlencode:
      _ = try arguments.bound([], to: name)
      return .text(try urlEncoded(value))
    default: throw JinjaFault("the filter '\(name)' is for web pages and not available in chat templates")
    }
  }

  private func plainFilter(_ filter: JinjaFilter, _ text: JinjaText, _ value: JinjaValue) throws(JinjaFault)
    -> JinjaValue
  {
    switch filter {
    case .safe:
      var result = text
      result.isMarkup = true
      return .text(result)
    case .escape, .e: return .text(JinjaRenderer.escaped(text))
    case .forceescape:
      var plain = text
      plain.isMarkup = false
      return .text(JinjaRenderer.escaped(plain))
    case .upper: return .text(JinjaCase.upper(text))
    case .lower: return .text(JinjaCase.lower(text))
    case .capitalize: return .text(JinjaCase.capitalized(text))
    case .title: return .text(JinjaRenderer.wordsTitled(text))
    case .pprint: return .text(try representation(of: value, .template))
    case .striptags: return .text(JinjaRenderer.withoutTags(text))
    case .wordcount:
      var (count, isInside) = (0, false)
      for scalar in text.scalars {
        let isWord = scalar == "_" || JinjaCase.isAlphanumeric(scalar)
        if isWord, !isInside { count += 1 }
        isInside = isWord
      }
      return .int(count)
    default: return .text(text)
    }
  }

  /// MarkupSafe's `escape`: text that is markup already stays.
  static func escaped(_ text: JinjaText) -> JinjaText {
    guard !text.isMarkup else { return text }
    var result = text.mapScalars { scalar, _ in
      switch scalar {
      case "&": "&amp;"
      case "<": "&lt;"
      case ">": "&gt;"
      case "'": "&#39;"
      case "\"": "&#34;"
      default: String(scalar)
      }
    }
    result.isMarkup = true
    return result
  }

  /// jinja2's `title`: what follows a space, hyphen or opening bracket begins a word.
  private static func wordsTitled(_ text: JinjaText) -> JinjaText {
    var isStart = true
    return text.mapScalars { scalar, _ in
      let separates = scalar.isPythonSpace || ["-", "(", "{", "[", "<"].contains(scalar)
      defer { isStart = separates }
      if separates { return String(scalar) }
      return isStart ? scalar.properties.uppercaseMapping : scalar.properties.lowercaseMapping
    }
  }

  private static func withoutTags(_ text: JinjaText) -> JinjaText {
    var result = JinjaText()
    var offset = 0
    while offset < text.bytes.count {
      if text.bytes[offset] == UInt8(ascii: "<"), let close = text.find([UInt8(ascii: ">")], from: offset) {
        offset = close + 1
        continue
      }
      let next = text.bytes[(offset + 1)...].firstIndex(of: UInt8(ascii: "<")) ?? text.bytes.count
      result.append(text.bytes(offset..<next))
      offset = next
    }
    var joined = JinjaText()
    for (index, word) in words(result, -1).enumerated() {
      if index > 0 { joined.append(" ") }
      joined.append(word)
    }
    return joined
  }

  private func indented(_ value: JinjaValue, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaText {
    guard case .text(let source) = value.kind else { throw badOperands("+", value, .text(JinjaText())) }
    let given = try arguments.bound(["width", "first", "blank"], to: "indent")
    var indent = JinjaText("    ")
    if let width = given[0] {
      if case .text(let text) = width.kind {
        indent = text
      } else {
        let width = try requiredInt(width, "indent")
        guard width <= 10_000 else { throw JinjaFault("an indent of \(width)") }
        indent = JinjaText(String(repeating: " ", count: max(0, width)))
      }
    }
    let (first, blank) = (given[1]?.isTrue ?? false, given[2]?.isTrue ?? false)
    let lines = JinjaRenderer.lines(source + JinjaText("\n"))
    try spend(text: source.bytes.count + lines.count * indent.bytes.count)
    var result = first ? indent : JinjaText()
    result.isMarkup = source.isMarkup
    for (index, line) in lines.enumerated() {
      if index > 0 {
        result.append("\n")
        if blank || !line.isEmpty { result.append(indent) }
      }
      result.append(line)
    }
    return result
  }

  private func truncated(_ text: JinjaText, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaText {
    let given = try arguments.bound(["length", "killwords", "end", "leeway"], to: "truncate")
    let (length, leeway) = (given[0]?.int ?? 255, given[3]?.int ?? 5)
    let end = try optionalText(given[2], "truncate") ?? JinjaText("...")
    guard length >= end.count, leeway >= 0 else { throw JinjaFault("truncate: expected length >= \(end.count)") }
    guard text.count > length + leeway else { return text }
    let cut = text.bytes(0..<text.scalarOffsets[length - end.count])
    if given[1]?.isTrue ?? false { return cut + end }
    return cut.bytes(0..<(cut.findLast([0x20]) ?? cut.bytes.count)) + end
  }

  /// Greedy wrapping of every line at white space; words longer than a line are broken.
  private func wrapped(_ text: JinjaText, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaText {
    let names = ["width", "break_long_words", "wrapstring", "break_on_hyphens"]
    let given = try arguments.bound(names, to: "wordwrap")
    let width = given[0]?.int ?? 79
    guard width > 0 else { throw JinjaFault("invalid width \(width) (must be > 0)") }
    let breaks = given[1]?.isTrue ?? true
    let newLine = try optionalText(given[2], "wordwrap") ?? JinjaText("\n")
    var result = JinjaText()
    for (number, line) in JinjaRenderer.lines(text).enumerated() {
      if number > 0 { result.append(newLine) }
      var column = 0
      for word in JinjaRenderer.words(line, -1) {
        var rest = word
        if column > 0, column + 1 + rest.count <= width {
          result.append(" ")
          column += 1
        } else if column > 0 {
          result.append(newLine)
          column = 0
        }
        while breaks, rest.count > width {
          let end = rest.scalarOffsets[width]
          result.append(rest.bytes(0..<end))
          result.append(newLine)
          rest = rest.bytes(end..<rest.bytes.count)
          try spend(text: rest.bytes.count)
        }
        result.append(rest)
        column += rest.count
      }
    }
    return result
  }

  private func urlEncoded(_ value: JinjaValue) throws(JinjaFault) -> JinjaText {
    switch value.kind {
    case .dict, .list, .tuple, .view:
      var result = JinjaText()
      let pairs: [JinjaValue]
      if case .dict(let dict) = value.kind {
        pairs = JinjaView(kind: .items, dict: dict, origin: value.origin).items
      } else {
        pairs = try iterate(value)
      }
      for (index, pair) in pairs.enumerated() {
        let parts = try iterate(pair)
        guard parts.count == 2 else { throw JinjaFault("urlencode needs pairs") }
        if index > 0 { result.append("&") }
        result.append(JinjaRenderer.percentEncoded(try text(of: parts[0]), isQuery: true))
        result.append("=")
        result.append(JinjaRenderer.percentEncoded(try text(of: parts[1]), isQuery: true))
      }
      return result
    default: return JinjaRenderer.percentEncoded(try text(of: value), isQuery: false)
    }
  }

  private static func percentEncoded(_ text: JinjaText, isQuery: Bool) -> JinjaText {
    text.mapScalars { scalar, _ in
      let isSafe =
        scalar.isASCII
        && (JinjaCase.isAlphanumeric(scalar) || "_.-~".unicodeScalars.contains(scalar) || scalar == "/" && !isQuery)
      if isSafe { return String(scalar) }
      if scalar == " ", isQuery { return "+" }
      return String(scalar).utf8.map { "%" + JinjaPython.padded(UInt32($0), 2).uppercased() }.joined()
    }
  }
}
