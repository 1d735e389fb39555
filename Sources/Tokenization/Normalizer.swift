import Basics

/// What a tokenizer changes in a text before it looks for words.
struct Normalizer: Sendable {
  enum Step: Sendable {
    case unicode(UnicodeForm)
    case lowercase
    case strip(left: Bool, right: Bool)
    case stripAccents
    /// Puts this before a text that is not empty.
    case prepend([UInt8])
    case replace(TextPattern, [UInt8])
  }

  var steps: [Step] = []

  var isEmpty: Bool { steps.isEmpty }

  /// How many bytes may come of one.
  private static let mostGrowth = 64

  /// The bytes `range` of `view`, changed.
  func apply(_ view: TextView, _ range: Range<Int>, _ scratch: EncodingScratch) throws(TokenizerError) -> MappedText {
    var text = MappedText(view, range)
    for step in steps {
      text =
        try text.withView { (view: TextView) throws(TokenizerError) -> MappedText? in
          try Self.apply(step, view, scratch)
        } ?? text
      guard text.bytes.count <= range.count * Self.mostGrowth + 1 << 16 else {
        throw TokenizerError("the tokenizer's normalizer makes \(text.bytes.count) bytes of \(range.count)")
      }
    }
    return text
  }

  /// The normalised form of a piece of text on its own.
  func normalized(_ bytes: [UInt8], _ scratch: EncodingScratch) throws(TokenizerError) -> [UInt8] {
    let result = unsafe bytes.withUnsafeBufferPointer { buffer in
      Result { () throws(TokenizerError) -> [UInt8] in
        unsafe try apply(TextView(buffer), 0..<buffer.count, scratch).bytes
      }
    }
    return try result.get()
  }

  /// The text after one step; nil where it changes nothing.
  private static func apply(
    _ step: Step, _ view: TextView, _ scratch: EncodingScratch
  ) throws(TokenizerError) -> MappedText? {
    let all = 0..<view.count
    guard !all.isEmpty else { return nil }
    switch step {
    case .unicode(let form): return form.apply(view)
    case .lowercase: return lowercase(view)
    case .stripAccents:
      return mapScalars(view) { Unicode8.categoryMask($0) & Unicode8.Category.nonSpacingMark != 0 ? [] : nil }
    case .strip(let left, let right):
      let start = unsafe left ? Unicode8.spaceEnd(view.bytes, from: 0, to: view.count) : 0
      let end = unsafe right ? Unicode8.spaceStart(view.bytes, before: view.count, from: start) : view.count
      return MappedText(view, start..<end)
    case .prepend(let bytes):
      var text = MappedText()
      text.reserve(view.count + bytes.count)
      text.append(bytes, for: 0..<0, of: view)
      text.append(view, all)
      return text
    case .replace(let pattern, let content):
      var text = MappedText()
      text.reserve(view.count + view.count / 2)
      try pattern.walk(view, all, scratch) { (range, isMatch) throws(TokenizerError) in
        if isMatch {
          text.append(content, for: range, of: view)
        } else {
          text.append(view, range)
        }
      }
      return text
    }
  }

  private static func lowercase(_ view: TextView) -> MappedText {
    mapScalars(view) { value in
      if value < 0x80 { return (0x41...0x5A).contains(value) ? [UInt8(value + 0x20)] : nil }
      guard let scalar = Unicode.Scalar(value) else { return nil }
      return Array(scalar.properties.lowercaseMapping.utf8)
    }
  }

  /// Replaces each scalar by what `change` gives; nil keeps it.
  private static func mapScalars(_ view: TextView, _ change: (UInt32) -> [UInt8]?) -> MappedText {
    var text = MappedText()
    text.reserve(view.count)
    var index = 0
    while index < view.count {
      let (scalar, length) = unsafe Unicode8.scalar(view.bytes, at: index, to: view.count)
      if scalar != Unicode8.invalid, let new = change(scalar) {
        text.append(new, for: index..<index + length, of: view)
      } else {
        text.append(view, index..<index + length)
      }
      index += length
    }
    return text
  }
}
