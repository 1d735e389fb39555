import Basics

/// Text to token ids and back, as a published tokenizer defines it.
///
/// A text is encoded in four acts, as Hugging Face tokenizers does: added tokens are found, the text between them is
/// normalised, split into words, and each word is merged from its smallest parts. Text is bytes; bytes that are not
/// valid UTF-8 are encoded as they are where the vocabulary can spell them, and belong to no word class.
package final class Tokenizer: Sendable {
  /// The token that begins a text, if the model has one.
  package let bosID: Int32?
  /// The token that ends a text.
  package let eosID: Int32?
  /// The token that fills up a batch.
  package let padID: Int32?
  /// Whether `encode(bos: nil)` begins with the BOS.
  package let addsBOS: Bool
  /// One more than the largest id.
  package let vocabularySize: Int

  private let pieces: [[UInt8]]
  private let trie: AddedTokenTrie

  /// The built-in tokenizer that needs no file: id = byte for 0…255, then a few control tokens.
  package static let bytes = Tokenizer()

  private init() {
    let specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]
    var trie = AddedTokenTrie()
    var pieces = (0..<256).map { [UInt8($0)] }
    for (index, text) in specials.enumerated() {
      let content = Array(text.utf8)
      trie.insert(
        AddedToken(id: Int32(256 + index), content: content, isSpecial: true, isControl: true), pattern: content)
      pieces.append(content)
    }
    self.trie = trie
    self.pieces = pieces
    vocabularySize = pieces.count
    bosID = 256
    eosID = 256
    padID = 259
    addsBOS = false
  }

  /// Tokens of `text`, each with the bytes it stands for.
  ///
  /// - Parameters:
  ///   - specials: where the text may spell control tokens; content never should.
  ///   - bos: whether the BOS comes first; nil: as the tokenizer says (with whatever else its file adds), but never a
  ///     second one where the text spells one already.
  package func encode(
    _ text: [UInt8], specials: SpecialsPolicy = .text, bos: Bool? = nil
  ) throws(TokenizerError) -> [Token] {
    var tokens: [Token] = []
    if bos ?? addsBOS, let bosID { tokens.append(Token(id: bosID, start: 0, end: 0)) }
    unsafe text.withUnsafeBufferPointer { buffer in
      unsafe trie.walk(
        buffer, 0..<buffer.count,
        allowed: { range in
          switch specials {
          case .text: false
          case .parse: true
          case .within(let ranges):
            ranges.contains { $0.lowerBound <= range.lowerBound && range.upperBound <= $0.upperBound }
          }
        },
        between: { range in
          for index in range { unsafe tokens.append(Token(id: Int32(buffer[index]), start: index, end: index + 1)) }
        },
        found: { match in
          tokens.append(Token(id: match.token.id, start: match.taken.lowerBound, end: match.taken.upperBound))
        })
    }
    return tokens
  }

  /// Ids of `text`; see `encode`.
  package func encodeIDs(
    _ text: [UInt8], specials: SpecialsPolicy = .text, bos: Bool? = nil
  ) throws(TokenizerError) -> [Int32] {
    try encode(text, specials: specials, bos: bos).map(\.id)
  }

  /// The text of `ids`; unknown ids give nothing. A text cut inside a character gives incomplete UTF-8.
  package func decode(_ ids: [Int32], skipSpecials: Bool = false) -> [UInt8] {
    var text: [UInt8] = []
    for id in ids where !(skipSpecials && isSpecial(id)) { text += token(id) ?? [] }
    return text
  }

  /// The bytes that a token stands for; nil where the vocabulary has no such id.
  package func token(_ id: Int32) -> [UInt8]? {
    pieces.indices.contains(Int(id)) ? pieces[Int(id)] : nil
  }

  /// The id of a token by the bytes it stands for: an added token first, then a piece of the vocabulary.
  package func id(of piece: [UInt8]) -> Int32? {
    pieces.firstIndex(of: piece).map { Int32($0) }
  }

  /// The id of a token by its text.
  package func id(of piece: String) -> Int32? { id(of: Array(piece.utf8)) }

  /// Whether a token is a control token: one that content must not produce.
  package func isSpecial(_ id: Int32) -> Bool { id >= 256 && id < 260 }

  /// The tokenizer as the text of a Hugging Face tokenizer.json.
  package func tokenizerJSON() -> [UInt8] { [] }

  /// The text of a Hugging Face tokenizer_config.json, with the chat template if there is one.
  package func tokenizerConfigJSON(chatTemplate: String?) -> [UInt8] { [] }
}

extension Tokenizer {
  /// Reads the text of a tokenizer.json and, where there is one, of a tokenizer_config.json.
  package static func load(json: [UInt8], config: [UInt8]? = nil) throws(TokenizerError) -> Tokenizer {
    throw TokenizerError("not yet readable")
  }

  /// Reads the tokenizer files of a model folder.
  package static func load(folder: FilePath) throws(TokenizerError) -> Tokenizer {
    throw TokenizerError("not yet readable")
  }

  /// Builds the tokenizer that the metadata of a GGUF file describes.
  package static func load(gguf metadata: JSON.Object) throws(TokenizerError) -> Tokenizer {
    throw TokenizerError("not yet readable")
  }
}
