import Foundation

/// Sizes and durations as people write them.
package enum Quantity {
  /// Bytes of "6GiB", "512 MiB", "1.5GB", "4096"; nil for anything else, negative or beyond 2^53.
  package static func bytes(_ text: String) -> Int? {
    let units: [(String, Double)] = [
      ("kib", 0x1p10), ("mib", 0x1p20), ("gib", 0x1p30), ("tib", 0x1p40),
      ("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("tb", 1e12), ("b", 1), ("", 1),
    ]
    guard let value = scaled(text, units), value >= 0, value < 0x1p53 else { return nil }
    return Int(value.rounded())
  }

  /// Seconds of "12h", "30m", "1.5d", "90s", "250ms", "90"; nil for anything else.
  package static func seconds(_ text: String) -> Double? {
    scaled(text, [("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400), ("", 1)])
  }

  private static func scaled(_ text: String, _ units: [(String, Double)]) -> Double? {
    let lower = text.lowercased()
    let number = lower.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = lower[number.endIndex...].drop { $0 == " " }
    guard let value = Double(number), value.isFinite, let factor = units.first(where: { $0.0 == unit })?.1 else {
      return nil
    }
    return value * factor
  }

  /// "1.50 GiB", "12.0 MiB", "900 B".
  package static func describe(bytes: Int) -> String {
    let value = Double(bytes)
    switch abs(value) {
    case 0x1p30...: return fixed(value / 0x1p30, 2) + " GiB"
    case 0x1p20...: return fixed(value / 0x1p20, 1) + " MiB"
    case 0x1p10...: return fixed(value / 0x1p10, 1) + " KiB"
    default: return "\(bytes) B"
    }
  }

  /// "3 h 05 min", "12 min 03 s", "4.2 s".
  package static func describe(seconds: Double) -> String {
    guard seconds.isFinite else { return "?" }
    let whole = Int(min(seconds.rounded(), 1e15))
    if seconds < 60 { return fixed(seconds, 1) + " s" }
    if whole < 3600 { return "\(whole / 60) min \(padded(whole % 60)) s" }
    return "\(whole / 3600) h \(padded(whole % 3600 / 60)) min"
  }

  /// `value` with `digits` decimals, as printf's %.*f in the C locale.
  package static func fixed(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }

  private static func padded(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
