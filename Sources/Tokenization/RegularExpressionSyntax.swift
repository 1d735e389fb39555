/// Differences between the syntax of published patterns and PCRE2's.
enum RegularExpressionSyntax {
  /// `\s` and `\w` as their Unicode definitions (PCRE2's `\s` has U+180E besides, its `\w` lacks marks), `\h` as a
  /// hexadecimal digit, `\uHHHH`, and the class intersection `[A&&B]` as a look-ahead.
  static func translated(_ pattern: String) -> String {
    var result: [Unicode.Scalar] = []
    let scalars = Array(pattern.unicodeScalars)
    var index = 0
    var inClass = false
    var classStart = 0
    /// Open classes inside a class; without a negation they only add members.
    var nested = 0
    while index < scalars.count {
      let scalar = scalars[index]
      if scalar == "\\", index + 5 < scalars.count, scalars[index + 1] == "u",
        scalars[index + 2..<index + 6].allSatisfy(\.properties.isASCIIHexDigit)
      {
        result += "\\x{".unicodeScalars
        result += scalars[index + 2..<index + 6]
        result += "}".unicodeScalars
        index += 6
        continue
      }
      if scalar == "\\", index + 1 < scalars.count {
        result += escape(scalars[index + 1], inClass: inClass)
        index += 2
        continue
      }
      if scalar == "[", !inClass {
        inClass = true
        classStart = result.count
        result.append(scalar)
        if index + 1 < scalars.count, scalars[index + 1] == "^" {
          result.append("^")
          index += 1
        }
        if index + 1 < scalars.count, scalars[index + 1] == "]" {
          result += "\\]".unicodeScalars
          index += 1
        }
      } else if scalar == "[", inClass, !isPosixClass(scalars, index) {
        if index + 1 < scalars.count, scalars[index + 1] == "^" {
          result += "\\[".unicodeScalars
        } else {
          nested += 1
        }
      } else if scalar == "]", inClass, nested > 0, !endsPosixClass(scalars, index) {
        nested -= 1
      } else if scalar == "&", inClass, index + 2 < scalars.count, scalars[index + 1] == "&",
        let (second, end) = nestedClass(scalars, index + 2)
      {
        let first = result[classStart...] + ["]"]
        result.removeSubrange(classStart...)
        result += "(?:(?=".unicodeScalars
        result += translated(second).unicodeScalars
        result += ")".unicodeScalars
        result += first
        result += ")".unicodeScalars
        inClass = false
        index = end
        continue
      } else {
        if scalar == "]", !endsPosixClass(scalars, index) { inClass = false }
        result.append(scalar)
      }
      index += 1
    }
    var text = String.UnicodeScalarView()
    text.append(contentsOf: result)
    return String(text)
  }

  private static let space =
    "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
  private static let word = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
  /// Oniguruma counts these as `\\w` outside of classes, not inside.
  private static let latinNumbers = "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"

  private static func escape(_ letter: Unicode.Scalar, inClass: Bool) -> [Unicode.Scalar] {
    let text: String
    switch (letter, inClass) {
    case ("s", true): text = space
    case ("s", false): text = "[\(space)]"
    case ("S", false): text = "[^\(space)]"
    case ("w", true): text = word
    case ("w", false): text = "[\(word)\(latinNumbers)]"
    case ("W", false): text = "[^\(word)\(latinNumbers)]"
    case ("h", true): text = "0-9A-Fa-f"
    case ("h", false): text = "[0-9A-Fa-f]"
    default: return ["\\", letter]
    }
    return Array(text.unicodeScalars)
  }

  /// Whether `[:` stands at `index`.
  private static func isPosixClass(_ scalars: [Unicode.Scalar], _ index: Int) -> Bool {
    index + 1 < scalars.count && scalars[index + 1] == ":"
  }

  /// Whether the `]` at `index` ends a `[:name:]`.
  private static func endsPosixClass(_ scalars: [Unicode.Scalar], _ index: Int) -> Bool {
    guard index > 1, scalars[index - 1] == ":" else { return false }
    return scalars[..<(index - 1)].last { !$0.properties.isAlphabetic && $0 != "^" } == ":"
  }

  /// The operand of `&&` at `index`: a class of its own, which must end the outer class (`[A&&[B]]`), or the rest of the
  /// outer class (`[A&&B]`). Gives the operand as a class, and the index behind the outer class.
  private static func nestedClass(_ scalars: [Unicode.Scalar], _ index: Int) -> (String, Int)? {
    let nested = scalars[index] == "["
    var operand: [Unicode.Scalar] = nested ? [] : ["["]
    var position = index
    while position < scalars.count {
      let scalar = scalars[position]
      operand.append(scalar)
      position += 1
      if scalar == "\\", position < scalars.count {
        operand.append(scalars[position])
        position += 1
      } else if scalar == "]" {
        if nested {
          guard position < scalars.count, scalars[position] == "]" else { return nil }
          position += 1
        }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: operand)
        return (String(text), position)
      }
    }
    return nil
  }
}
