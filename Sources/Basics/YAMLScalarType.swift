/// The types of plain scalars: the core schema of YAML 1.2 (section 10.3.2).
///
/// `no`, `yes`, `on`, `off`, `12:30`, `1_000` and dates are text; `012` is twelve; `1e-4`, `.5` and `1.` are numbers.
package enum YAMLScalarType {
  /// The value of a plain scalar; nil for numbers that have no finite form here: `.inf`, `.nan`, hexadecimal beyond
  /// 64 bits.
  package static func value(_ text: String) -> JSON? {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE": return .bool(true)
    case "false", "False", "FALSE": return .bool(false)
    default: break
    }
    let bytes = Array(text.utf8)
    guard let first = bytes.first, isDigit(first) || first == UInt8(ascii: ".") || isSign(first) else {
      return .string(text)
    }
    if bytes.count > 2, bytes[0] == UInt8(ascii: "0") {
      if let radix = bytes[1] == UInt8(ascii: "x") ? 16 : bytes[1] == UInt8(ascii: "o") ? 8 : nil,
        bytes[2...].allSatisfy({ digit($0, radix: radix) })
      {
        return UInt64(String(decoding: bytes[2...], as: UTF8.self), radix: radix)
          .map { .number(JSON.Number(literal: String($0))) }
      }
    }
    if isNonFinite(bytes) { return nil }
    return decimal(bytes).map { .number(JSON.Number(literal: $0)) } ?? .string(text)
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
  private static func isSign(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") }

  private static func digit(_ byte: UInt8, radix: Int) -> Bool {
    switch byte {
    case 0x30...0x37: true
    case 0x38, 0x39, 0x41...0x46, 0x61...0x66: radix == 16
    default: false
    }
  }

  private static func isNonFinite(_ bytes: [UInt8]) -> Bool {
    let signed = bytes.first.map(isSign) ?? false
    let body = String(decoding: signed ? bytes.dropFirst() : bytes[...], as: UTF8.self)
    return [".inf", ".Inf", ".INF"].contains(body) || (!signed && [".nan", ".NaN", ".NAN"].contains(body))
  }

  /// The literal in JSON's grammar of `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`; else nil.
  private static func decimal(_ bytes: [UInt8]) -> String? {
    var rest = bytes[...]
    var literal: [UInt8] = []
    if let sign = rest.first, isSign(sign) {
      if sign == UInt8(ascii: "-") { literal.append(sign) }
      rest = rest.dropFirst()
    }
    let whole = rest.prefix(while: isDigit)
    rest = rest.dropFirst(whole.count)
    let significant = whole.drop { $0 == UInt8(ascii: "0") }
    literal += significant.isEmpty ? [UInt8(ascii: "0")] : Array(significant)
    var fraction: ArraySlice<UInt8> = []
    if rest.first == UInt8(ascii: ".") {
      rest = rest.dropFirst()
      fraction = rest.prefix(while: isDigit)
      rest = rest.dropFirst(fraction.count)
      if !fraction.isEmpty { literal += [UInt8(ascii: ".")] + fraction }
    }
    guard !whole.isEmpty || !fraction.isEmpty else { return nil }
    if let mark = rest.first, mark == UInt8(ascii: "e") || mark == UInt8(ascii: "E") {
      rest = rest.dropFirst()
      literal.append(UInt8(ascii: "e"))
      if let sign = rest.first, isSign(sign) {
        literal.append(sign)
        rest = rest.dropFirst()
      }
      let exponent = rest.prefix(while: isDigit)
      guard !exponent.isEmpty else { return nil }
      literal += exponent
      rest = rest.dropFirst(exponent.count)
    }
    return rest.isEmpty ? String(decoding: literal, as: UTF8.self) : nil
  }
}
