/// A token that is found in the text before the model sees it.
struct AddedToken: Sendable, Equatable {
  var id: Int32
  /// The text that stands for it.
  var content: [UInt8]
  /// Marked as special in its file: left out when decoding skips specials.
  var isSpecial = false
  /// Recognised only where the policy allows control tokens; other added tokens are found everywhere.
  var isControl = false
  /// Found only where no word character touches it.
  var singleWord = false
  /// Takes the white space before it along.
  var stripsLeft = false
  /// Takes the white space behind it along.
  var stripsRight = false
  /// Looked for in the normalised text, in its own normalised form.
  var isNormalized = false

  /// Whether a spelling is one that only templates write: `<|…|>`, or DeepSeek's full-width form of it.
  ///
  /// Some published files forget to mark these as special.
  static func looksLikeControl(_ content: [UInt8]) -> Bool {
    func framed(_ open: String, _ close: String) -> Bool {
      content.count > open.utf8.count + close.utf8.count && content.starts(with: open.utf8)
        && content.suffix(close.utf8.count).elementsEqual(close.utf8)
    }
    return framed("<|", "|>") || framed("<\u{FF5C}", "\u{FF5C}>")
  }
}

/// The added tokens of one pass over the text: a byte trie, searched leftmost and longest first.
struct AddedTokenTrie: Sendable {
  private(set) var tokens: [AddedToken] = []
  /// Child node by parent node and byte.
  private var edges: [UInt64: UInt32] = [:]
  /// Index into `tokens` by node, -1 where no token ends.
  private var ends: [Int32] = [-1]
  /// Whether any token begins with the byte.
  private var begins = [Bool](repeating: false, count: 256)

  var isEmpty: Bool { tokens.isEmpty }

  /// Adds `token`, found where the text has `pattern`; the first token of a pattern stays.
  mutating func insert(_ token: AddedToken, pattern: [UInt8]) {
    guard let first = pattern.first else { return }
    var node: UInt32 = 0
    for byte in pattern {
      let key = UInt64(node) << 8 | UInt64(byte)
      if let next = edges[key] {
        node = next
      } else {
        let next = UInt32(ends.count)
        ends.append(-1)
        edges[key] = next
        node = next
      }
    }
    guard ends[Int(node)] < 0 else { return }
    ends[Int(node)] = Int32(tokens.count)
    tokens.append(token)
    begins[Int(first)] = true
  }

  /// A found token: its own bytes, and the bytes it takes with the white space that its flags strip.
  struct Match {
    let token: AddedToken
    let own: Range<Int>
    let taken: Range<Int>
  }

  /// Walks over `range` of `text`: every found token, and every stretch of text between them, in order.
  ///
  /// `allowed` says whether a control token may stand at a range of `text`.
  func walk<E: Error>(
    _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>,
    allowed: (Range<Int>) -> Bool, between: (Range<Int>) throws(E) -> Void, found: (Match) throws(E) -> Void
  ) throws(E) {
    var open = range.lowerBound
    var position = range.lowerBound
    while position < range.upperBound {
      guard unsafe begins[Int(text[position])] else {
        position += 1
        continue
      }
      guard let (token, end) = unsafe longest(text, position, range, open: open, allowed: allowed) else {
        position += 1
        continue
      }
      let own = position..<end
      position = end
      if token.singleWord, unsafe touchesWord(text, own, in: range) { continue }
      var taken = own
      if token.stripsLeft {
        let start = unsafe max(open, Unicode8.spaceStart(text, before: own.lowerBound, from: range.lowerBound))
        taken = start..<taken.upperBound
      }
      if token.stripsRight {
        taken = taken.lowerBound..<(unsafe Unicode8.spaceEnd(text, from: own.upperBound, to: range.upperBound))
      }
      if open < taken.lowerBound { try between(open..<taken.lowerBound) }
      try found(Match(token: token, own: own, taken: taken))
      open = taken.upperBound
      position = max(position, open)
    }
    if open < range.upperBound { try between(open..<range.upperBound) }
  }

  /// The longest permitted token that begins at `position`, with its end.
  private func longest(
    _ text: UnsafeBufferPointer<UInt8>, _ position: Int, _ range: Range<Int>, open: Int,
    allowed: (Range<Int>) -> Bool
  ) -> (AddedToken, Int)? {
    var node: UInt32 = 0
    var best: (AddedToken, Int)?
    var index = position
    while index < range.upperBound {
      guard let next = unsafe edges[UInt64(node) << 8 | UInt64(text[index])] else { break }
      node = next
      index += 1
      let token = ends[Int(node)]
      if token >= 0, !tokens[Int(token)].isControl || allowed(position..<index) {
        best = (tokens[Int(token)], index)
      }
    }
    return best
  }

  private func touchesWord(_ text: UnsafeBufferPointer<UInt8>, _ own: Range<Int>, in range: Range<Int>) -> Bool {
    if own.lowerBound > range.lowerBound {
      let before = unsafe Unicode8.scalar(text, before: own.lowerBound, from: range.lowerBound)
      if Unicode8.isWord(before) { return true }
    }
    if own.upperBound < range.upperBound {
      let after = unsafe Unicode8.scalar(text, at: own.upperBound, to: range.upperBound)
      if Unicode8.isWord(after.scalar) { return true }
    }
    return false
  }
}
