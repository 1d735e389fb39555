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
  /// Appends the tokens of `word` to the scratch's symbols: ids, and where each ends, counted from the word's start.
  func encode(_ word: UnsafeBufferPointer<UInt8>, _ scratch: EncodingScratch) {
    scratch.symbols.removeAll(keepingCapacity: true)
    scratch.ends.removeAll(keepingCapacity: true)
    if prefersWholeWords, let id = unsafe wholeWords.number(of: word) {
      scratch.append(Int32(id), end: word.count)
      return
    }
    switch alphabet {
    case .bytes: unsafe splitIntoBytes(word, scratch)
    case .characters: unsafe splitIntoCharacters(word, scratch)
    }
    if scratch.symbols.count > 1 {
      if scratch.symbols.count <= Self.longWord {
        scratch.mergeShort(merges)
      } else {
        scratch.mergeLong(merges)
      }
    }
    if alphabet == .characters { unsafe replacePseudo(word, scratch) }
  }

  /// Symbols from which a heap is quicker than searching the whole word for each merge.
  private static let longWord = 40

  private func splitIntoBytes(_ word: UnsafeBufferPointer<UInt8>, _ scratch: EncodingScratch) {
    var unknownEnd = -1
    for index in 0..<word.count {
      let id = unsafe byteIDs[Int(word[index])]
      if id >= 0 {
        scratch.append(id, end: index + 1)
      } else if let unknownID {
        appendUnknown(unknownID, index..<index + 1, &unknownEnd, scratch)
      }
    }
  }

  private func splitIntoCharacters(_ word: UnsafeBufferPointer<UInt8>, _ scratch: EncodingScratch) {
    var unknownEnd = -1
    var index = 0
    while index < word.count {
      let (scalar, length) = unsafe Unicode8.scalar(word, at: index, to: word.count)
      let end = index + length
      let found = scalar == Unicode8.invalid ? FlatMap.absent : characterIDs.value(of: UInt64(scalar))
      if found != FlatMap.absent {
        scratch.append(Int32(truncatingIfNeeded: found), end: end)
      } else if unsafe !appendBytes(word, index..<end, scratch), let unknownID {
        appendUnknown(unknownID, index..<end, &unknownEnd, scratch)
      }
      index = end
    }
  }

  /// Appends the byte tokens of `range`; false where the vocabulary lacks one of them.
  private func appendBytes(
    _ word: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ scratch: EncodingScratch
  ) -> Bool {
    for index in range where unsafe byteIDs[Int(word[index])] < 0 { return false }
    for index in range { unsafe scratch.append(byteIDs[Int(word[index])], end: index + 1) }
    return true
  }

  private func appendUnknown(_ id: Int32, _ range: Range<Int>, _ unknownEnd: inout Int, _ scratch: EncodingScratch) {
    if fusesUnknown, unknownEnd == range.lowerBound, !scratch.ends.isEmpty {
      scratch.ends[scratch.ends.count - 1] = Int32(range.upperBound)
    } else {
      scratch.append(id, end: range.upperBound)
    }
    unknownEnd = range.upperBound
  }

  /// Characters without a token of their own that no merge took up become bytes, or the unknown token.
  private func replacePseudo(_ word: UnsafeBufferPointer<UInt8>, _ scratch: EncodingScratch) {
    guard scratch.symbols.contains(where: { $0 >= firstPseudo }) else { return }
    let symbols = scratch.symbols
    let ends = scratch.ends
    scratch.symbols.removeAll(keepingCapacity: true)
    scratch.ends.removeAll(keepingCapacity: true)
    var start = 0
    var unknownEnd = -1
    for (id, end) in zip(symbols, ends) {
      if id < firstPseudo {
        scratch.append(id, end: Int(end))
      } else if unsafe !appendBytes(word, start..<Int(end), scratch), let unknownID {
        appendUnknown(unknownID, start..<Int(end), &unknownEnd, scratch)
      }
      start = Int(end)
    }
  }
}
