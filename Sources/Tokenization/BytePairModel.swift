/// Byte pair encoding of one word: start from its smallest symbols, always merge the pair of the best rank, leftmost
/// first.
///
/// The ranks come from a list of merges (Hugging Face), or from the scores of pieces (SentencePiece). No merge gives a
/// control token, so no word can be encoded as one.
struct BytePairModel: Sendable {
  /// What a word is made of before merging.
  enum Alphabet: Sendable {
    /// Bytes.
    case bytes
    /// Characters, with tokens for bytes where a character has none (if the vocabulary has these).
    case characters
  }

  var alphabet: Alphabet
  /// The id of each byte: a byte-level vocabulary's symbol, or SentencePiece's `<0x0A>`; -1 where there is none.
  var byteIDs: [Int32]
  /// The id of each single character, by scalar. Ids at or above `firstPseudo` are characters that have no token of
  /// their own but occur inside pieces.
  var characterIDs: FlatMap
  var firstPseudo: Int32
  /// Rank << 32 | new id, by left id << 32 | right id.
  var merges: FlatMap
  /// The token for what can not be encoded; nil: it is left out.
  var unknownID: Int32?
  /// Whether neighbouring unknowns become one token.
  var fusesUnknown: Bool
  /// Whether a word that is a piece is that token, whatever merges would give.
  var prefersWholeWords: Bool
  /// Pieces in the form that words have, for `prefersWholeWords`.
  var wholeWords: PieceTable
  /// Bytes of a word that an id stands for; 0 where that differs (unknowns).
  var lengths: [Int32]
  /// Whether no merge joins a character to a following word mark (▁): text can be cut before each one.
  var cutsAtWordMarks: Bool

  /// The word mark of SentencePiece, U+2581.
  static let wordMark: [UInt8] = [0xE2, 0x96, 0x81]
}

extension BytePairModel {
  /// Puts the tokens of `word` into `symbols`: ids, and where each ends, counted from the word's start.
  func encode(_ word: UnsafeBufferPointer<UInt8>, _ symbols: inout WordSymbols) {
    symbols.begin(word.count)
    if prefersWholeWords, let id = unsafe wholeWords.number(of: word) {
      symbols.append(Int32(id), end: word.count)
      return
    }
    switch alphabet {
    case .bytes:
      unsafe splitIntoBytes(word, &symbols)
      symbols.merge(merges)
    case .characters:
      unsafe splitIntoCharacters(word, &symbols)
      symbols.merge(merges)
      unsafe replacePseudo(word, &symbols)
    }
  }

  private func splitIntoBytes(_ word: UnsafeBufferPointer<UInt8>, _ symbols: inout WordSymbols) {
    var unknownEnd = -1
    for index in 0..<word.count {
      let id = unsafe byteIDs[Int(word[index])]
      if id >= 0 {
        symbols.append(id, end: index + 1)
      } else if let unknownID {
        appendUnknown(unknownID, index..<index + 1, &unknownEnd, &symbols)
      }
    }
  }

  private func splitIntoCharacters(_ word: UnsafeBufferPointer<UInt8>, _ symbols: inout WordSymbols) {
    var unknownEnd = -1
    var index = 0
    while index < word.count {
      let (scalar, length) = unsafe Unicode8.scalar(word, at: index, to: word.count)
      let end = index + length
      let found = scalar == Unicode8.invalid ? FlatMap.absent : characterIDs.value(of: UInt64(scalar))
      if found != FlatMap.absent {
        symbols.append(Int32(truncatingIfNeeded: found), end: end)
      } else if unsafe !appendBytes(word, index..<end, &symbols), let unknownID {
        appendUnknown(unknownID, index..<end, &unknownEnd, &symbols)
      }
      index = end
    }
  }

  /// Appends the byte tokens of `range`; false where the vocabulary lacks one of them.
  private func appendBytes(
    _ word: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ symbols: inout WordSymbols
  ) -> Bool {
    for index in range where unsafe byteIDs[Int(word[index])] < 0 { return false }
    for index in range { unsafe symbols.append(byteIDs[Int(word[index])], end: index + 1) }
    return true
  }

  private func appendUnknown(
    _ id: Int32, _ range: Range<Int>, _ unknownEnd: inout Int, _ symbols: inout WordSymbols
  ) {
    if fusesUnknown, unknownEnd == range.lowerBound {
      symbols.extendLast(to: range.upperBound)
    } else {
      symbols.append(id, end: range.upperBound)
    }
    unknownEnd = range.upperBound
  }

  /// Characters without a token of their own that no merge took up become bytes, or the unknown token.
  private func replacePseudo(_ word: UnsafeBufferPointer<UInt8>, _ symbols: inout WordSymbols) {
    var index = 0
    while index < symbols.count, symbols[index] < firstPseudo { index += 1 }
    guard index < symbols.count else { return }
    var start = 0
    var unknownEnd = -1
    for (id, end) in symbols.removeAll() {
      if id < firstPseudo {
        symbols.append(id, end: end)
      } else if unsafe !appendBytes(word, start..<end, &symbols), let unknownID {
        appendUnknown(unknownID, start..<end, &unknownEnd, &symbols)
      }
      start = end
    }
  }
}
