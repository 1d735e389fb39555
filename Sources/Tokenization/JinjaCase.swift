/// Python's case mappings and character classes, by Unicode's properties.
enum JinjaCase {
  static func upper(_ text: JinjaText) -> JinjaText {
    text.mapScalars { scalar, _ in scalar.properties.uppercaseMapping }
  }

  static func lower(_ text: JinjaText) -> JinjaText {
    let small = lowering(text)
    return text.mapScalars { scalar, index in small(scalar, index) }
  }

  /// The small form of a code point at its index: a capital sigma behind a letter and before none has its final form.
  private static func lowering(_ text: JinjaText) -> (Unicode.Scalar, Int) -> String {
    guard text.bytes.contains(0xCE) else { return { scalar, _ in scalar.properties.lowercaseMapping } }
    let scalars = text.scalars
    return { scalar, index in
      guard scalar == "\u{3A3}" else { return scalar.properties.lowercaseMapping }
      let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
      let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
      let isFinal = before?.properties.isCased ?? false && !(after?.properties.isCased ?? false)
      return isFinal ? "\u{3C2}" : "\u{3C3}"
    }
  }

  static func casefold(_ text: JinjaText) -> JinjaText {
    text.mapScalars { scalar, _ in
      scalar == "\u{DF}" || scalar == "\u{1E9E}" ? "ss" : scalar.properties.lowercaseMapping
    }
  }

  static func swapped(_ text: JinjaText) -> JinjaText {
    let small = lowering(text)
    return text.mapScalars { scalar, index in
      scalar.properties.isUppercase ? small(scalar, index) : scalar.properties.uppercaseMapping
    }
  }

  static func capitalized(_ text: JinjaText) -> JinjaText {
    let (first, rest) = split(text)
    return first.mapScalars { scalar, _ in scalar.properties.titlecaseMapping } + lower(rest)
  }

  /// The first code point, and the others.
  static func split(_ text: JinjaText) -> (first: JinjaText, rest: JinjaText) {
    guard !text.isEmpty else { return (text, text) }
    let length = text.scalar(at: 0).length
    return (text.bytes(0..<length), text.bytes(length..<text.bytes.count))
  }

  /// Python's `str.title`: a letter behind a letter is small, any other a title letter.
  static func titled(_ text: JinjaText) -> JinjaText {
    let small = lowering(text)
    var isInside = false
    return text.mapScalars { scalar, index in
      defer { isInside = scalar.properties.isCased }
      return isInside ? small(scalar, index) : scalar.properties.titlecaseMapping
    }
  }

  static func isLower(_ text: JinjaText) -> Bool {
    let cased = text.scalars.filter { $0.properties.isCased }
    return !cased.isEmpty && cased.allSatisfy { $0.properties.isLowercase }
  }

  static func isUpper(_ text: JinjaText) -> Bool {
    let cased = text.scalars.filter { $0.properties.isCased }
    return !cased.isEmpty && cased.allSatisfy { $0.properties.isUppercase }
  }

  static func isTitle(_ text: JinjaText) -> Bool {
    var (isInside, found) = (false, false)
    for scalar in text.scalars {
      let properties = scalar.properties
      if properties.isUppercase || properties.generalCategory == .titlecaseLetter {
        if isInside { return false }
        (isInside, found) = (true, true)
      } else if properties.isLowercase {
        if !isInside { return false }
        found = true
      } else {
        isInside = false
      }
    }
    return found
  }

  static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  static func isDecimal(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.generalCategory == .decimalNumber }
  static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.numericType == .decimal || scalar.properties.numericType == .digit
  }
  static func isNumeric(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.numericType != nil }
  static func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool { isLetter(scalar) || isNumeric(scalar) }
}
