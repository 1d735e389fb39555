import Basics

/// transformers' `tojson`: Python's `json.dumps` with its own defaults.
struct JinjaJSON {
  let renderer: JinjaRenderer
  let ensureASCII: Bool
  let indent: String?
  let itemSeparator: JinjaText
  let keySeparator: JinjaText
  let sortKeys: Bool

  init(_ renderer: JinjaRenderer, _ arguments: JinjaArguments) throws(JinjaFault) {
    self.renderer = renderer
    let given = try arguments.bound(["ensure_ascii", "indent", "separators", "sort_keys"], to: "tojson")
    ensureASCII = given[0]?.isTrue ?? false
    sortKeys = given[3]?.isTrue ?? false
    switch given[1]?.kind {
    case nil, .some(.none): indent = nil
    case .text(let text): indent = text.string
    default:
      guard let width = given[1]?.int else { throw JinjaFault("tojson: indent must be a number or a string") }
      guard width <= 1000 else { throw JinjaFault("tojson: indent of \(width) is too wide") }
      indent = String(repeating: " ", count: max(0, width))
    }
    if let separators = given[2], !separators.isNone {
      let pair = try renderer.iterate(separators)
      guard pair.count == 2, let item = pair[0].text, let key = pair[1].text else {
        throw JinjaFault("tojson: separators must be two strings")
      }
      (itemSeparator, keySeparator) = (item, key)
    } else {
      itemSeparator = JinjaText(indent == nil ? ", " : ",")
      keySeparator = JinjaText(": ")
    }
  }

  func text(of value: JinjaValue) throws(JinjaFault) -> JinjaText {
    var result = JinjaText()
    try write(value, .template, 0, &result)
    try renderer.spend(text: result.bytes.count)
    return result
  }

  private func write(_ value: JinjaValue, _ outer: JinjaOrigin, _ depth: Int, _ result: inout JinjaText)
    throws(JinjaFault)
  {
    try renderer.spend()
    guard depth <= JinjaRenderer.Limit.valueDepth, result.bytes.count <= JinjaRenderer.Limit.text else {
      throw JinjaFault("a value too large for tojson")
    }
    let origin = value.origin.joined(outer)
    switch value.kind {
    case .none: result.append("null", origin)
    case .bool(let flag): result.append(flag ? "true" : "false", origin)
    case .int(let number): result.append(String(number), origin)
    case .wide(let digits): result.append(digits, origin)
    case .double(let number): result.append(JinjaJSON.format(number), origin)
    case .text(let text): write(text, outer, &result)
    case .list(let items), .tuple(let items):
      try write(items.count, "[", "]", origin, depth, &result) { (index, result) throws(JinjaFault) in
        try write(items[index], origin, depth + 1, &result)
      }
    case .dict(let dict): try write(dict, origin, depth, &result)
    default: throw JinjaFault("Object of type \(value.typeName) is not JSON serializable")
    }
  }

  static func format(_ number: Double) -> String {
    number.isNaN ? "NaN" : number.isInfinite ? (number < 0 ? "-Infinity" : "Infinity") : JinjaPython.format(number)
  }

  private func write(_ dict: JinjaDict, _ origin: JinjaOrigin, _ depth: Int, _ result: inout JinjaText)
    throws(JinjaFault)
  {
    var members = Array(zip(dict.keys, dict.values))
    if sortKeys {
      members = try renderer.sorted(members, isReversed: false) { (member) throws(JinjaFault) in member.0 }
    }
    try write(members.count, "{", "}", origin, depth, &result) { (index, result) throws(JinjaFault) in
      let (key, value) = members[index]
      switch key.kind {
      case .text(let text): write(text, origin, &result)
      case .none, .bool, .int, .wide, .double:
        result.append("\"", origin)
        try write(key, origin, depth + 1, &result)
        result.append("\"", origin)
      default:
        throw JinjaFault("keys must be str, int, float, bool or None, not \(key.typeName)")
      }
      result.append(colored(keySeparator, origin))
      try write(value, origin, depth + 1, &result)
    }
  }

  private func colored(_ text: JinjaText, _ origin: JinjaOrigin) -> JinjaText {
    origin.isTemplate ? text : JinjaText(text.bytes, origin)
  }

  private func write(
    _ count: Int, _ open: String, _ close: String, _ origin: JinjaOrigin, _ depth: Int, _ result: inout JinjaText,
    _ item: (Int, inout JinjaText) throws(JinjaFault) -> Void
  ) throws(JinjaFault) {
    result.append(open, origin)
    for index in 0..<count {
      if index > 0 { result.append(colored(itemSeparator, origin)) }
      newLine(depth + 1, origin, &result)
      try item(index, &result)
    }
    if count > 0 { newLine(depth, origin, &result) }
    result.append(close, origin)
  }

  private func newLine(_ depth: Int, _ origin: JinjaOrigin, _ result: inout JinjaText) {
    guard let indent else { return }
    result.append("\n" + String(repeating: indent, count: depth), origin)
  }

  private func write(_ text: JinjaText, _ outer: JinjaOrigin, _ result: inout JinjaText) {
    let frame = outer.joined(text.uniformOrigin ?? .template)
    result.append("\"", frame)
    if text.bytes.contains(where: { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C || $0 >= 0x7F && ensureASCII }) {
      result.append(text.mapScalars { scalar, _ in escaped(scalar) })
    } else {
      result.append(text)
    }
    result.append("\"", frame)
  }

  private func escaped(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\"": return "\\\""
    case "\\": return "\\\\"
    case "\n": return "\\n"
    case "\r": return "\\r"
    case "\t": return "\\t"
    case "\u{8}": return "\\b"
    case "\u{C}": return "\\f"
    default: break
    }
    if scalar.value < 0x20 { return "\\u" + JinjaPython.padded(scalar.value, 4) }
    guard ensureASCII, scalar.value >= 0x7F else { return String(scalar) }
    return String(scalar).utf16.map { "\\u" + JinjaPython.padded(UInt32($0), 4) }.joined()
  }
}
