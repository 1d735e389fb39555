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

  /// Walks over `range`: every found token, and every stretch of text between them, in order.
  ///
  /// Control tokens are found where `allowed` has all of their bytes.
  func walk(
    _ view: TextView, _ range: Range<Int>, allowed: AllowedRanges,
    between: (Range<Int>) throws(TokenizerError) -> Void, found: (Match) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    if isEmpty {
      if !range.isEmpty { try between(range) }
      return
    }
    var open = range.lowerBound
    var position = range.lowerBound
    while true {
      position = nextBeginning(view, position, range.upperBound)
      guard position < range.upperBound else { break }
      guard let (token, end) = longest(view, position, range.upperBound, allowed) else {
        position += 1
        continue
      }
      let own = position..<end
      position = end
      if token.singleWord, touchesWord(view, own, in: range) { continue }
      let taken = stripped(own, token, view, from: open, in: range)
      if open < taken.lowerBound { try between(open..<taken.lowerBound) }
      // All of a token's bytes may have gone to the one before it.
      if !taken.isEmpty { try found(Match(token: token, own: own, taken: taken)) }
      // White space that a token took along may still begin the next token, as in Hugging Face tokenizers.
      open = taken.upperBound
    }
    if open < range.upperBound { try between(open..<range.upperBound) }
  }

  /// The next place at or behind `start` where a token's first byte stands.
  private func nextBeginning(_ view: TextView, _ start: Int, _ end: Int) -> Int {
    unsafe begins.withUnsafeBufferPointer { begins in
      var position = start
      while position < end, unsafe !begins[Int(view.bytes[position])] { position += 1 }
      return position
    }
  }

  /// The longest permitted token that begins at `position`, with its end.
  private func longest(
    _ view: TextView, _ position: Int, _ end: Int, _ allowed: AllowedRanges
  ) -> (AddedToken, Int)? {
    var node: UInt32 = 0
    var best: (AddedToken, Int)?
    var index = position
    while index < end {
      guard let next = unsafe edges[UInt64(node) << 8 | UInt64(view.bytes[index])] else { break }
      node = next
      index += 1
      let token = ends[Int(node)]
      guard token >= 0 else { continue }
      if !tokens[Int(token)].isControl || allowed.contains(view.start(position), view.end(index - 1)) {
        best = (tokens[Int(token)], index)
      }
    }
    return best
  }

  /// A token's bytes with the white space that its flags take along.
  private func stripped(
    _ own: Range<Int>, _ token: AddedToken, _ view: TextView, from open: Int, in range: Range<Int>
  ) -> Range<Int> {
    var start = own.lowerBound
    var end = own.upperBound
    if token.stripsLeft {
      start = unsafe max(open, Unicode8.spaceStart(view.bytes, before: start, from: min(open, start)))
    }
    if token.stripsRight { end = unsafe Unicode8.spaceEnd(view.bytes, from: end, to: range.upperBound) }
    return start..<max(start, end)
  }

  private func touchesWord(_ view: TextView, _ own: Range<Int>, in range: Range<Int>) -> Bool {
    if own.lowerBound > range.lowerBound {
      let before = unsafe Unicode8.scalar(view.bytes, before: own.lowerBound, from: range.lowerBound)
      if Unicode8.isWord(before) { return true }
    }
    if own.upperBound < range.upperBound {
      let after = unsafe Unicode8.scalar(view.bytes, at: own.upperBound, to: range.upperBound)
      if Unicode8.isWord(after.scalar) { return true }
    }
    return false
  }
}
