/// How Python writes values: `str`, `repr`, and numbers.
enum JinjaPython {
  /// Python's `repr` of a double, which is also its `str`.
  static func format(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    // Swift's description has the shortest digits that round-trip, as Python's; only the layout differs.
    var text = "\(value.magnitude)"
    var exponent = 0
    if let mark = text.firstIndex(of: "e") {
      exponent = Int(text[text.index(after: mark)...]) ?? 0
      text = String(text[..<mark])
    }
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let whole = String(parts[0])
    let fraction = parts.count > 1 && parts[1] != "0" ? String(parts[1]) : ""
    var digits = whole + fraction
    // The value is 0.DIGITS times ten to the `point`.
    var point = whole.count + exponent
    while digits.hasPrefix("0"), digits.count > 1 {
      digits.removeFirst()
      point -= 1
    }
    if digits == "0" { point = 1 }
    while digits.hasSuffix("0"), digits.count > 1 { digits.removeLast() }
    return (value.sign == .minus ? "-" : "") + layout(digits, point)
  }

  private static func layout(_ digits: String, _ point: Int) -> String {
    let exponent = point - 1
    if exponent < -4 || exponent >= 16 {
      let size = exponent.magnitude < 10 ? "0\(exponent.magnitude)" : "\(exponent.magnitude)"
      let mantissa = digits.count > 1 ? digits.prefix(1) + "." + digits.dropFirst() : digits.prefix(1)
      return "\(mantissa)e\(exponent < 0 ? "-" : "+")\(size)"
    }
    if point <= 0 { return "0." + String(repeating: "0", count: -point) + digits }
    if digits.count <= point { return digits + String(repeating: "0", count: point - digits.count) + ".0" }
    return "\(digits.prefix(point)).\(digits.dropFirst(point))"
  }

  /// Whether Python's `repr` shows the code point as it is.
  static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .spaceSeparator: scalar == " "
    default: true
    }
  }

  /// Python's `repr` of a string, origins kept; the quotes count as `outer`, or as the string's own.
  static func quoted(_ text: JinjaText, _ outer: JinjaOrigin) -> JinjaText {
    let quote: Unicode.Scalar =
      text.bytes.contains(UInt8(ascii: "'")) && !text.bytes.contains(UInt8(ascii: "\"")) ? "\"" : "'"
    let frame = outer.joined(text.uniformOrigin ?? .template)
    var result = JinjaText(String(quote), frame)
    result.append(text.mapScalars { scalar, _ in escaped(scalar, quote) })
    result.append(String(quote), frame)
    return result
  }

  private static func escaped(_ scalar: Unicode.Scalar, _ quote: Unicode.Scalar) -> String {
    switch scalar {
    case quote, "\\": return "\\" + String(scalar)
    case "\n": return "\\n"
    case "\r": return "\\r"
    case "\t": return "\\t"
    default: break
    }
    if isPrintable(scalar) { return String(scalar) }
    let (mark, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
    return "\\" + mark + padded(scalar.value, width)
  }

  static func padded(_ value: UInt32, _ width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}

extension JinjaRenderer {
  /// Python's `str` of a value.
  func text(of value: JinjaValue) throws(JinjaFault) -> JinjaText {
    switch value.kind {
    case .text(let text): return text
    case .undefined: return JinjaText()
    default:
      let result = try representation(of: value, .template)
      try spend(text: result.bytes.count)
      return result
    }
  }

  /// Python's `repr` of a value; `outer` is the origin of what surrounds it.
  func representation(of value: JinjaValue, _ outer: JinjaOrigin) throws(JinjaFault) -> JinjaText {
    try nested { () throws(JinjaFault) in
      try spend()
      let origin = value.origin.joined(outer)
      switch value.kind {
      case .undefined: return JinjaText("Undefined")
      case .none: return JinjaText("None", origin)
      case .bool(let flag): return JinjaText(flag ? "True" : "False", origin)
      case .int(let number): return JinjaText(String(number), origin)
      case .wide(let digits): return JinjaText(digits, origin)
      case .double(let number): return JinjaText(JinjaPython.format(number), origin)
      case .text(let text):
        let quoted = JinjaPython.quoted(text, outer)
        return text.isMarkup ? JinjaText("Markup(") + quoted + JinjaText(")") : quoted
      case .list(let items): return try series("[", items, "]", origin)
      case .tuple(let items): return try series("(", items, items.count == 1 ? ",)" : ")", origin)
      case .dict(let dict): return try representation(of: dict, origin)
      case .view(let view):
        let inner = try series("[", view.items, "]", origin)
        return JinjaText(view.kind.rawValue + "(") + inner + JinjaText(")")
      case .range(let range):
        return JinjaText("range(\(range.start), \(range.end)\(range.step == 1 ? "" : ", \(range.step)"))")
      case .namespace(let space):
        let dict = JinjaDict()
        for (name, value) in space.members { try dict.set(.text(name), value) }
        return JinjaText("<Namespace ") + (try representation(of: dict, origin)) + JinjaText(">")
      case .loop(let loop): return JinjaText("<LoopContext \(loop.index + 1)/\(loop.items.count)>")
      case .macro(let macro): return JinjaText("<Macro '\(macro.definition.name)'>")
      default: return JinjaText("<\(value.typeName)>")
      }
    }
  }

  private func series(_ open: String, _ items: [JinjaValue], _ close: String, _ origin: JinjaOrigin)
    throws(JinjaFault) -> JinjaText
  {
    var result = JinjaText(open, origin)
    for (index, item) in items.enumerated() {
      if index > 0 { result.append(", ", origin) }
      result.append(try representation(of: item, origin))
    }
    result.append(close, origin)
    return result
  }

  private func representation(of dict: JinjaDict, _ origin: JinjaOrigin) throws(JinjaFault) -> JinjaText {
    var result = JinjaText("{", origin)
    for (index, (key, value)) in zip(dict.keys, dict.values).enumerated() {
      if index > 0 { result.append(", ", origin) }
      result.append(try representation(of: key, origin))
      result.append(": ", origin)
      result.append(try representation(of: value, origin))
    }
    result.append("}", origin)
    return result
  }
}
