import Foundation

/// How Python turns values into numbers.
enum JinjaNumber {
  /// `int(value)`; nil where Python raises and `int(float(value))` does not help either.
  static func int(_ value: JinjaValue, base: Int) -> Int? {
    if let number = value.int { return number }
    if case .double(let number) = value.kind { return whole(number) }
    guard case .text(let text) = value.kind else { return nil }
    let plain = JinjaRenderer.stripped(text).string.filter { $0 != "_" }
    if (2...36).contains(base) {
      var digits = plain.lowercased()
      let isNegative = digits.hasPrefix("-")
      if isNegative || digits.hasPrefix("+") { digits.removeFirst() }
      let prefix = [16: "0x", 8: "0o", 2: "0b"][base]
      if let prefix, digits.hasPrefix(prefix) { digits.removeFirst(2) }
      if let number = Int((isNegative ? "-" : "") + digits, radix: base) { return number }
    }
    return double(value).flatMap(whole)
  }

  private static func whole(_ number: Double) -> Int? {
    number.isFinite ? Int(exactly: number.rounded(.towardZero)) : nil
  }

  /// `float(value)`; nil where Python raises.
  static func double(_ value: JinjaValue) -> Double? {
    if let number = value.double { return number }
    guard case .text(let text) = value.kind else { return nil }
    let plain = JinjaRenderer.stripped(text).string.lowercased()
    switch plain {
    case "inf", "+inf", "infinity", "+infinity": return .infinity
    case "-inf", "-infinity": return -.infinity
    case "nan", "+nan", "-nan": return .nan
    default: break
    }
    guard plain.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.e_".utf8.contains($0) }) else { return nil }
    let digits = plain.filter { $0 != "_" }
    return Double(digits.hasSuffix(".") ? digits + "0" : digits)
  }

  /// The filter `round`: banker's rounding of the exact decimal value, or up or down.
  static func round(_ value: JinjaValue, _ precision: Int, _ method: String) throws(JinjaFault) -> JinjaValue.Kind {
    guard ["common", "ceil", "floor"].contains(method) else {
      throw JinjaFault("method must be common, ceil or floor")
    }
    let precision = min(max(precision, -400), 400)
    if case .undefined(let undefined) = value.kind { throw JinjaFault(undefined.what) }
    guard let number = value.double else { throw JinjaFault("type \(value.typeName) doesn't define __round__ method") }
    if method != "common" {
      let scale = pow(10, Double(precision))
      let scaled = number * scale
      return .double((method == "ceil" ? scaled.rounded(.up) : scaled.rounded(.down)) / scale)
    }
    if let whole = value.int, precision >= 0 { return .int(whole) }
    guard number.isFinite else { return .double(number) }
    if precision >= 0 { return .double(Double(String(format: "%.\(min(precision, 300))f", number)) ?? number) }
    let scale = pow(10, Double(-precision))
    let rounded = (number / scale).rounded(.toNearestOrEven) * scale
    return value.int == nil ? .double(rounded) : Int(exactly: rounded).map { .int($0) } ?? .double(rounded)
  }

  static func fileSize(_ size: Double, isBinary: Bool) -> String {
    let base: Double = isBinary ? 1024 : 1000
    if size == 1 { return "1 Byte" }
    if size < base { return "\(whole(size) ?? 0) Bytes" }
    var unit = base
    let prefixes = ["k", "M", "G", "T", "P", "E", "Z", "Y"]
    for (index, prefix) in prefixes.enumerated() {
      unit *= base
      if size < unit || index == prefixes.count - 1 {
        let name = isBinary ? prefix.uppercased() + "iB" : prefix + "B"
        return String(format: "%.1f", base * size / unit) + " " + name
      }
    }
    return "\(size) Bytes"
  }
}
