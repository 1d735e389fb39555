/// Python's string methods.
extension JinjaRenderer {
  func call(_ name: String, on text: JinjaText, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaValue {
    try spend(text: text.bytes.count)
    switch name {
    case "upper", "lower", "title", "capitalize", "swapcase", "casefold":
      _ = try arguments.bound([], to: "str.\(name)()")
      try spend(mapping: text)
      return .text(JinjaRenderer.recased(name, text))
    case "strip", "lstrip", "rstrip":
      let given = try arguments.bound(["chars"], to: "str.\(name)()")
      let chars = try optionalText(given[0], "str.\(name)()")
      return .text(JinjaRenderer.stripped(text, chars, left: name != "rstrip", right: name != "lstrip"))
    case "split", "rsplit":
      let parts = try split(text, arguments, fromRight: name == "rsplit")
      try spend(parts.count)
      return .list(parts.map { .text($0) })
    case "splitlines":
      let given = try arguments.bound(["keepends"], to: "str.splitlines()")
      return .list(JinjaRenderer.lines(text, keepEnds: given[0]?.isTrue ?? false).map { .text($0) })
    case "startswith", "endswith": return .bool(try matches(text, arguments, atEnd: name == "endswith"))
    case "find", "rfind", "index", "rindex", "count": return .int(try search(name, text, arguments))
    case "replace":
      let given = try arguments.bound(["old", "new", "count"], required: 2, to: "str.replace()")
      let old = try requiredText(given[0], "str.replace()")
      return .text(try replaced(text, old, try requiredText(given[1], "str.replace()"), given[2]?.int ?? -1))
    case "join":
      let given = try arguments.bound(["iterable"], required: 1, to: "str.join()")
      return .text(try joined(text, try iterate(given[0] ?? .none)))
    case "removeprefix", "removesuffix":
      let given = try arguments.bound(["affix"], required: 1, to: "str.\(name)()")
      let affix = try requiredText(given[0], "str.\(name)()").bytes
      if affix.isEmpty { return .text(text) }
      if name == "removeprefix" {
        return .text(text.bytes.starts(with: affix) ? text.bytes(affix.count..<text.bytes.count) : text)
      }
      return .text(text.bytes.suffix(affix.count) == affix[...] ? text.bytes(0..<text.bytes.count - affix.count) : text)
    case "partition", "rpartition": return .tuple(try partition(text, arguments, last: name == "rpartition"))
    case "format": return .text(try format(text, arguments))
    case "center", "ljust", "rjust", "zfill", "expandtabs": return .text(try padded(name, text, arguments))
    default: return .bool(try classify(name, text, arguments))
    }
  }

  private static func recased(_ name: String, _ text: JinjaText) -> JinjaText {
    switch name {
    case "upper": JinjaCase.upper(text)
    case "lower": JinjaCase.lower(text)
    case "title": JinjaCase.titled(text)
    case "capitalize": JinjaCase.capitalized(text)
    case "swapcase": JinjaCase.swapped(text)
    default: JinjaCase.casefold(text)
    }
  }

  func requiredText(_ value: JinjaValue?, _ function: String) throws(JinjaFault) -> JinjaText {
    guard let value, case .text(let text) = value.kind else {
      throw JinjaFault("\(function): expected a string, got \(value?.typeName ?? "nothing")")
    }
    return text
  }

  func optionalText(_ value: JinjaValue?, _ function: String) throws(JinjaFault) -> JinjaText? {
    guard let value, !value.isNone else { return nil }
    return try requiredText(value, function)
  }

  func requiredInt(_ value: JinjaValue?, _ function: String) throws(JinjaFault) -> Int {
    guard let number = value?.int else {
      throw JinjaFault("\(function): expected a whole number, got \(value?.typeName ?? "nothing")")
    }
    return number
  }

  // MARK: Stripping and splitting

  static func stripped(_ text: JinjaText, _ chars: JinjaText? = nil, left: Bool = true, right: Bool = true) -> JinjaText
  {
    let set = chars.map { Set($0.scalars) }
    func goes(_ scalar: Unicode.Scalar) -> Bool { set?.contains(scalar) ?? scalar.isPythonSpace }
    var start = 0
    var end = text.bytes.count
    while left, start < end {
      let (scalar, length) = text.scalar(at: start)
      guard goes(scalar) else { break }
      start += length
    }
    while right, end > start {
      var previous = end - 1
      while previous > start, text.bytes[previous] & 0xC0 == 0x80 { previous -= 1 }
      guard goes(text.scalar(at: previous).scalar) else { break }
      end = previous
    }
    return text.bytes(start..<end)
  }

  private func split(_ text: JinjaText, _ arguments: JinjaArguments, fromRight: Bool) throws(JinjaFault) -> [JinjaText]
  {
    let given = try arguments.bound(["sep", "maxsplit"], to: "str.split()")
    let limit = given[1]?.int ?? -1
    guard let separator = try optionalText(given[0], "str.split()") else {
      return fromRight ? JinjaRenderer.words(text, fromRight: limit) : JinjaRenderer.words(text, limit)
    }
    guard !separator.isEmpty else { throw JinjaFault("empty separator") }
    return JinjaRenderer.split(text, separator.bytes, limit, fromRight: fromRight)
  }

  static func split(_ text: JinjaText, _ separator: [UInt8], _ limit: Int, fromRight: Bool) -> [JinjaText] {
    var parts: [JinjaText] = []
    var (start, end) = (0, text.bytes.count)
    if fromRight {
      while limit < 0 || parts.count < limit, let place = text.findLast(separator, from: 0, to: end) {
        parts.append(text.bytes(place + separator.count..<end))
        end = place
      }
      return [text.bytes(0..<end)] + parts.reversed()
    }
    while limit < 0 || parts.count < limit, let place = text.find(separator, from: start) {
      parts.append(text.bytes(start..<place))
      start = place + separator.count
    }
    return parts + [text.bytes(start..<end)]
  }

  /// `split()` without a separator: words between white space.
  static func words(_ text: JinjaText, _ limit: Int) -> [JinjaText] {
    var parts: [JinjaText] = []
    var offset = 0
    /// Moves over code points that are, or are not, white space.
    func skip(space: Bool) {
      while offset < text.bytes.count {
        let (scalar, length) = text.scalar(at: offset)
        guard scalar.isPythonSpace == space else { return }
        offset += length
      }
    }
    skip(space: true)
    while offset < text.bytes.count {
      let start = offset
      if limit >= 0, parts.count == limit { return parts + [text.bytes(start..<text.bytes.count)] }
      skip(space: false)
      parts.append(text.bytes(start..<offset))
      skip(space: true)
    }
    return parts
  }

  private static func words(_ text: JinjaText, fromRight limit: Int) -> [JinjaText] {
    let all = words(text, -1)
    guard limit >= 0, all.count > limit else { return all }
    // What is left of the last words: everything up to the end of the word before them, white space before it too.
    let body = stripped(text, left: false)
    let own = all[all.count - limit - 1].bytes.count
    guard let tail = words(body, all.count - limit - 1).last else { return all }
    return [body.bytes(0..<body.bytes.count - tail.bytes.count + own)] + all.suffix(limit)
  }

  static func lines(_ text: JinjaText, keepEnds: Bool = false) -> [JinjaText] {
    var parts: [JinjaText] = []
    var (start, offset) = (0, 0)
    while offset < text.bytes.count {
      let (scalar, length) = text.scalar(at: offset)
      guard scalar.isPythonLineEnd else {
        offset += length
        continue
      }
      var next = offset + length
      if scalar == "\r", next < text.bytes.count, text.bytes[next] == 0x0A { next += 1 }
      parts.append(text.bytes(start..<(keepEnds ? next : offset)))
      (start, offset) = (next, next)
    }
    if start < text.bytes.count { parts.append(text.bytes(start..<text.bytes.count)) }
    return parts
  }

  private func partition(_ text: JinjaText, _ arguments: JinjaArguments, last: Bool) throws(JinjaFault) -> [JinjaValue]
  {
    let given = try arguments.bound(["sep"], required: 1, to: "str.partition()")
    let separator = try requiredText(given[0], "str.partition()")
    guard !separator.isEmpty else { throw JinjaFault("empty separator") }
    guard let place = last ? text.findLast(separator.bytes) : text.find(separator.bytes) else {
      let empty = JinjaValue.text(JinjaText())
      return last ? [empty, empty, .text(text)] : [.text(text), empty, empty]
    }
    let end = place + separator.bytes.count
    return [text.bytes(0..<place), text.bytes(place..<end), text.bytes(end..<text.bytes.count)].map { .text($0) }
  }

  // MARK: Searching and replacing

  /// The byte window that code-point bounds `start` and `end` stand for; nil when `start` lies behind the text.
  private func window(_ text: JinjaText, _ start: JinjaValue?, _ end: JinjaValue?) -> Range<Int>? {
    guard start?.int != nil || end?.int != nil else { return 0..<text.bytes.count }
    let offsets = text.scalarOffsets
    let count = offsets.count - 1
    if let first = start?.int, first > count { return nil }
    let places = JinjaRenderer.places(count, start?.int, end?.int, 1)
    return offsets[places.start]..<offsets[places.start + places.count]
  }

  private func matches(_ text: JinjaText, _ arguments: JinjaArguments, atEnd: Bool) throws(JinjaFault) -> Bool {
    let name = atEnd ? "str.endswith()" : "str.startswith()"
    let given = try arguments.bound(["affix", "start", "end"], required: 1, to: name)
    guard let window = window(text, given[1], given[2]) else { return false }
    var affixes = [given[0] ?? .none]
    if case .tuple(let items) = affixes[0].kind { affixes = items }
    for affix in affixes {
      let affix = try requiredText(affix, name).bytes
      let part = text.bytes[window]
      if atEnd ? part.suffix(affix.count).elementsEqual(affix) : part.starts(with: affix) { return true }
    }
    return false
  }

  private func search(_ name: String, _ text: JinjaText, _ arguments: JinjaArguments) throws(JinjaFault) -> Int {
    let given = try arguments.bound(["sub", "start", "end"], required: 1, to: "str.\(name)()")
    let part = try requiredText(given[0], "str.\(name)()").bytes
    let window = window(text, given[1], given[2])
    if name == "count" {
      guard let window else { return 0 }
      return part.isEmpty ? text.bytes(window).count + 1 : count(part, text, window)
    }
    let isLast = name.hasPrefix("r")
    let found = window.flatMap { window in
      isLast
        ? text.findLast(part, from: window.lowerBound, to: window.upperBound)
        : text.find(part, from: window.lowerBound, to: window.upperBound)
    }
    guard let found else {
      if name.hasSuffix("index") { throw JinjaFault("substring not found") }
      return -1
    }
    return text.bytes(0..<found).count
  }

  private func count(_ part: [UInt8], _ text: JinjaText, _ window: Range<Int>) -> Int {
    var (count, start) = (0, window.lowerBound)
    while let place = text.find(part, from: start, to: window.upperBound) {
      count += 1
      start = place + part.count
    }
    return count
  }

  /// Python's `str.replace`; a negative `limit` replaces all.
  func replaced(_ text: JinjaText, _ old: JinjaText, _ new: JinjaText, _ limit: Int) throws(JinjaFault) -> JinjaText {
    let parts: [JinjaText]
    if old.isEmpty {
      let places = limit < 0 ? text.count + 1 : min(limit, text.count + 1)
      guard places > 0 else { return text }
      let characters = text.characters
      let singles = characters.prefix(places - 1)
      let rest = text.bytes(singles.reduce(0) { $0 + $1.bytes.count }..<text.bytes.count)
      parts = [text.bytes(0..<0)] + singles + [rest]
    } else {
      parts = JinjaRenderer.split(text, old.bytes, limit, fromRight: false)
    }
    try spend(parts.count)
    let (size, overflow) = new.bytes.count.multipliedReportingOverflow(by: parts.count)
    try spend(text: overflow ? .max : size + text.bytes.count)
    var result = JinjaText()
    result.isMarkup = text.isMarkup
    for (index, part) in parts.enumerated() {
      if index > 0 { result.append(text.isMarkup ? JinjaRenderer.escaped(new) : new) }
      result.append(part)
    }
    return result
  }

  /// `separator.join(items)` with strings only.
  private func joined(_ separator: JinjaText, _ items: [JinjaValue]) throws(JinjaFault) -> JinjaText {
    var result = JinjaText()
    result.isMarkup = separator.isMarkup
    for (index, item) in items.enumerated() {
      guard case .text(let text) = item.kind else {
        throw JinjaFault("sequence item \(index): expected str instance, \(item.typeName) found")
      }
      if index > 0 { result.append(separator) }
      result.append(separator.isMarkup ? JinjaRenderer.escaped(text) : text)
      try spend(text: result.bytes.count > Limit.text ? .max : text.bytes.count + separator.bytes.count)
    }
    return result
  }

  // MARK: Padding and classes

  private func padded(_ name: String, _ text: JinjaText, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaText {
    let function = "str.\(name)()"
    if name == "expandtabs" {
      let given = try arguments.bound(["tabsize"], to: function)
      return try expanded(
        text, try given[0].map { (value) throws(JinjaFault) in try requiredInt(value, function) } ?? 8)
    }
    let given = try arguments.bound(["width", "fillchar"], required: 1, to: function)
    let width = try requiredInt(given[0], function)
    let fill = name == "zfill" ? JinjaText("0") : try optionalText(given[1], function) ?? JinjaText(" ")
    guard fill.count == 1 else { throw JinjaFault("the fill character must be exactly one character long") }
    let missing = width - text.count
    guard missing > 0 else { return text }
    try spend(text: missing > Limit.text ? .max : missing * 4)
    func filling(_ count: Int) -> JinjaText {
      JinjaText(Array(repeatElement(fill.bytes, count: count).joined()), fill.dominantOrigin)
    }
    switch name {
    case "ljust": return text + filling(missing)
    case "rjust": return filling(missing) + text
    case "zfill":
      let isSigned = text.bytes.first == UInt8(ascii: "-") || text.bytes.first == UInt8(ascii: "+")
      let (sign, rest) = isSigned ? JinjaCase.split(text) : (JinjaText(), text)
      return sign + filling(missing) + rest
    default:
      let left = missing / 2 + (missing & width & 1)
      return filling(left) + text + filling(missing - left)
    }
  }

  private func expanded(_ text: JinjaText, _ size: Int) throws(JinjaFault) -> JinjaText {
    guard size <= 1024 else { throw JinjaFault("a tab of \(size) columns") }
    try spend(text: text.bytes.count * max(1, size))
    var column = 0
    return text.mapScalars { scalar, _ in
      if scalar == "\t" {
        let count = size > 0 ? size - column % size : 0
        column += count
        return String(repeating: " ", count: count)
      }
      column = scalar == "\n" || scalar == "\r" ? 0 : column + 1
      return String(scalar)
    }
  }

  private func classify(_ name: String, _ text: JinjaText, _ arguments: JinjaArguments) throws(JinjaFault) -> Bool {
    _ = try arguments.bound([], to: "str.\(name)()")
    let scalars = text.scalars
    func all(_ holds: (Unicode.Scalar) -> Bool) -> Bool { !scalars.isEmpty && scalars.allSatisfy(holds) }
    switch name {
    case "isalnum": return all(JinjaCase.isAlphanumeric)
    case "isalpha": return all(JinjaCase.isLetter)
    case "isascii": return text.isASCII
    case "isdecimal": return all(JinjaCase.isDecimal)
    case "isdigit": return all(JinjaCase.isDigit)
    case "isnumeric": return all(JinjaCase.isNumeric)
    case "isspace": return all(\.isPythonSpace)
    case "isprintable": return scalars.allSatisfy(JinjaPython.isPrintable)
    case "islower": return JinjaCase.isLower(text)
    case "isupper": return JinjaCase.isUpper(text)
    case "istitle": return JinjaCase.isTitle(text)
    case "isidentifier":
      return scalars.first.map { $0 == "_" || $0.properties.isXIDStart } ?? false
        && scalars.allSatisfy { $0.properties.isXIDContinue }
    default: throw JinjaFault("the string method '\(name)' is not available in templates")
    }
  }
}
