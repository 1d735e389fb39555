import Basics
import Testing
import Tokenization

@Suite struct TokenizerFrameTests {
  static let template: JSON = [
    "type": "TemplateProcessing",
    "single": [["SpecialToken": ["id": "<s>", "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]]],
    "special_tokens": ["<s>": ["id": "<s>", "ids": [256], "tokens": ["<s>"]]],
  ]

  private func tokenizer(_ processor: JSON, _ config: JSON? = nil) throws -> Tokenizer {
    try TokenizerFixtures.load(
      TokenizerFixtures.byteLevel(specials: ["<s>", "</s>"], postProcessor: processor), config: config)
  }

  @Test func `a template puts its BOS first`() throws {
    let tokenizer = try tokenizer(Self.template)
    #expect(tokenizer.addsBOS)
    #expect(tokenizer.bosID == 256)
    #expect(tokenizer.eosID == 257)
    #expect(try tokenizer.encodeIDs([0x61]) == [256, 0x61])
    #expect(try tokenizer.encodeIDs([]) == [256])
    #expect(try tokenizer.encodeIDs([0x61], bos: false) == [0x61])
    #expect(try tokenizer.encodeIDs([0x61], bos: true) == [256, 0x61])
  }

  @Test func `a BOS that the text spells is not doubled`() throws {
    let tokenizer = try tokenizer(Self.template)
    #expect(try tokenizer.encodeIDs(Array("<s>a".utf8), specials: .parse) == [256, 0x61])
    #expect(try tokenizer.encodeIDs(Array("<s>a".utf8), specials: .text).count == 5)
  }

  @Test func `the configuration decides over the template`() throws {
    let without = try tokenizer(Self.template, ["bos_token": "<s>", "add_bos_token": false])
    #expect(try without.encodeIDs([0x61]) == [0x61])
    let with = try tokenizer(
      nil, ["bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true, "add_eos_token": true])
    #expect(try with.encodeIDs([0x61]) == [256, 0x61, 257])
    #expect(with.addsEOS)
    #expect(try with.encodeIDs([0x61], bos: true) == [256, 0x61])
  }

  @Test func `what a text is framed by has no bytes`() throws {
    let tokenizer = try tokenizer(["type": "RobertaProcessing", "cls": ["<s>", 256], "sep": ["</s>", 257]])
    let tokens = try tokenizer.encode([0x61])
    #expect(tokens.map(\.id) == [256, 0x61, 257])
    #expect(tokens.map(\.start) == [0, 0, 1])
    #expect(tokens.map(\.end) == [0, 1, 1])
  }

  @Test func `the written configuration names the tokens`() throws {
    let config = try JSONParser.parse(try tokenizer(Self.template).tokenizerConfigJSON(chatTemplate: nil))
    #expect(config["bos_token"]?.string == "<s>")
    #expect(config["eos_token"]?.string == "</s>")
    #expect(config["chat_template"] == nil)
    let kept = try tokenizer(nil, ["model_max_length": 512, "chat_template": "old", "pad_token": "</s>"])
    let written = try JSONParser.parse(kept.tokenizerConfigJSON(chatTemplate: "new"))
    #expect(written["model_max_length"]?.int == 512)
    #expect(written["chat_template"]?.string == "new")
    #expect(kept.padID == 257)
  }

  @Test func `a tokenizer read from a file is written as it was`() throws {
    let document = TokenizerFixtures.byteLevel(merges: [("a", "b")]).encoded(pretty: true)
    #expect(try Tokenizer.load(json: document).tokenizerJSON() == document)
  }
}
