import Basics
import Testing
import Tokenization

@Suite struct TokenizerSpecialsTests {
  /// A tokenizer with added tokens; the first has the id 256.
  private func tokenizer(_ added: [JSON], normalizer: JSON = nil) throws -> Tokenizer {
    let numbered = added.enumerated().map { (index, token) -> JSON in
      var members = token.object ?? JSON.Object()
      members["id"] = JSON(256 + index)
      return .object(members)
    }
    return try TokenizerFixtures.load(
      TokenizerFixtures.byteLevel(specials: [], added: numbered, normalizer: normalizer))
  }

  @Test func `the longest token at a place is taken, the leftmost first`() throws {
    let tokenizer = try tokenizer(["<a>", "<a><b>", "b><"].map { ["content": $0, "special": true] })
    #expect(try tokenizer.ids("<a><b><a>", .parse) == [257, 256])
    #expect(try tokenizer.ids("x<b><a>", .parse) == [120, 60, 258, 97, 62])
  }

  @Test func `a shorter token is found where the longer one may not stand`() throws {
    let tokenizer = try tokenizer(["<a>", "<a><b>"].map { ["content": $0, "special": true] })
    #expect(try tokenizer.ids("<a><b>", .within([0..<3])) == [256, 60, 98, 62])
  }

  @Test func `added tokens that are no control tokens are found in content too`() throws {
    let tokenizer = try tokenizer([
      ["content": "<table>", "special": false, "normalized": false], ["content": "<|x|>", "special": false],
      ["content": "<｜User｜>", "special": false],
    ])
    #expect(try tokenizer.ids("<table>") == [256])
    // These are spelt as only templates write, so they count as control tokens.
    #expect(try tokenizer.ids("<|x|>") == "<|x|>".utf8.map { Int($0) })
    #expect(try tokenizer.ids("<｜User｜>") == "<｜User｜>".utf8.map { Int($0) })
    #expect(try tokenizer.ids("<|x|><｜User｜>", .parse) == [257, 258])
    #expect(tokenizer.isSpecial(257))
    #expect(!tokenizer.isSpecial(256))
  }

  @Test func `flags take white space along`() throws {
    let tokenizer = try tokenizer([
      ["content": "<l>", "special": true, "lstrip": true], ["content": "<r>", "special": true, "rstrip": true],
    ])
    #expect(try tokenizer.ids("a \u{3000}<l> b", .parse) == [97, 256, 32, 98])
    #expect(try tokenizer.ids("a <r> \n b", .parse) == [97, 32, 257, 98])
    let tokens = try tokenizer.encode(Array("a <r> b".utf8), specials: .parse)
    #expect(tokens[2] == Token(id: 257, start: 2, end: 6))
    // White space between two is taken once.
    #expect(try tokenizer.ids("<r>  <l>", .parse) == [257, 256])
    // A token that is white space itself is gone when the one before it took it.
    let spaced = try self.tokenizer([
      ["content": "  ", "special": true, "lstrip": true], ["content": "<r>", "special": true, "rstrip": true],
    ])
    #expect(try spaced.ids("<r>  a   b", .parse) == [257, 97, 256, 32, 98])
  }

  @Test func `a single word is found only between others`() throws {
    let tokenizer = try tokenizer([["content": "cat", "special": false, "single_word": true, "normalized": false]])
    #expect(try tokenizer.ids("cat") == [256])
    #expect(try tokenizer.ids("cat,cat") == [256, 44, 256])
    #expect(try tokenizer.ids("cats") == "cats".utf8.map { Int($0) })
    #expect(try tokenizer.ids("écat") == "écat".utf8.map { Int($0) })
  }

  @Test func `normalised tokens are found in the normalised text`() throws {
    let tokenizer = try tokenizer(
      [
        ["content": "YES", "special": false, "normalized": true],
        ["content": "NO", "special": false, "normalized": false],
      ], normalizer: ["type": "Lowercase"])
    #expect(try tokenizer.ids("yEs") == [256])
    #expect(try tokenizer.ids("NO") == [257])
    #expect(try tokenizer.ids("no") == [110, 111])
  }

  @Test func `a normalised control token keeps to the ranges of the original text`() throws {
    let tokenizer = try tokenizer(
      [["content": "<|é|>", "special": true, "normalized": true]], normalizer: ["type": "NFC"])
    let text = Array("ab<|e\u{301}|>".utf8)
    #expect(try tokenizer.encodeIDs(text, specials: .within([2..<text.count])) == [97, 98, 256])
    #expect(try tokenizer.encodeIDs(text, specials: .within([3..<text.count])).count == 8)
    #expect(try tokenizer.encode(text, specials: .parse).last == Token(id: 256, start: 2, end: text.count))
  }

  @Test func `the configuration can make a token special`() throws {
    let document = TokenizerFixtures.byteLevel(
      specials: [], added: [["id": 256, "content": "[END]", "special": false, "normalized": false]])
    let plain = try TokenizerFixtures.load(document)
    #expect(try plain.ids("[END]") == [256])
    for config in [
      ["eos_token": "[END]"] as JSON, ["eos_token": ["content": "[END]"]], ["additional_special_tokens": ["[END]"]],
      ["added_tokens_decoder": ["256": ["content": "[END]", "special": true]]],
    ] {
      let tokenizer = try TokenizerFixtures.load(document, config: config)
      #expect(try tokenizer.ids("[END]") == "[END]".utf8.map { Int($0) })
      #expect(try tokenizer.ids("[END]", .parse) == [256])
    }
  }
}
