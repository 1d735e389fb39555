import Basics

/// What a normaliser replaces or a pre-tokenizer splits at.
indirect enum TextPattern: Sendable {
  case literal([UInt8])
  case expression(RegularExpression)
  /// Each character of a class.
  case characters(CharacterClass)
  /// The stretches between the matches of another pattern.
  case outside(TextPattern)

  /// A class of characters.
  enum CharacterClass: Sendable {
    case number
    case punctuation
    case space
    case scalar(UInt32)

    func contains(_ scalar: UInt32) -> Bool {
      switch self {
      case .number: Unicode8.isNumber(scalar)
      case .punctuation: Unicode8.isPunctuation(scalar)
      case .space: Unicode8.isSpace(scalar)
      case .scalar(let value): scalar == value
      }
    }
  }

  /// Walks over `range`: every match and every stretch between matches, in order; none is empty, except matches.
  func walk(
    _ view: TextView, _ range: Range<Int>, _ scratch: EncodingScratch,
    _ part: (Range<Int>, _ isMatch: Bool) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    switch self {
    case .literal(let bytes): try Self.walkLiteral(bytes, view, range, part)
    case .outside(let pattern):
      try pattern.walk(view, range, scratch) { (found, isMatch) throws(TokenizerError) in try part(found, !isMatch) }
    case .characters(let members): try Self.walkCharacters(members, view, range, part)
    case .expression(let expression):
      guard let bad = unsafe Unicode8.firstInvalid(view.bytes, range) else {
        return unsafe try Self.walkExpression(expression, view.bytes, range, scratch, part)
      }
      let valid = unsafe Self.withoutInvalid(view.bytes, range, from: bad)
      let result = unsafe valid.withUnsafeBufferPointer { buffer in
        Result { () throws(TokenizerError) in
          unsafe try Self.walkExpression(expression, buffer, 0..<buffer.count, scratch) {
            (found, isMatch) throws(TokenizerError) in
            try part(found.lowerBound + range.lowerBound..<found.upperBound + range.lowerBound, isMatch)
          }
        }
      }
      try result.get()
    }
  }

  /// The bytes `range`, with a control character in place of each invalid byte, so that places stay.
  private static func withoutInvalid(
    _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, from first: Int
  ) -> [UInt8] {
    var copy = unsafe Array(bytes[range])
    var bad = first
    while true {
      copy[bad - range.lowerBound] = 0x01
      guard let next = unsafe Unicode8.firstInvalid(bytes, bad + 1..<range.upperBound) else { return copy }
      bad = next
    }
  }

  private static func walkExpression(
    _ expression: RegularExpression, _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>,
    _ scratch: EncodingScratch, _ part: (Range<Int>, Bool) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    var open = range.lowerBound
    var position = range.lowerBound
    while position <= range.upperBound {
      guard let match = unsafe try expression.firstMatch(bytes, range, from: position, scratch.matcher) else { break }
      let start = max(match.lowerBound, open)
      let end = max(match.upperBound, start)
      if open < start { try part(open..<start, false) }
      try part(start..<end, true)
      open = end
      position = end
      if start == end {
        // An empty match: go on behind the next character.
        guard position < range.upperBound else { break }
        position += unsafe Unicode8.scalar(bytes, at: position, to: range.upperBound).length
      }
    }
    if open < range.upperBound { try part(open..<range.upperBound, false) }
  }

  private static func walkLiteral(
    _ literal: [UInt8], _ view: TextView, _ range: Range<Int>,
    _ part: (Range<Int>, Bool) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    var open = range.lowerBound
    var position = range.lowerBound
    guard let first = literal.first else {
      if !range.isEmpty { try part(range, false) }
      return
    }
    while position + literal.count <= range.upperBound {
      guard unsafe view.bytes[position] == first,
        unsafe view.bytes[position..<position + literal.count].elementsEqual(literal)
      else {
        position += 1
        continue
      }
      if open < position { try part(open..<position, false) }
      try part(position..<position + literal.count, true)
      position += literal.count
      open = position
    }
    if open < range.upperBound { try part(open..<range.upperBound, false) }
  }

  private static func walkCharacters(
    _ members: CharacterClass, _ view: TextView, _ range: Range<Int>,
    _ part: (Range<Int>, Bool) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    var open = range.lowerBound
    var position = range.lowerBound
    while position < range.upperBound {
      let (scalar, length) = unsafe Unicode8.scalar(view.bytes, at: position, to: range.upperBound)
      if members.contains(scalar) {
        if open < position { try part(open..<position, false) }
        try part(position..<position + length, true)
        open = position + length
      }
      position += length
    }
    if open < range.upperBound { try part(open..<range.upperBound, false) }
  }
}
