import Foundation

/// Python's `%` operator and `str.format`, for the conversions that text needs.
extension JinjaRenderer {
  /// One conversion: flags, width, precision and kind.
  private struct Conversion {
    var flags: Set<UInt8> = []
    var fill: JinjaText = JinjaText(" ")
    var alignment: UInt8?
    var width = 0
    var precision: Int?
    var kind: UInt8 = UInt8(ascii: "s")
  }

  func percentFormat(_ format: JinjaText, _ value: JinjaValue) throws(JinjaFault) -> JinjaText {
    var arguments: [JinjaValue] = [value]
    if case .tuple(let items) = value.kind { arguments = items }
    var next = 0
    var result = JinjaText()
    result.isMarkup = format.isMarkup
    let bytes = format.bytes
    var offset = 0
    while let percent = format.find([UInt8(ascii: "%")], from: offset) {
      result.append(format.bytes(offset..<percent))
      offset = percent + 1
      var given: JinjaValue?
      if offset < bytes.count, bytes[offset] == UInt8(ascii: "(") {
        guard let close = format.find([UInt8(ascii: ")")], from: offset) else {
          throw JinjaFault("incomplete format key")
        }
        guard case .dict(let dict) = value.kind else { throw JinjaFault("format requires a mapping") }
        let key = format.bytes(offset + 1..<close)
        guard let member = dict.value(key) else { throw JinjaFault("no value for the format key '\(key.string)'") }
        given = member
        offset = close + 1
      }
      var conversion = Conversion()
      try readPercent(bytes, &offset, &conversion)
      if conversion.kind == UInt8(ascii: "%") {
        result.append("%")
        continue
      }
      if given == nil {
        guard next < arguments.count else { throw JinjaFault("not enough arguments for format string") }
        given = arguments[next]
        next += 1
      }
      let piece = try converted(given ?? .none, conversion)
      result.append(format.isMarkup ? JinjaRenderer.escaped(piece) : piece)
      try spend(text: result.bytes.count)
    }
    result.append(format.bytes(min(offset, bytes.count)..<bytes.count))
    if case .tuple(let items) = value.kind, next < items.count {
      throw JinjaFault("not all arguments converted during string formatting")
    }
    switch value.kind {
    case .dict, .tuple, .list, .undefined: return result
    default: break
    }
    if next == 0 { throw JinjaFault("not all arguments converted during string formatting") }
    return result
  }

  private func readPercent(_ bytes: [UInt8], _ offset: inout Int, _ conversion: inout Conversion) throws(JinjaFault) {
    while offset < bytes.count, "#0- +".utf8.contains(bytes[offset]) {
      conversion.flags.insert(bytes[offset])
      offset += 1
    }
    conversion.width = try number(bytes, &offset) ?? 0
    if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
      offset += 1
      conversion.precision = try number(bytes, &offset) ?? 0
    }
    guard offset < bytes.count else { throw JinjaFault("incomplete format") }
    conversion.kind = bytes[offset]
    offset += 1
    if conversion.flags.contains(UInt8(ascii: "-")) {
      conversion.alignment = UInt8(ascii: "<")
    } else if conversion.flags.contains(UInt8(ascii: "0")), conversion.kind != UInt8(ascii: "s") {
      conversion.fill = JinjaText("0")
      conversion.alignment = UInt8(ascii: "=")
    } else {
      conversion.alignment = UInt8(ascii: ">")
    }
  }

  private func number(_ bytes: [UInt8], _ offset: inout Int) throws(JinjaFault) -> Int? {
    var result: Int?
    while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) {
      result = (result ?? 0) * 10 + Int(bytes[offset] - 0x30)
      guard result ?? 0 <= 100_000 else { throw JinjaFault("a format width beyond 100000") }
      offset += 1
    }
    return result
  }

  private func converted(_ value: JinjaValue, _ conversion: Conversion) throws(JinjaFault) -> JinjaText {
    var body: JinjaText
    switch conversion.kind {
    case UInt8(ascii: "s"), UInt8(ascii: "r"), UInt8(ascii: "a"):
      body =
        conversion.kind == UInt8(ascii: "s")
        ? try text(of: value) : try representation(of: value, .template)
      if let precision = conversion.precision, body.count > precision { body = try slice0(body, precision) }
    case UInt8(ascii: "c"):
      if let code = value.int, let scalar = Unicode.Scalar(UInt32(clamping: code)) {
        body = JinjaText(String(scalar), value.origin)
      } else {
        body = try text(of: value)
      }
    case UInt8(ascii: "d"), UInt8(ascii: "i"), UInt8(ascii: "u"), UInt8(ascii: "x"), UInt8(ascii: "X"),
      UInt8(ascii: "o"), UInt8(ascii: "b"):
      body = JinjaText(try whole(value, conversion), value.origin)
    default: body = JinjaText(try real(value, conversion), value.origin)
    }
    return aligned(body, conversion)
  }

  private func slice0(_ text: JinjaText, _ count: Int) throws(JinjaFault) -> JinjaText {
    text.bytes(0..<text.scalarOffsets[count])
  }

  private func sign(_ isNegative: Bool, _ conversion: Conversion) -> String {
    isNegative
      ? "-"
      : conversion.flags.contains(UInt8(ascii: "+")) ? "+" : conversion.flags.contains(UInt8(ascii: " ")) ? " " : ""
  }

  private func whole(_ value: JinjaValue, _ conversion: Conversion) throws(JinjaFault) -> String {
    var number = value.int
    if case .double(let double) = value.kind { number = Int(exactly: double.rounded(.towardZero)) }
    guard let number else {
      throw JinjaFault(
        "%\(Character(Unicode.Scalar(conversion.kind))) format: a number is required, not \(value.typeName)")
    }
    let radix: Int =
      switch conversion.kind {
      case UInt8(ascii: "x"), UInt8(ascii: "X"): 16
      case UInt8(ascii: "o"): 8
      case UInt8(ascii: "b"): 2
      default: 10
      }
    var digits = String(number.magnitude, radix: radix, uppercase: conversion.kind == UInt8(ascii: "X"))
    if conversion.flags.contains(UInt8(ascii: ",")) { digits = grouped(digits) }
    return sign(number < 0, conversion) + digits
  }

  private func grouped(_ digits: String) -> String {
    var result: [Character] = []
    for (index, digit) in digits.reversed().enumerated() {
      if index > 0, index % 3 == 0 { result.append(",") }
      result.append(digit)
    }
    return String(result.reversed())
  }

  private func real(_ value: JinjaValue, _ conversion: Conversion) throws(JinjaFault) -> String {
    let kinds = Array("eEfFgG%".utf8)
    guard kinds.contains(conversion.kind) else {
      throw JinjaFault("unsupported format character '\(Character(Unicode.Scalar(conversion.kind)))'")
    }
    guard var number = value.double else { throw JinjaFault("must be real number, not \(value.typeName)") }
    let isPercent = conversion.kind == UInt8(ascii: "%")
    if isPercent { number *= 100 }
    let precision = min(conversion.precision ?? 6, 300)
    let letter = isPercent ? "f" : String(Character(Unicode.Scalar(conversion.kind)))
    var digits = String(format: "%.\(precision)\(letter)", number.magnitude)
    if conversion.flags.contains(UInt8(ascii: ",")) {
      let parts = digits.split(separator: ".", maxSplits: 1)
      digits = grouped(String(parts[0])) + (parts.count > 1 ? "." + parts[1] : "")
    }
    return sign(number.sign == .minus, conversion) + digits + (isPercent ? "%" : "")
  }

  private func aligned(_ body: JinjaText, _ conversion: Conversion) -> JinjaText {
    let missing = conversion.width - body.count
    guard missing > 0 else { return body }
    func filling(_ count: Int) -> JinjaText {
      JinjaText(Array(repeatElement(conversion.fill.bytes, count: count).joined()))
    }
    switch conversion.alignment {
    case UInt8(ascii: "<"): return body + filling(missing)
    case UInt8(ascii: "^"): return filling(missing / 2) + body + filling(missing - missing / 2)
    case UInt8(ascii: "="):
      let isSigned = body.bytes.first.map { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") } ?? false
      let (sign, rest) = isSigned ? JinjaCase.split(body) : (JinjaText(), body)
      return sign + filling(missing) + rest
    default: return filling(missing) + body
    }
  }

  // MARK: str.format

  func format(_ format: JinjaText, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaText {
    var result = JinjaText()
    result.isMarkup = format.isMarkup
    let bytes = format.bytes
    var (offset, automatic) = (0, 0)
    while offset < bytes.count {
      let byte = bytes[offset]
      let isDouble = offset + 1 < bytes.count && bytes[offset + 1] == byte
      if byte == UInt8(ascii: "{"), !isDouble {
        guard let close = format.find([UInt8(ascii: "}")], from: offset) else {
          throw JinjaFault("expected '}' before end of string")
        }
        let piece = try field(format.bytes(offset + 1..<close), arguments, &automatic)
        result.append(format.isMarkup ? JinjaRenderer.escaped(piece) : piece)
        try spend(text: result.bytes.count)
        offset = close + 1
      } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") {
        guard isDouble else { throw JinjaFault("single '}' encountered in format string") }
        result.append(format.bytes(offset..<offset + 1))
        offset += 2
      } else {
        let next = bytes[offset...].firstIndex { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "}") } ?? bytes.count
        result.append(format.bytes(offset..<next))
        offset = next
      }
    }
    return result
  }

  private func field(_ text: JinjaText, _ arguments: JinjaArguments, _ automatic: inout Int) throws(JinjaFault)
    -> JinjaText
  {
    let parts = text.string.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let named = parts[0].split(separator: "!", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    var path = named[0].replacing("[", with: ".").replacing("]", with: "").split(
      separator: ".", omittingEmptySubsequences: false
    ).map(String.init)
    let head = path.removeFirst()
    var value: JinjaValue
    if head.isEmpty || Int(head) != nil {
      let index = Int(head) ?? automatic
      if head.isEmpty { automatic += 1 }
      guard arguments.positional.indices.contains(index) else {
        throw JinjaFault("no argument \(index) for the format")
      }
      value = arguments.positional[index]
    } else {
      guard let found = arguments.keywords.first(where: { $0.name == head }) else {
        throw JinjaFault("no argument '\(head)' for the format")
      }
      value = found.value
    }
    for name in path {
      value = try item(Int(name).map { .int($0) } ?? .text(JinjaText(name)), of: value)
    }
    if named.count > 1, named[1] == "r" { value = .text(try representation(of: value, .template)) }
    return try converted(value, try specification(parts.count > 1 ? parts[1] : "", value))
  }

  private func specification(_ text: String, _ value: JinjaValue) throws(JinjaFault) -> Conversion {
    var conversion = Conversion()
    var scalars = Array(text.unicodeScalars)
    let alignments: [Unicode.Scalar] = ["<", ">", "^", "="]
    if scalars.count > 1, alignments.contains(scalars[1]) {
      conversion.fill = JinjaText(String(scalars[0]))
      conversion.alignment = UInt8(ascii: scalars[1])
      scalars.removeFirst(2)
    } else if let first = scalars.first, alignments.contains(first) {
      conversion.alignment = UInt8(ascii: first)
      scalars.removeFirst()
    }
    let bytes = scalars.map { $0.isASCII ? UInt8(ascii: $0) : 0 }
    var offset = 0
    while offset < bytes.count, "+- #".utf8.contains(bytes[offset]) {
      conversion.flags.insert(bytes[offset])
      offset += 1
    }
    if offset < bytes.count, bytes[offset] == UInt8(ascii: "0"), conversion.alignment == nil {
      conversion.fill = JinjaText("0")
      conversion.alignment = UInt8(ascii: "=")
    }
    conversion.width = try number(bytes, &offset) ?? 0
    if offset < bytes.count, bytes[offset] == UInt8(ascii: ",") {
      conversion.flags.insert(bytes[offset])
      offset += 1
    }
    if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
      offset += 1
      conversion.precision = try number(bytes, &offset) ?? 0
    }
    let isNumber = value.double != nil && value.text == nil
    if offset < bytes.count {
      conversion.kind = bytes[offset]
    } else if isNumber, conversion.precision != nil {
      conversion.kind = UInt8(ascii: "g")
    } else if isNumber, conversion.flags.contains(UInt8(ascii: ",")), value.int != nil {
      conversion.kind = UInt8(ascii: "d")
    }
    if conversion.alignment == nil { conversion.alignment = UInt8(ascii: isNumber ? ">" : "<") }
    return conversion
  }
}
