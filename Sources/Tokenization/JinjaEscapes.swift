/// The escapes of string constants, as Python's `unicode-escape` codec has them.
enum JinjaEscapes {
  /// `text` with its escapes replaced; nil when one is broken.
  static func decode(_ text: [UInt8]) -> [UInt8]? {
    guard text.contains(UInt8(ascii: "\\")) else { return text }
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      let byte = text[index]
      index += 1
      guard byte == UInt8(ascii: "\\") else {
        result.append(byte)
        continue
      }
      guard index < text.count else { return nil }
      let mark = text[index]
      index += 1
      switch mark {
      case 0x0A: break
      case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): result.append(mark)
      case UInt8(ascii: "a"): result.append(0x07)
      case UInt8(ascii: "b"): result.append(0x08)
      case UInt8(ascii: "f"): result.append(0x0C)
      case UInt8(ascii: "n"): result.append(0x0A)
      case UInt8(ascii: "r"): result.append(0x0D)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "v"): result.append(0x0B)
      case 0x30...0x37: octal(mark, text, &index, &result)
      case UInt8(ascii: "x"): guard hexadecimal(2, text, &index, &result) else { return nil }
      case UInt8(ascii: "u"): guard hexadecimal(4, text, &index, &result) else { return nil }
      case UInt8(ascii: "U"): guard hexadecimal(8, text, &index, &result) else { return nil }
      case UInt8(ascii: "N"): guard named(text, &index, &result) else { return nil }
      default: result += [byte, mark]
      }
    }
    return result
  }

  private static func append(_ code: UInt32, _ result: inout [UInt8]) -> Bool {
    guard let scalar = Unicode.Scalar(code), let encoded = UTF8.encode(scalar) else { return false }
    result += encoded
    return true
  }

  private static func octal(_ first: UInt8, _ text: [UInt8], _ index: inout Int, _ result: inout [UInt8]) {
    var code = UInt32(first - 0x30)
    var digits = 1
    while digits < 3, index < text.count, (0x30...0x37).contains(text[index]) {
      code = code * 8 + UInt32(text[index] - 0x30)
      index += 1
      digits += 1
    }
    _ = append(code, &result)
  }

  private static func hexadecimal(_ digits: Int, _ text: [UInt8], _ index: inout Int, _ result: inout [UInt8]) -> Bool {
    guard index + digits <= text.count else { return false }
    var code: UInt32 = 0
    for _ in 0..<digits {
      guard let digit = Character(Unicode.Scalar(text[index])).hexDigitValue, code < 1 << 28 else { return false }
      code = code << 4 | UInt32(digit)
      index += 1
    }
    return append(code, &result)
  }

  private static func named(_ text: [UInt8], _ index: inout Int, _ result: inout [UInt8]) -> Bool {
    guard index < text.count, text[index] == UInt8(ascii: "{"),
      let close = text[index...].firstIndex(of: UInt8(ascii: "}"))
    else { return false }
    let name = String(decoding: text[index + 1..<close], as: UTF8.self).uppercased()
    index = close + 1
    for code in UInt32(0)...0x1FFFF {
      if let scalar = Unicode.Scalar(code), scalar.properties.name == name || scalar.properties.nameAlias == name {
        return append(code, &result)
      }
    }
    return false
  }
}

extension Unicode.Scalar {
  /// Python's `str.isspace` for one code point.
  var isPythonSpace: Bool {
    switch value {
    case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
    default: false
    }
  }

  /// Where Python's `splitlines` ends a line.
  var isPythonLineEnd: Bool {
    switch value {
    case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }
}
