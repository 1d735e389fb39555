import Basics
import Testing
import Tokenization

@Suite struct TokenizerGGUFTests {
  /// Metadata of a byte-level vocabulary: the bytes, `merges`, then control and user-defined tokens.
  private func byteLevel(_ changes: [String: JSON?] = [:]) -> JSON.Object {
    var tokens = (0...255).map { JSON.string(TokenizerFixtures.spelling(UInt8($0))) }
    tokens += ["ab", "<|endoftext|>", "<|im_end|>", "  "]
    var metadata: JSON.Object = [
      "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.tokens": .array(tokens),
      "tokenizer.ggml.token_type": .array((0..<260).map { $0 < 257 ? 1 : $0 < 259 ? 3 : 4 }),
      "tokenizer.ggml.merges": ["a b"], "tokenizer.ggml.bos_token_id": 257, "tokenizer.ggml.eos_token_id": 258,
      "tokenizer.ggml.padding_token_id": 257,
    ]
    for (key, value) in changes { metadata["tokenizer.ggml." + key] = value }
    return metadata
  }

  static let pieces = ["<unk>", "<s>", "</s>", "<0x0A>", "<0xC3>", "<0xA9>", "▁", "a", "b", "▁a", "ab", "▁ab", "bb"]

  /// Metadata of a SentencePiece vocabulary.
  private func sentencePiece(_ changes: [String: JSON?] = [:]) -> JSON.Object {
    var metadata: JSON.Object = [
      "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": .array(Self.pieces.map { .string($0) }),
      "tokenizer.ggml.scores": [0, 0, 0, 0, 0, 0, -10, -11, -12, -2, -1, -3, -4],
      "tokenizer.ggml.token_type": [2, 3, 3, 6, 6, 6, 1, 1, 1, 1, 1, 1, 1], "tokenizer.ggml.bos_token_id": 1,
      "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.unknown_token_id": 0,
    ]
    for (key, value) in changes { metadata["tokenizer.ggml." + key] = value }
    return metadata
  }

  @Test func `a byte-level vocabulary encodes, with its token types`() throws {
    let tokenizer = try Tokenizer.load(gguf: byteLevel())
    #expect(try tokenizer.ids("ab<|im_end|>  c") == [256] + "<|im_end|>".utf8.map { Int($0) } + [259, 99])
    #expect(try tokenizer.ids("ab<|im_end|>  c", .parse) == [256, 258, 259, 99])
    #expect(tokenizer.bosID == 257)
    #expect(tokenizer.eosID == 258)
    #expect(tokenizer.padID == 257)
    #expect(!tokenizer.addsBOS)
    #expect(tokenizer.isSpecial(258))
    #expect(!tokenizer.isSpecial(259))
    #expect(try Tokenizer.load(gguf: byteLevel(["add_bos_token": true])).encodeIDs([0x61]) == [257, 97])
  }

  @Test func `the pre-tokenizer's name gives the words`() throws {
    func words(_ pre: String) throws -> [String] {
      try TokenizerFixtures.words(Tokenizer.load(gguf: byteLevel(["pre": .string(pre)])), "I'LL go 1234.\n\n")
    }
    #expect(try words("gpt-2") == ["I", "'", "LL", " go", " 1234", ".", "\n\n"])
    #expect(try words("smollm") == ["I", "'", "LL", " go", " ", "1", "2", "3", "4", ".", "\n\n"])
    #expect(try words("llama-bpe") == ["I", "'LL", " go", " ", "123", "4", ".\n\n"])
    #expect(try words("qwen2") == ["I", "'LL", " go", " ", "1", "2", "3", "4", ".\n\n"])
    #expect(try words("deepseek-llm") == ["I", "'", "LL", " go", " ", "1234", ".", "\n", "\n"])
    #expect(try words("tekken") == ["I", "'LL", " go", " ", "1", "2", "3", "4", ".\n\n"])
    #expect(try words("gpt-4o") == ["I'LL", " go", " ", "123", "4", ".\n\n"])
  }

  @Test func `every known pre-tokenizer compiles and covers the text`() throws {
    for pre in Tokenizer.knownPreTokenizers {
      let tokenizer = try Tokenizer.load(gguf: byteLevel(["pre": .string(pre), "add_bos_token": false]))
      for text in TokenizerFixtures.texts(20, seed: 5) where pre != "qwen2" && pre != "qwen35" {
        #expect(tokenizer.decode(try tokenizer.encodeIDs(Array(text.utf8))) == Array(text.utf8), "\(pre)")
      }
    }
  }

  @Test func `scores decide the merges`() throws {
    let tokenizer = try Tokenizer.load(gguf: sentencePiece())
    // "ab" has the best score, so "▁a" loses its a; then "▁ab" is put together.
    #expect(try tokenizer.ids("ab") == [11])
    #expect(try tokenizer.ids("abb") == [11, 8])
    #expect(try tokenizer.ids("a bb") == [9, 6, 12])
    #expect(try tokenizer.encodeIDs([0x61]) == [1, 9])
    #expect(tokenizer.decode(try tokenizer.encodeIDs(Array("ab  bb".utf8), bos: false)) == Array("ab  bb".utf8))
  }

  @Test func `equal scores merge from the left`() throws {
    let tokenizer = try Tokenizer.load(
      gguf: [
        "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": ["<unk>", "▁", "a", "b", "ba", "ab"],
        "tokenizer.ggml.scores": [0, 0, 0, 0, -1, -1], "tokenizer.ggml.token_type": [2, 1, 1, 1, 1, 1],
        "tokenizer.ggml.add_space_prefix": false,
      ])
    #expect(try tokenizer.ids("aba") == [5, 2])
    #expect(try tokenizer.ids("bab") == [4, 3])
  }

  @Test func `characters without a piece become bytes, or unknown`() throws {
    let tokenizer = try Tokenizer.load(gguf: sentencePiece())
    #expect(try tokenizer.ids("\né") == [6, 3, 4, 5])
    #expect(try tokenizer.ids("aé€") == [9, 4, 5, 0])
    #expect(tokenizer.decode([6, 3, 4, 5]) == Array("\né".utf8))
  }

  @Test func `a piece of characters that have no piece themselves is found`() throws {
    let tokenizer = try Tokenizer.load(
      gguf: sentencePiece([
        "tokens": .array((Self.pieces + ["éé"]).map { .string($0) }),
        "scores": [0, 0, 0, 0, 0, 0, -10, -11, -12, -2, -1, -3, -4, -5],
        "token_type": [2, 3, 3, 6, 6, 6, 1, 1, 1, 1, 1, 1, 1, 1],
      ]))
    #expect(try tokenizer.ids("éé") == [6, 13])
    #expect(try tokenizer.ids("ééé") == [6, 13, 4, 5])
  }

  @Test func `text that spells control or byte tokens stays text`() throws {
    let all = Self.pieces + ["<", "s", ">", "<s", "/", "0", "x", "A", "<0", "x0", "A>", "<0x0", "x0A>"]
    let tokenizer = try Tokenizer.load(
      gguf: sentencePiece([
        "tokens": .array(all.map { .string($0) }), "scores": .array(all.indices.map { JSON(-$0) }),
        "token_type": .array(all.indices.map { $0 == 0 ? 2 : $0 < 3 ? 3 : $0 < 6 ? 6 : 1 }),
      ]))
    #expect(try !tokenizer.ids("<s>").contains(1))
    #expect(try !tokenizer.ids("<0x0A>").contains(3))
    #expect(try tokenizer.ids("<s>", .parse) == [1])
    #expect(tokenizer.decode(try tokenizer.encodeIDs(Array("<0x0A><s>".utf8), bos: false)) == Array("<0x0A><s>".utf8))
  }

  @Test(arguments: ["byte level", "SentencePiece"])
  func `the written files give the same ids`(kind: String) throws {
    let tokenizer = try Tokenizer.load(gguf: kind == "byte level" ? byteLevel() : sentencePiece())
    let again = try Tokenizer.load(
      json: tokenizer.tokenizerJSON(), config: tokenizer.tokenizerConfigJSON(chatTemplate: nil))
    #expect(again.addsBOS == tokenizer.addsBOS)
    #expect(again.eosID == tokenizer.eosID)
    var generator = SeededGenerator(seed: 1)
    let parts = ["a", "b", "ab", " ", "é", "\n", "€", "</s>", "<|im_end|>", "  "]
    for _ in 0..<500 {
      let text = (0..<8).map { _ in parts.randomElement(using: &generator) ?? "" }.joined()
      for policy in [SpecialsPolicy.text, .parse] {
        let (old, new) = (
          try tokenizer.encode(Array(text.utf8), specials: policy), try again.encode(Array(text.utf8), specials: policy)
        )
        #expect(old == new, "\(text)")
      }
    }
  }

  @Test func `what can not be used is refused with its name`() {
    let cases: [(String, JSON.Object, String)] = [
      ("kind", byteLevel(["model": "bert"]), "bert"),
      ("no kind", byteLevel(["model": .some(nil)]), "tokenizer.ggml.model"),
      ("pre", byteLevel(["pre": "smolm"]), "did you mean 'smollm'"),
      ("no tokens", byteLevel(["tokens": .some(nil)]), "tokenizer.ggml.tokens"),
      ("tokens", byteLevel(["tokens": 3]), "expected an array"),
      ("token", byteLevel(["tokens": ["a", 1]]), "expected a string"),
      ("types", byteLevel(["token_type": [1, 2]]), "2 token types for 260 tokens"),
      ("no merges", byteLevel(["merges": .some(nil)]), "tokenizer.ggml.merges"),
      ("merge", byteLevel(["merges": ["a z b"]]), "two pieces"),
      ("merge of unknown", byteLevel(["merges": ["a ☃"]]), "not in the vocabulary"),
      ("twice", sentencePiece(["tokens": .array(Self.pieces.map { _ in "a" })]), "occurs twice"),
      ("scores", sentencePiece(["scores": [1]]), "1 scores for 13 tokens"),
      ("no scores", sentencePiece(["scores": .some(nil)]), "tokenizer.ggml.scores"),
    ]
    for (name, metadata, words) in cases {
      let error = #expect(throws: TokenizerError.self, "\(name)") { _ = try Tokenizer.load(gguf: metadata) }
      #expect(error?.description.contains(words) == true, "\(name): \(error?.description ?? "")")
    }
  }
}
