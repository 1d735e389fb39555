import Basics

/// Builds the merging model from a tokenizer.json's `model`, or from the scores of SentencePiece's pieces.
struct BytePairReader {
  let model: JSONField
  /// The model's own pieces, without tokens that are only added.
  let names: PieceTable
  /// One more than the largest id, of added tokens too.
  let idCount: Int
  let isByteLevel: Bool
  let scores: [Float]?
  /// Tokens that no merge may give.
  let controls: Set<Int32>
  /// Tokens that stand for their own spelling, not for bytes in GPT-2's alphabet.
  let literals: Set<Int32>

  func read() throws(TokenizerError) -> BytePairModel {
    try refuseWhatChangesWords()
    var unknown: Int32?
    if let field = model.optional("unk_token") {
      guard let id = names.number(of: try field.bytes()) else {
        throw TokenizerError(
          "the unknown token is no piece of the vocabulary", at: field.path, value: field.value.string)
      }
      unknown = Int32(id)
    }
    let fallsBack = try model.flag("byte_fallback", false)
    var characters = characterIDs(alsoInside: scores != nil)
    let merges: [Merge]
    if let scores {
      merges = Self.merges(of: names, scores: scores, characters: &characters, controls: controls)
    } else {
      merges = try listedMerges()
    }
    let table = FlatMap(capacity: merges.count)
    for merge in merges where !controls.contains(merge.result) {
      table.set(
        UInt64(UInt32(merge.left)) << 32 | UInt64(UInt32(merge.right)),
        UInt64(UInt32(merge.rank)) << 32 | UInt64(UInt32(merge.result)))
    }
    let characterTable = FlatMap(capacity: characters.count)
    for (scalar, id) in characters { characterTable.set(UInt64(scalar), UInt64(UInt32(id))) }
    let wholeWords = try model.flag("ignore_merges", false)
    return BytePairModel(
      alphabet: isByteLevel ? .bytes : .characters,
      byteIDs: isByteLevel || fallsBack ? byteIDs() : [Int32](repeating: -1, count: 256),
      characterIDs: characterTable, firstPseudo: Int32(idCount), merges: table, unknownID: unknown,
      fusesUnknown: try model.flag("fuse_unk", false), prefersWholeWords: wholeWords,
      wholeWords: wholeWords ? pieces() : PieceTable(), lengths: lengths(),
      cutsAtWordMarks: !isByteLevel && !wholeWords && canCut(merges, characters))
  }

  private func refuseWhatChangesWords() throws(TokenizerError) {
    if let field = model.optional("dropout"), field.value.double != 0 {
      throw TokenizerError(
        "dropout makes the same text give different tokens", at: field.path, value: field.value.text(),
        remedy: "set it to null")
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let field = model.optional(key), try !field.string().isEmpty {
        throw field.unsupported("a \(key)")
      }
    }
  }

  // MARK: - Symbols

  private func byteIDs() -> [Int32] {
    (0..<256).map { byte in
      let name: String
      if isByteLevel {
        name = ByteAlphabet.encoded([UInt8(byte)])
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        name = "<0x\(digits.count < 2 ? "0" : "")\(digits)>"
      }
      guard let id = names.number(of: name.utf8).map({ Int32($0) }) else { return -1 }
      // A literal "ø" is not the byte 0xF8, which that letter stands for.
      if isByteLevel, literals.contains(id), byte >= 0x80 || controls.contains(id) { return -1 }
      return id
    }
  }

  /// The pieces of one character, by scalar; with `alsoInside`, a number of its own for every other character in a piece.
  private func characterIDs(alsoInside: Bool) -> [UInt32: Int32] {
    guard !isByteLevel else { return [:] }
    var ids: [UInt32: Int32] = [:]
    var inside: [UInt32] = []
    for id in 0..<names.count where names.has(id) && !controls.contains(Int32(id)) {
      let scalars = String(decoding: names[id], as: UTF8.self).unicodeScalars
      if let scalar = scalars.first, scalars.count == 1 {
        ids[scalar.value] = Int32(id)
      } else if alsoInside, TokenDecoder.fallbackByte(names[id]) == nil {
        inside += scalars.map(\.value)
      }
    }
    var next = Int32(idCount)
    for scalar in inside where ids[scalar] == nil {
      ids[scalar] = next
      next += 1
    }
    return ids
  }

  /// Pieces as the words that they are.
  private func pieces() -> PieceTable {
    var pieces = PieceTable()
    for id in 0..<names.count where names.has(id) && !controls.contains(Int32(id)) {
      if !isByteLevel {
        pieces.set(id, names[id])
      } else if let bytes = ByteAlphabet.decoded(String(decoding: names[id], as: UTF8.self)) {
        pieces.set(id, bytes)
      }
    }
    return pieces
  }

  /// Bytes of a word that each piece stands for.
  private func lengths() -> [Int32] {
    (0..<names.count).map { id in
      let name = names[id]
      if isByteLevel { return Int32(String(decoding: name, as: UTF8.self).unicodeScalars.count) }
      return TokenDecoder.fallbackByte(name) == nil ? Int32(name.count) : 1
    }
  }

  // MARK: - Merges

  struct Merge {
    var left: Int32
    var right: Int32
    var rank: Int32
    var result: Int32
  }

  private func listedMerges() throws(TokenizerError) -> [Merge] {
    guard let field = model.optional("merges") else {
      throw TokenizerError("the field 'merges' is missing", at: model.path)
    }
    var merges: [Merge] = []
    let items = try field.items()
    merges.reserveCapacity(items.count)
    for (rank, item) in items.enumerated() {
      func fail(_ what: String) -> TokenizerError {
        TokenizerError(what, at: "\(field.path)[\(rank)]", value: item.text())
      }
      guard let (left, right) = Self.pair(item) else { throw fail("a merge must be two pieces") }
      guard let leftID = names.number(of: left), let rightID = names.number(of: right) else {
        throw fail("a merge of pieces that are not in the vocabulary")
      }
      guard let result = names.number(of: left + right) else {
        throw fail("a merge into a piece that is not in the vocabulary")
      }
      merges.append(Merge(left: Int32(leftID), right: Int32(rightID), rank: Int32(rank), result: Int32(result)))
    }
    return merges
  }

  /// Both pieces of a merge: `["a", "b"]`, or the older `"a b"`.
  private static func pair(_ item: JSON) -> (left: [UInt8], right: [UInt8])? {
    if let items = item.array {
      guard items.count == 2, let left = items[0].string, let right = items[1].string else { return nil }
      return (Array(left.utf8), Array(right.utf8))
    }
    guard let text = item.string else { return nil }
    let parts = text.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    return (Array(parts[0]), Array(parts[1]))
  }

  /// All ways to put a piece together from two others or from single characters, ranked by the piece's score.
  ///
  /// Pieces of equal score get equal ranks, so that the leftmost wins, as in SentencePiece.
  static func merges(
    of names: PieceTable, scores: [Float], characters: inout [UInt32: Int32], controls: Set<Int32>
  ) -> [Merge] {
    let ordered = Set(scores.filter { !$0.isNaN }).sorted(by: >)
    let ranks = Dictionary(ordered.enumerated().map { ($1, Int32($0)) }, uniquingKeysWith: { first, _ in first })
    func symbol(_ text: ArraySlice<UInt8>) -> Int32? {
      if let id = names.number(of: text), !controls.contains(Int32(id)) { return Int32(id) }
      let scalars = String(decoding: text, as: UTF8.self).unicodeScalars
      guard let first = scalars.first, scalars.count == 1 else { return nil }
      return characters[first.value]
    }
    var merges: [Merge] = []
    for id in 0..<min(names.count, scores.count) where names.has(id) && !controls.contains(Int32(id)) {
      let name = names[id]
      guard TokenDecoder.fallbackByte(name) == nil, name.count <= longestScored, let rank = ranks[scores[id]] else {
        continue
      }
      for cut in name.indices.dropFirst() where name[cut] & 0xC0 != 0x80 {
        guard let left = symbol(name[..<cut]), let right = symbol(name[cut...]) else { continue }
        merges.append(Merge(left: left, right: right, rank: rank, result: Int32(id)))
      }
    }
    return merges
  }

  /// Pieces longer than this many bytes are not merged to.
  private static let longestScored = 1024

  /// Whether no merge has a word mark behind another character, and the mark is a piece.
  private func canCut(_ merges: [Merge], _ characters: [UInt32: Int32]) -> Bool {
    guard let mark = characters[0x2581], Int(mark) < idCount else { return false }
    let width = BytePairModel.wordMark.count
    return merges.allSatisfy { merge in
      let name = names[Int(merge.result)]
      var seenOther = false
      var index = name.startIndex
      while index < name.endIndex {
        if name[index...].starts(with: BytePairModel.wordMark) {
          if seenOther { return false }
          index += width
        } else {
          seenOther = true
          index += 1
        }
      }
      return true
    }
  }
}
