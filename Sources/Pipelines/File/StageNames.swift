import Basics

/// The names an author gives.
enum StageNames {
  /// Letters, digits, `_` and `-`; a letter or digit first: names become folders and parts of cell ids.
  static func isStageName(_ name: String) -> Bool {
    isName(name) { $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
  }

  /// As a stage's name, with `.` too.
  static func isPipelineName(_ name: String) -> Bool {
    isName(name) { $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
  }

  /// A name the shell takes for a variable.
  static func isVariable(_ name: String) -> Bool {
    guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
    return name.utf8.count <= 64 && name.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "_") }
  }

  private static func isName(_ name: String, _ others: (UInt8) -> Bool) -> Bool {
    guard let first = name.utf8.first, isAlphanumeric(first), name.utf8.count <= 64 else { return false }
    return name.utf8.allSatisfy { isAlphanumeric($0) || others($0) }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: false
    }
  }

  static let rule = "use a-z, A-Z, 0-9, '_' and '-', a letter or digit first, at most 64"

  /// The first character of a name that may not stand in it, by its code point where it cannot be seen.
  static func offender(_ name: String) -> String? {
    name.unicodeScalars.first { !$0.isASCII || !isAlphanumeric(UInt8($0.value)) && $0 != "_" && $0 != "-" }
      .map { $0.isASCII && $0.value > 0x20 ? "'\($0)'" : "U+" + String($0.value, radix: 16, uppercase: true) }
  }
}
