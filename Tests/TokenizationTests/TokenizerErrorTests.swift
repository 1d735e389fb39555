import Basics
import Foundation
import Testing
import Tokenization

@Suite struct TokenizerErrorTests {
  static func document(_ change: (inout JSON.Object) -> Void) -> JSON {
    var members = TokenizerFixtures.byteLevel().object ?? JSON.Object()
    change(&members)
    return .object(members)
  }

  static func model(_ key: String, _ value: JSON?) -> JSON {
    document { members in
      var model = members["model"]?.object ?? JSON.Object()
      model[key] = value
      members["model"] = .object(model)
    }
  }

  static let cases: [(String, JSON, String)] = [
    ("no object", [], "expected an object"),
    ("no model", document { $0["model"] = nil }, "'model' is missing"),
    ("other kind", model("type", "Unigram"), "Unigram is not supported"),
    ("no vocabulary", model("vocab", nil), "'vocab' is missing"),
    ("vocabulary of another type", model("vocab", [1]), "expected an object, found an array"),
    ("id of another type", model("vocab", ["a": "0"]), "must be a whole number"),
    ("negative id", model("vocab", ["a": -1]), "must be a whole number"),
    ("huge id", model("vocab", ["a": 2_000_000]), "must be a whole number"),
    ("fractional id", model("vocab", ["a": .number(JSON.Number(literal: "0.5"))]), "must be a whole number"),
    ("an id twice", model("vocab", ["a": 1, "b": 1]), "two pieces have the id 1"),
    ("no merges", model("merges", nil), "'merges' is missing"),
    ("a merge of one", model("merges", [["a"]]), "merges[0]"),
    ("a merge as text of three", model("merges", ["a b c"]), "two pieces"),
    ("a merge of unknowns", model("merges", [["a", "☃"]]), "not in the vocabulary"),
    ("a merge into an unknown", model("merges", [["a", "b"]]), "into a piece that is not in the vocabulary"),
    ("dropout", model("dropout", .number(JSON.Number(literal: "0.1"))), "dropout"),
    ("a suffix", model("end_of_word_suffix", "</w>"), "end_of_word_suffix is not supported"),
    ("an unknown that is none", model("unk_token", "<unk>"), "the unknown token"),
    ("a flag of another type", model("ignore_merges", 1), "expected true or false"),
    ("an unknown pre-tokenizer", document { $0["pre_tokenizer"] = ["type": "Magic"] }, "Magic is not supported"),
    (
      "a regular expression that does not compile",
      document {
        $0["pre_tokenizer"] = ["type": "Split", "pattern": ["Regex": "a(b"], "behavior": "Isolated", "invert": false]
      }, "does not compile"
    ),
    (
      "an unknown behaviour",
      document { $0["pre_tokenizer"] = ["type": "Split", "pattern": ["String": "a"], "behavior": "Eaten"] },
      "expected Removed"
    ),
    ("an unknown normalizer", document { $0["normalizer"] = ["type": "Precompiled"] }, "Precompiled is not supported"),
    ("an unknown decoder", document { $0["decoder"] = ["type": "CTC"] }, "CTC is not supported"),
    ("an unknown post-processor", document { $0["post_processor"] = ["type": "X"] }, "X is not supported"),
    ("an added token without text", document { $0["added_tokens"] = [["id": 256]] }, "'content' is missing"),
    (
      "an added token with another's id", document { $0["added_tokens"] = [["id": 5, "content": "<x>"]] },
      "belongs to another piece"
    ),
    (
      "a template that names no token",
      document {
        $0["post_processor"] = [
          "type": "TemplateProcessing", "single": [["SpecialToken": ["id": "<s>"]]], "special_tokens": [:],
        ]
      }, "'<s>' is missing"
    ),
  ]

  @Test(arguments: cases)
  func `a file that can not be used says why`(name: String, document: JSON, words: String) {
    let error = #expect(throws: TokenizerError.self) { _ = try TokenizerFixtures.load(document) }
    #expect(error?.description.contains(words) == true, "\(name): \(error?.description ?? "")")
  }

  @Test func `sequences nested without end are refused`() {
    var step: JSON = ["type": "NFC"]
    for _ in 0..<40 { step = ["type": "Sequence", "normalizers": [step]] }
    #expect(throws: TokenizerError.self) {
      _ = try TokenizerFixtures.load(TokenizerFixtures.byteLevel(normalizer: step))
    }
  }

  @Test func `a normalizer that makes too much of a text is refused`() throws {
    let doubling: JSON = ["type": "Replace", "pattern": ["String": "a"], "content": "aa"]
    let tokenizer = try TokenizerFixtures.load(
      TokenizerFixtures.byteLevel(
        normalizer: ["type": "Sequence", "normalizers": .array(Array(repeating: doubling, count: 60))]))
    let error = #expect(throws: TokenizerError.self) { _ = try tokenizer.ids("a") }
    #expect(error?.description.contains("normalizer makes") == true)
  }

  @Test func `text that is no JSON is refused with its place`() {
    let error = #expect(throws: TokenizerError.self) { _ = try Tokenizer.load(json: Array("{\"model\":".utf8)) }
    #expect(error?.description.contains("tokenizer.json, byte 9") == true)
    let config = #expect(throws: TokenizerError.self) {
      _ = try Tokenizer.load(json: TokenizerFixtures.byteLevel().encoded(), config: [0x7B])
    }
    #expect(config?.description.contains("tokenizer_config.json") == true)
  }

  @Test func `a folder without a tokenizer is refused, an old pair of files is read`() throws {
    let folder = FilePath(NSTemporaryDirectory()).appending("fettle-tokenizer-\(UUID().uuidString)")
    try Files.makeFolder(folder)
    defer { try? Files.removeTree(folder) }
    let error = #expect(throws: TokenizerError.self) { _ = try Tokenizer.load(folder: folder) }
    #expect(error?.description.contains("no tokenizer") == true)
    let vocabulary: JSON = ["a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3]
    try Files.writeAtomically(vocabulary.encoded(), to: folder.appending("vocab.json"))
    try Files.writeAtomically(Array("#version: 0.2\na b\n".utf8), to: folder.appending("merges.txt"))
    let tokenizer = try Tokenizer.load(folder: folder)
    #expect(try tokenizer.ids("abb<|endoftext|>", .parse) == [2, 1, 3])
    #expect(tokenizer.eosID == 3)
    try Files.writeAtomically(TokenizerFixtures.byteLevel().encoded(), to: folder.appending("tokenizer.json"))
    #expect(try Tokenizer.load(folder: folder).vocabularySize == 257)
  }

  @Test func `a pattern that can not decide is given up with its name`() throws {
    let tokenizer = try TokenizerFixtures.splitting([TokenizerWordsTests.split("(?:(?:a+)+)+[!?]")])
    let error = #expect(throws: TokenizerError.self) {
      _ = try tokenizer.encodeIDs(Array(repeating: 0x61, count: 5_000))
    }
    #expect(error?.description.contains("gives up") == true)
  }
}
