import Basics

/// How a tokenizer cuts a text into words, which are then encoded one by one.
struct PreTokenizer: Sendable {
  enum Step: Sendable {
    /// A published pattern that has a scanner of its own; all its matches are words.
    case scan(WordScanner)
    case split(TextPattern, SplitBehavior)
    /// `\w+|[^\w\s]+`, white space left out.
    case words
    /// Puts a space before a piece that does not begin with one.
    case prefixSpace
    /// SentencePiece's way: spaces become a mark, which may also be put before the text.
    case metaspace(mark: [UInt8], prepend: Prepend, splits: Bool)
  }

  /// When a word mark is put before a piece.
  enum Prepend: String, Sendable { case always, first, never }

  var steps: [Step] = []

  /// Calls `word` with each word of `range`, in order.
  func words(
    _ view: TextView, _ range: Range<Int>, _ scratch: EncodingScratch,
    _ word: (TextView, Range<Int>) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    try run(0, view, range, scratch, word)
  }

  /// Runs the steps from `index` on over one piece.
  private func run(
    _ index: Int, _ view: TextView, _ range: Range<Int>, _ scratch: EncodingScratch,
    _ word: (TextView, Range<Int>) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    guard !range.isEmpty else { return }
    guard index < steps.count else { return try word(view, range) }
    switch steps[index] {
    case .scan(let scanner):
      var position = range.lowerBound
      while position < range.upperBound {
        let end = unsafe scanner.end(view.bytes, position, range.upperBound)
        try run(index + 1, view, position..<end, scratch, word)
        position = end
      }
    case .split(let pattern, let behavior):
      var merger = SplitMerger(behavior)
      try pattern.walk(view, range, scratch) { (part, isMatch) throws(TokenizerError) in
        if let piece = merger.next(part, isMatch) { try run(index + 1, view, piece, scratch, word) }
      }
      if let piece = merger.finish() { try run(index + 1, view, piece, scratch, word) }
    case .words:
      var position = range.lowerBound
      while position < range.upperBound {
        let (end, isSpace) = unsafe Self.wordEnd(view.bytes, position, range.upperBound)
        if !isSpace { try run(index + 1, view, position..<end, scratch, word) }
        position = end
      }
    case .prefixSpace:
      if unsafe view.bytes[range.lowerBound] == 0x20 { return try run(index + 1, view, range, scratch, word) }
      var text = MappedText()
      text.append([0x20], for: range.lowerBound..<range.lowerBound, of: view)
      text.append(view, range)
      try text.withView { (view: TextView) throws(TokenizerError) in
        try run(index + 1, view, 0..<view.count, scratch, word)
      }
    case .metaspace(let mark, let prepend, let splits):
      let text = Self.marked(view, range, mark, prepend)
      try text.withView { (view: TextView) throws(TokenizerError) in
        guard splits else { return try run(index + 1, view, 0..<view.count, scratch, word) }
        var merger = SplitMerger(.mergedWithNext)
        try TextPattern.literal(mark).walk(view, 0..<view.count, scratch) { (part, isMatch) throws(TokenizerError) in
          if let piece = merger.next(part, isMatch) { try run(index + 1, view, piece, scratch, word) }
        }
        if let piece = merger.finish() { try run(index + 1, view, piece, scratch, word) }
      }
    }
  }

  /// The end of the run of word characters, of spaces or of others that begins at `start`.
  private static func wordEnd(
    _ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int
  ) -> (end: Int, isSpace: Bool) {
    func kind(_ scalar: UInt32) -> Int { Unicode8.isWord(scalar) ? 1 : Unicode8.isSpace(scalar) ? 0 : 2 }
    let first = unsafe Unicode8.scalar(bytes, at: start, to: end)
    let wanted = kind(first.scalar)
    var position = start + first.length
    while position < end {
      let next = unsafe Unicode8.scalar(bytes, at: position, to: end)
      guard kind(next.scalar) == wanted else { break }
      position += next.length
    }
    return (position, wanted == 0)
  }

  /// A piece with its spaces as marks.
  private static func marked(_ view: TextView, _ range: Range<Int>, _ mark: [UInt8], _ prepend: Prepend) -> MappedText {
    var text = MappedText()
    text.reserve(range.count + range.count / 2 + mark.count)
    let begins = unsafe view.bytes[range.lowerBound] == 0x20 || view.bytes[range].starts(with: mark)
    if !begins, prepend == .always || prepend == .first && view.start(range.lowerBound) == 0 {
      text.append(mark, for: range.lowerBound..<range.lowerBound, of: view)
    }
    var open = range.lowerBound
    for index in range where unsafe view.bytes[index] == 0x20 {
      text.append(view, open..<index)
      text.append(mark, for: index..<index + 1, of: view)
      open = index + 1
    }
    text.append(view, open..<range.upperBound)
    return text
  }
}

/// What becomes of the matches of a split.
enum SplitBehavior: String, Sendable {
  case removed = "Removed"
  case isolated = "Isolated"
  case mergedWithPrevious = "MergedWithPrevious"
  case mergedWithNext = "MergedWithNext"
  case contiguous = "Contiguous"
}

/// Puts the parts of a walk together as the behaviour says.
struct SplitMerger {
  private let behavior: SplitBehavior
  private var pending: Range<Int>?
  private var pendingIsMatch = false

  init(_ behavior: SplitBehavior) { self.behavior = behavior }

  /// Takes the next part; gives the piece that it completes, if it does.
  mutating func next(_ part: Range<Int>, _ isMatch: Bool) -> Range<Int>? {
    switch behavior {
    case .isolated: return part
    case .removed: return isMatch ? nil : part
    case .contiguous:
      if let open = pending, pendingIsMatch == isMatch {
        pending = open.lowerBound..<part.upperBound
        return nil
      }
      return replacePending(by: part, isMatch)
    case .mergedWithPrevious:
      // Only the first of several matches in a row joins what is before it.
      if let open = pending, isMatch, !pendingIsMatch {
        pending = open.lowerBound..<part.upperBound
        pendingIsMatch = true
        return nil
      }
      return replacePending(by: part, isMatch)
    case .mergedWithNext:
      if let open = pending, pendingIsMatch, !isMatch {
        pending = nil
        pendingIsMatch = false
        return open.lowerBound..<part.upperBound
      }
      if isMatch { return replacePending(by: part, true) }
      return part
    }
  }

  /// The last piece.
  mutating func finish() -> Range<Int>? {
    defer { pending = nil }
    return pending
  }

  private mutating func replacePending(by part: Range<Int>, _ isMatch: Bool) -> Range<Int>? {
    defer {
      pending = part
      pendingIsMatch = isMatch
    }
    return pending
  }
}
