import Basics
import Synchronization

/// Text to token ids and back, as a published tokenizer defines it.
///
/// A text is encoded in four acts, as Hugging Face tokenizers does: added tokens are found, the text between them is
/// normalised, split into words, and each word is merged from its smallest parts. Text is bytes; bytes that are not
/// valid UTF-8 are encoded as they are where the vocabulary can spell them, and belong to no word class.
package final class Tokenizer: Sendable {
  let vocabulary: Vocabulary
  let added: [AddedToken]
  let normalizer: Normalizer
  let preTokenizer: PreTokenizer
  let model: BytePairModel
  let decoder: TokenDecoder
  let frame: TokenFrame
  /// The text of tokenizer.json, and the members of tokenizer_config.json.
  let document: [UInt8]
  let configuration: JSON

  /// Added tokens that are looked for in the text as it is, and those looked for in the normalised text.
  private let literals: AddedTokenTrie
  private let normalized: AddedTokenTrie
  private let isControl: Set<Int32>
  private let isLeftOut: Set<Int32>
  private let scratches = Mutex<[EncodingScratch]>([])

  /// The token that begins a text, if the model has one.
  package var bosID: Int32? { frame.bos }
  /// The token that ends a text.
  package var eosID: Int32? { frame.eos }
  /// The token that fills up a batch.
  package var padID: Int32? { frame.pad }
  /// The token for what can not be encoded.
  package var unknownID: Int32? { frame.unknown ?? model.unknownID }
  /// Whether `encode(bos: nil)` begins with the BOS.
  package var addsBOS: Bool { frame.bos != nil && frame.prefix.first == frame.bos }
  /// Whether `encode(bos: nil)` ends with the EOS.
  package var addsEOS: Bool { frame.eos != nil && frame.suffix.last == frame.eos }
  /// One more than the largest id.
  package var vocabularySize: Int { vocabulary.count }

  init(
    _ parts: TokenizerReader.Parts, document: [UInt8], configuration: JSON
  ) throws(TokenizerError) {
    vocabulary = parts.vocabulary
    added = parts.added
    normalizer = parts.normalizer
    preTokenizer = parts.preTokenizer
    model = parts.model
    decoder = parts.decoder
    frame = parts.frame
    self.document = document
    self.configuration = configuration
    var literals = AddedTokenTrie()
    var normalized = AddedTokenTrie()
    let scratch = EncodingScratch()
    for token in parts.added {
      if token.isNormalized {
        normalized.insert(token, pattern: try parts.normalizer.normalized(token.content, scratch))
      } else {
        literals.insert(token, pattern: token.content)
      }
    }
    self.literals = literals
    self.normalized = normalized
    isControl = Set(parts.added.filter(\.isControl).map(\.id))
    isLeftOut = Set(parts.added.filter(\.isSpecial).map(\.id))
  }

  // MARK: - Encoding

  /// Tokens of `text`, each with the bytes it stands for.
  ///
  /// - Parameters:
  ///   - specials: where the text may spell control tokens; content never should.
  ///   - bos: whether the BOS comes first; nil: as the tokenizer says, with whatever else its file adds, but never a
  ///     second BOS where the text spells one already.
  package func encode(
    _ text: [UInt8], specials: SpecialsPolicy = .text, bos: Bool? = nil
  ) throws(TokenizerError) -> [Token] {
    try encode(text, specials, bos) { $0 }
  }

  /// Ids of `text`; see `encode`.
  package func encodeIDs(
    _ text: [UInt8], specials: SpecialsPolicy = .text, bos: Bool? = nil
  ) throws(TokenizerError) -> [Int32] {
    try encode(text, specials, bos) { tokens in tokens.map(\.id) }
  }

  /// Longest text that one call encodes, in bytes.
  package static let longestText = 1 << 30

  /// Longest word that is merged, in bytes: bounds the memory that merging takes.
  static let longestWord = 1 << 24

  private func encode<T>(
    _ text: [UInt8], _ policy: SpecialsPolicy, _ bos: Bool?, _ result: ([Token]) -> T
  ) throws(TokenizerError) -> T {
    guard text.count <= Self.longestText else {
      throw TokenizerError(
        "the text is longer than \(Self.longestText) bytes", value: "\(text.count)", remedy: "encode it in parts")
    }
    let scratch = scratches.withLock { $0.popLast() } ?? EncodingScratch()
    defer {
      scratch.giveBackExcess()
      scratches.withLock { $0.append(scratch) }
    }
    scratch.tokens.removeAll(keepingCapacity: true)
    for id in prefix(bos) { scratch.tokens.append(Token(id: id, start: 0, end: 0)) }
    let added = scratch.tokens.count
    let allowed = AllowedRanges(policy)
    let done = unsafe text.withUnsafeBufferPointer { buffer in
      Result { () throws(TokenizerError) in unsafe try encode(buffer, allowed, scratch) }
    }
    try done.get()
    if bos == nil {
      if added == 1, addsBOS, scratch.tokens.count > 1, scratch.tokens[1].id == frame.bos {
        scratch.tokens.removeFirst()
      }
      for id in frame.suffix { scratch.tokens.append(Token(id: id, start: text.count, end: text.count)) }
    }
    return result(scratch.tokens)
  }

  private func prefix(_ bos: Bool?) -> [Int32] {
    switch bos {
    case nil: frame.prefix
    case true?: frame.bos.map { [$0] } ?? []
    case false?: []
    }
  }

  private func encode(
    _ text: UnsafeBufferPointer<UInt8>, _ allowed: AllowedRanges, _ scratch: EncodingScratch
  ) throws(TokenizerError) {
    let view = unsafe TextView(text)
    try literals.walk(
      view, 0..<text.count, allowed: allowed,
      between: { range throws(TokenizerError) in
        if normalizer.isEmpty { return try segment(view, range, allowed, scratch) }
        let text = try normalizer.apply(view, range, scratch)
        try text.withView { (view: TextView) throws(TokenizerError) in
          try segment(view, 0..<view.count, allowed, scratch)
        }
      },
      found: { match in append(match, view, scratch) })
  }

  /// Encodes normalised text in which no literal token stands.
  private func segment(
    _ view: TextView, _ range: Range<Int>, _ allowed: AllowedRanges, _ scratch: EncodingScratch
  ) throws(TokenizerError) {
    try normalized.walk(
      view, range, allowed: allowed,
      between: { range throws(TokenizerError) in try words(view, range, scratch) },
      found: { match in append(match, view, scratch) })
  }

  private func append(_ match: AddedTokenTrie.Match, _ view: TextView, _ scratch: EncodingScratch) {
    scratch.tokens.append(
      Token(
        id: match.token.id, start: view.start(match.taken.lowerBound), end: view.end(match.taken.upperBound - 1)))
  }

  private func words(_ view: TextView, _ range: Range<Int>, _ scratch: EncodingScratch) throws(TokenizerError) {
    try preTokenizer.words(view, range, scratch) { (view, range) throws(TokenizerError) in
      guard model.cutsAtWordMarks else { return try word(view, range, scratch) }
      var start = range.lowerBound
      while start < range.upperBound {
        let end = unsafe Self.markedWordEnd(view.bytes, start, range.upperBound)
        try word(view, start..<end, scratch)
        start = end
      }
    }
  }

  /// The end of the word marks at `start` and of what follows them up to the next mark.
  private static func markedWordEnd(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Int {
    func isMark(_ index: Int) -> Bool {
      unsafe bytes[index] == 0xE2 && index + 2 < end && bytes[index + 1] == 0x96 && bytes[index + 2] == 0x81
    }
    var position = start
    while position < end, isMark(position) { position += 3 }
    while position < end, !isMark(position) { position += 1 }
    return position
  }

  /// Appends the tokens of one word.
  @inline(__always)
  private func word(_ view: TextView, _ range: Range<Int>, _ scratch: EncodingScratch) throws(TokenizerError) {
    guard range.count <= WordCache.longest else {
      guard range.count <= Self.longestWord else {
        throw TokenizerError(
          "the tokenizer sees one word of more than \(Self.longestWord) bytes", value: "\(range.count)",
          remedy: "encode the text in parts")
      }
      return longWord(view, range, scratch)
    }
    let key = unsafe WordCache.Key(view.bytes, range)
    var start = range.lowerBound
    let known = scratch.cache.replay(key) { id in
      let end = start + Int(model.lengths[Int(id)])
      scratch.tokens.append(Token(id: id, start: view.start(start), end: view.end(end - 1)))
      start = end
    }
    if known { return }
    longWord(view, range, scratch)
    remember(key, range.count, scratch)
  }

  private func longWord(_ view: TextView, _ range: Range<Int>, _ scratch: EncodingScratch) {
    unsafe model.encode(UnsafeBufferPointer(rebasing: view.bytes[range]), &scratch.word)
    var start = range.lowerBound
    for index in 0..<scratch.word.count {
      let end = range.lowerBound + scratch.word.end(index)
      scratch.tokens.append(Token(id: scratch.word[index], start: view.start(start), end: view.end(end - 1)))
      start = end
    }
  }

  /// Keeps the word just encoded, if its tokens stand for exactly the bytes that their ids always stand for.
  private func remember(_ key: WordCache.Key, _ length: Int, _ scratch: EncodingScratch) {
    let count = scratch.word.count
    guard count > 0, count <= WordCache.mostTokens, scratch.word.end(count - 1) == length else { return }
    var start = 0
    for index in 0..<count {
      let end = scratch.word.end(index)
      guard end - start == Int(model.lengths[Int(scratch.word[index])]) else { return }
      start = end
    }
    scratch.cache.store(key, (0..<count).map { scratch.word[$0] })
  }

  /// The words that `text`, as content, is cut into before merging: ranges of `text`, in order.
  package func words(of text: [UInt8]) throws(TokenizerError) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    let scratch = EncodingScratch()
    let done = unsafe text.withUnsafeBufferPointer { buffer in
      Result { () throws(TokenizerError) in
        let text = try unsafe normalizer.apply(TextView(buffer), 0..<buffer.count, scratch)
        try text.withView { (view: TextView) throws(TokenizerError) in
          try preTokenizer.words(view, 0..<view.count, scratch) { (view, range) in
            ranges.append(view.start(range.lowerBound)..<view.end(range.upperBound - 1))
          }
        }
      }
    }
    try done.get()
    return ranges
  }

  // MARK: - Decoding

  /// The text of `ids`; unknown ids give nothing. Bytes are as the tokens have them: a text cut inside a character is
  /// incomplete UTF-8.
  package func decode(_ ids: [Int32], skipSpecials: Bool = false) -> [UInt8] {
    var text: [UInt8] = []
    for id in ids where !(skipSpecials && isLeftOut.contains(id)) { text += vocabulary.texts[Int(id)] }
    guard let strip = decoder.strip else { return text }
    return TokenDecoder.stripped(text, strip.byte, strip.start, strip.stop)
  }

  /// The bytes that a token stands for inside a text; nil where the vocabulary has no such id.
  package func token(_ id: Int32) -> [UInt8]? {
    vocabulary.texts.has(Int(id)) ? Array(vocabulary.texts[Int(id)]) : nil
  }

  /// The id of a token by the bytes it stands for, or by its spelling in the vocabulary.
  package func id(of piece: [UInt8]) -> Int32? {
    if let token = added.first(where: { $0.content == piece }) { return token.id }
    return (vocabulary.texts.number(of: piece) ?? vocabulary.names.number(of: piece)).map { Int32($0) }
  }

  /// The id of a token by its text.
  package func id(of piece: String) -> Int32? { id(of: Array(piece.utf8)) }

  /// Whether a token is a control token: one that content must not produce.
  package func isSpecial(_ id: Int32) -> Bool { isControl.contains(id) }

  /// Ids at which generation ends: the EOS, and what published models end a turn with.
  package var endIDs: [Int32] {
    let usual = [
      "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|end|>", "<end_of_turn>",
      "<|end_of_turn|>", "<｜end▁of▁sentence｜>", "<|return|>",
    ]
    var ids = frame.eos.map { [$0] } ?? []
    for token in added where usual.contains(where: { token.content.elementsEqual($0.utf8) }) {
      if !ids.contains(token.id) { ids.append(token.id) }
    }
    return ids
  }
}

/// Where control tokens may stand in the original text.
struct AllowedRanges {
  private enum Kind { case nowhere, everywhere, within }
  private let kind: Kind
  /// Disjoint, in order.
  private let ranges: [Range<Int>]

  init(_ policy: SpecialsPolicy) {
    switch policy {
    case .text:
      kind = .nowhere
      ranges = []
    case .parse:
      kind = .everywhere
      ranges = []
    case .within(let given):
      kind = .within
      var joined: [Range<Int>] = []
      for range in given.filter({ !$0.isEmpty }).sorted(by: { $0.lowerBound < $1.lowerBound }) {
        if let last = joined.last, range.lowerBound < last.upperBound {
          joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
        } else {
          joined.append(range)
        }
      }
      ranges = joined
    }
  }

  /// Whether one range holds all of `start..<end`.
  func contains(_ start: Int, _ end: Int) -> Bool {
    switch kind {
    case .nowhere: return false
    case .everywhere: return true
    case .within:
      var low = 0
      var high = ranges.count
      while low < high {
        let middle = (low + high) / 2
        if ranges[middle].lowerBound <= start { low = middle + 1 } else { high = middle }
      }
      return low > 0 && end <= ranges[low - 1].upperBound
    }
  }
}
