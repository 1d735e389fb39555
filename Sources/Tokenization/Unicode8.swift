import CUTF8Proc

/// Characters of UTF-8 text in a buffer. A byte that is part of no valid character counts as one character of its own.
enum Unicode8 {
  /// What stands for an invalid byte: no scalar, of no category.
  static let invalid: UInt32 = 0xFFFF_FFFF

  /// The scalar at `index` (which lies before `end`) and its length in bytes; an invalid byte has length 1.
  @inline(__always)
  static func scalar(
    _ text: UnsafeBufferPointer<UInt8>, at index: Int, to end: Int
  ) -> (scalar: UInt32, length: Int) {
    let first = unsafe text[index]
    if first < 0x80 { return (UInt32(first), 1) }
    return unsafe longScalar(text, at: index, to: end)
  }

  private static func longScalar(
    _ text: UnsafeBufferPointer<UInt8>, at index: Int, to end: Int
  ) -> (scalar: UInt32, length: Int) {
    let first = unsafe UInt32(text[index])
    func tail(_ offset: Int) -> UInt32? {
      guard index + offset < end else { return nil }
      let byte = unsafe UInt32(text[index + offset])
      return byte & 0xC0 == 0x80 ? byte & 0x3F : nil
    }
    switch first {
    case 0xC2..<0xE0:
      if let a = tail(1) { return ((first & 0x1F) << 6 | a, 2) }
    case 0xE0..<0xF0:
      if let a = tail(1), let b = tail(2) {
        let value = (first & 0x0F) << 12 | a << 6 | b
        if value >= 0x800, !(0xD800..<0xE000).contains(value) { return (value, 3) }
      }
    case 0xF0..<0xF5:
      if let a = tail(1), let b = tail(2), let c = tail(3) {
        let value = (first & 0x07) << 18 | a << 12 | b << 6 | c
        if (0x10000..<0x110000).contains(value) { return (value, 4) }
      }
    default: break
    }
    return (invalid, 1)
  }

  /// Where the first byte of `range` that is part of no valid character stands; nil: the text is valid UTF-8.
  static func firstInvalid(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Int? {
    let raw = UnsafeRawBufferPointer(text)
    var index = range.lowerBound
    while index < range.upperBound {
      if index + 8 <= range.upperBound,
        unsafe raw.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
      {
        index += 8
        continue
      }
      let next = unsafe scalar(text, at: index, to: range.upperBound)
      if next.scalar == invalid { return index }
      index += next.length
    }
    return nil
  }

  /// The scalar that ends before `index` (which lies behind `start`).
  static func scalar(_ text: UnsafeBufferPointer<UInt8>, before index: Int, from start: Int) -> UInt32 {
    unsafe text[scalarStart(text, before: index, from: start)] < 0x80
      ? UInt32(text[index - 1])
      : scalar(text, at: scalarStart(text, before: index, from: start), to: index).scalar
  }

  /// Where the scalar that ends before `index` begins.
  static func scalarStart(_ text: UnsafeBufferPointer<UInt8>, before index: Int, from start: Int) -> Int {
    var first = index - 1
    while first > start, index - first < 4, unsafe text[first] & 0xC0 == 0x80 { first -= 1 }
    let length = unsafe scalar(text, at: first, to: index).length
    return first + length == index ? first : index - 1
  }

  /// Where the white space that ends before `index` begins.
  static func spaceStart(_ text: UnsafeBufferPointer<UInt8>, before index: Int, from start: Int) -> Int {
    var position = index
    while position > start {
      let first = unsafe scalarStart(text, before: position, from: start)
      guard isSpace(unsafe scalar(text, at: first, to: position).scalar) else { break }
      position = first
    }
    return position
  }

  /// Where the white space that begins at `index` ends.
  static func spaceEnd(_ text: UnsafeBufferPointer<UInt8>, from index: Int, to end: Int) -> Int {
    var position = index
    while position < end {
      let next = unsafe scalar(text, at: position, to: end)
      guard isSpace(next.scalar) else { break }
      position += next.length
    }
    return position
  }

  /// Unicode's White_Space property.
  @inline(__always)
  static func isSpace(_ scalar: UInt32) -> Bool {
    if scalar < 0x80 { return scalar == 0x20 || (scalar >= 0x09 && scalar <= 0x0D) }
    switch scalar {
    case 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: return true
    default: return false
    }
  }

  /// General categories L*.
  @inline(__always)
  static func isLetter(_ scalar: UInt32) -> Bool {
    if scalar < 0x80 { return (scalar | 0x20) &- 0x61 < 26 }
    return categoryMask(scalar) & Category.letter != 0
  }

  /// General categories N*.
  @inline(__always)
  static func isNumber(_ scalar: UInt32) -> Bool {
    if scalar < 0x80 { return scalar &- 0x30 < 10 }
    return categoryMask(scalar) & Category.number != 0
  }

  /// General categories P*, and ASCII's punctuation of other categories.
  static func isPunctuation(_ scalar: UInt32) -> Bool {
    if scalar < 0x80 {
      return (0x21...0x2F).contains(scalar) || (0x3A...0x40).contains(scalar) || (0x5B...0x60).contains(scalar)
        || (0x7B...0x7E).contains(scalar)
    }
    return categoryMask(scalar) & Category.punctuation != 0
  }

  /// Letters, marks, digits and connecting punctuation: a regular expression's `\w`.
  static func isWord(_ scalar: UInt32) -> Bool {
    if categoryMask(scalar) & (Category.letter | Category.mark | Category.digit | Category.connector) != 0 {
      return true
    }
    // Symbols that Unicode calls alphabetic: letters in circles and squares.
    switch scalar {
    case 0x24B6...0x24E9, 0x1F130...0x1F149, 0x1F150...0x1F169, 0x1F170...0x1F189: return true
    default: return false
    }
  }

  /// Sets of general categories, one bit each in utf8proc's numbering.
  enum Category {
    static let letter: UInt32 = 0b11_1110
    static let mark: UInt32 = 0b1_1100_0000
    static let nonSpacingMark: UInt32 = 0b0_0100_0000
    static let number: UInt32 = 0b1110 << 8
    static let digit: UInt32 = 0b110 << 8
    static let connector: UInt32 = 1 << 12
    static let punctuation: UInt32 = 0b111_1111 << 12
    static let symbol: UInt32 = 0b1111 << 19
  }

  /// The bit of a scalar's general category; 0 for an invalid byte.
  static func categoryMask(_ scalar: UInt32) -> UInt32 {
    guard scalar < 0x110000 else { return 0 }
    return 1 << UInt32(utf8proc_category(utf8proc_int32_t(bitPattern: scalar)).rawValue)
  }
}
