import Basics
import Tokenization

/// Small tokenizer files for tests, and the ids and words they give.
enum TokenizerFixtures {
  /// GPT-2's character for a byte.
  static func spelling(_ byte: UInt8) -> String {
    let printable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
    if printable { return String(Unicode.Scalar(byte)) }
    let unprintable = (0...255).map { UInt8($0) }.filter {
      !((0x21...0x7E).contains($0) || (0xA1...0xAC).contains($0) || (0xAE...0xFF).contains($0))
    }
    let index = unprintable.firstIndex(of: byte) ?? 0
    return Unicode.Scalar(UInt32(256 + index)).map { String($0) } ?? ""
  }

  static func spelling(_ text: String) -> String { text.utf8.map { spelling($0) }.joined() }

  /// A byte-level tokenizer.json: ids 0…255 are the bytes, then one piece a merge, then the added tokens.
  static func byteLevel(
    merges: [(String, String)] = [], specials: [String] = ["<|end|>"], added: [JSON] = [], preTokenizer: JSON? = nil,
    normalizer: JSON = nil, postProcessor: JSON = nil, options: [String: JSON] = [:]
  ) -> JSON {
    var pieces = (0...255).map { (key: spelling(UInt8($0)), value: JSON($0)) }
    for (left, right) in merges { pieces.append((key: spelling(left + right), value: JSON(pieces.count))) }
    let next = pieces.count
    var tokens = specials.enumerated().map { (index, text) -> JSON in
      ["id": JSON(next + index), "content": .string(text), "special": true, "normalized": false]
    }
    tokens += added
    var model: JSON.Object = [
      "type": "BPE", "vocab": .object(JSON.Object(pieces)),
      "merges": .array(merges.map { [.string(spelling($0.0)), .string(spelling($0.1))] }),
    ]
    for (key, value) in options { model[key] = value }
    let byteLevel: JSON = ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false]
    return [
      "version": "1.0", "added_tokens": .array(tokens), "normalizer": normalizer,
      "pre_tokenizer": preTokenizer ?? byteLevel, "post_processor": postProcessor, "decoder": byteLevel,
      "model": .object(model),
    ]
  }

  /// A byte-level tokenizer that cuts words by these steps.
  static func splitting(_ steps: [JSON], normalizer: JSON = nil) throws -> Tokenizer {
    let last: JSON = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false]
    return try load(
      byteLevel(preTokenizer: ["type": "Sequence", "pretokenizers": .array(steps + [last])], normalizer: normalizer))
  }

  /// A SentencePiece-like tokenizer.json over characters.
  static func characters(
    pieces: [String], merges: [(String, String)] = [], options: [String: JSON] = [:], normalizer: JSON = nil,
    preTokenizer: JSON = nil, added: [JSON] = []
  ) -> JSON {
    var model: JSON.Object = [
      "type": "BPE", "vocab": .object(JSON.Object(pieces.enumerated().map { (key: $1, value: JSON($0)) })),
      "merges": .array(merges.map { [.string($0.0), .string($0.1)] }),
    ]
    for (key, value) in options { model[key] = value }
    return [
      "added_tokens": .array(added), "normalizer": normalizer, "pre_tokenizer": preTokenizer, "model": .object(model),
    ]
  }

  static func load(_ document: JSON, config: JSON? = nil) throws -> Tokenizer {
    try Tokenizer.load(json: document.encoded(), config: config?.encoded())
  }

  /// The words of a text as strings.
  static func words(_ tokenizer: Tokenizer, _ text: String) throws -> [String] {
    let bytes = Array(text.utf8)
    return try tokenizer.words(of: bytes).map { String(decoding: bytes[$0], as: UTF8.self) }
  }

  /// Texts that try what patterns tell apart, from a seed.
  static func texts(_ count: Int, seed: UInt64) -> [String] {
    let parts = [
      "a", "Z", "é", "ß", "中", "한", "е", "1", "23", "４", "½", "Ⅷ", " ", "  ", "\t", "\n", "\r\n", "\u{A0}", "\u{3000}",
      "\u{85}", "\u{2028}", "\u{180E}", "'s", "'S", "'ll", "'LL", "'Re", "'ſ", "'", ".", "!?", "_", "-", "€", "😀",
      "\u{301}", "\u{200D}", "\0",
    ]
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
      (0..<Int.random(in: 0...12, using: &generator)).map { _ in parts.randomElement(using: &generator) ?? "" }.joined()
    }
  }
}

extension Tokenizer {
  /// Ids of a text, without a BOS.
  func ids(_ text: String, _ specials: SpecialsPolicy = .text) throws -> [Int] {
    try encodeIDs(Array(text.utf8), specials: specials, bos: false).map { Int($0) }
  }
}
