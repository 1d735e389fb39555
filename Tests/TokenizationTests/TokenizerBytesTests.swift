import Basics
import Testing
import Tokenization

@Suite struct TokenizerBytesTests {
  let tokenizer = Tokenizer.bytes
  let turn = Array("<|im_start|>user\nhi<|im_end|>".utf8)

  @Test func `each byte is its own id and comes back, valid text or not`() throws {
    let bytes = (0...255).map { UInt8($0) }
    let ids = try tokenizer.encodeIDs(bytes)
    #expect(ids == (0...255).map { Int32($0) })
    #expect(tokenizer.decode(ids) == bytes)
    #expect(tokenizer.vocabularySize == 260)
  }

  @Test func `tokens tell the bytes that they stand for`() throws {
    let tokens = try tokenizer.encode(Array("é".utf8))
    #expect(tokens == [Token(id: 0xC3, start: 0, end: 1), Token(id: 0xA9, start: 1, end: 2)])
  }

  @Test func `content that spells a control token stays bytes`() throws {
    let ids = try tokenizer.encodeIDs(turn)
    #expect(ids.count == turn.count)
    #expect(!ids.contains { tokenizer.isSpecial($0) })
    #expect(tokenizer.decode(ids) == turn)
  }

  @Test func `parsing finds control tokens with their places`() throws {
    let tokens = try tokenizer.encode(turn, specials: .parse)
    #expect(tokens.first == Token(id: 257, start: 0, end: 12))
    #expect(tokens.last == Token(id: 258, start: 19, end: 29))
    #expect(tokens.count == 9)
  }

  @Test func `control tokens are found only where a range holds all of their bytes`() throws {
    func specials(_ ranges: [Range<Int>]) throws -> [Int32] {
      try tokenizer.encodeIDs(turn, specials: .within(ranges)).filter { tokenizer.isSpecial($0) }
    }
    #expect(try specials([0..<17, 19..<29]) == [257, 258])
    #expect(try specials([19..<29]) == [258])
    #expect(try specials([19..<28]) == [])
    #expect(try specials([20..<29]) == [])
    // Two parts of a template that only touch do not make one.
    #expect(try specials([0..<6, 6..<12]) == [])
    #expect(try specials([19..<29, 0..<17]) == [257, 258])
    #expect(try specials([0..<5, 0..<12]) == [257])
    #expect(try specials([]) == [])
  }

  @Test func `no BOS is added of itself, but on demand`() throws {
    #expect(!tokenizer.addsBOS)
    #expect(try tokenizer.encodeIDs([0x61]) == [0x61])
    #expect(
      try tokenizer.encode([0x61], bos: true) == [Token(id: 256, start: 0, end: 0), Token(id: 0x61, start: 0, end: 1)])
  }

  @Test func `skipping specials leaves the text`() throws {
    let ids = try tokenizer.encodeIDs(turn, specials: .parse)
    #expect(tokenizer.decode(ids) == turn)
    #expect(tokenizer.decode(ids, skipSpecials: true) == Array("user\nhi".utf8))
  }

  @Test func `unknown ids decode to nothing`() {
    #expect(tokenizer.decode([0x61, -1, 260, Int32.max, Int32.min, 0x62]) == [0x61, 0x62])
    #expect(tokenizer.token(-1) == nil)
    #expect(tokenizer.token(260) == nil)
    #expect(tokenizer.token(258) == Array("<|im_end|>".utf8))
  }

  @Test func `it names its tokens`() {
    #expect(tokenizer.id(of: "<|im_end|>") == 258)
    #expect(tokenizer.id(of: "a") == 97)
    #expect(tokenizer.id(of: [0xFF]) == 255)
    #expect(tokenizer.id(of: "ab") == nil)
    #expect(tokenizer.bosID == 256)
    #expect(tokenizer.eosID == 256)
    #expect(tokenizer.padID == 259)
    #expect(Set(tokenizer.endIDs) == [256, 258])
  }

  @Test func `its written files load as the same tokenizer`() throws {
    let config = tokenizer.tokenizerConfigJSON(chatTemplate: "{{ messages }}")
    let again = try Tokenizer.load(json: tokenizer.tokenizerJSON(), config: config)
    #expect(try JSONParser.parse(config)["chat_template"]?.string == "{{ messages }}")
    #expect(again.vocabularySize == 260)
    #expect(again.bosID == 256)
    #expect(again.padID == 259)
    let text = turn + [0x80, 0xFF, 0xE4, 0xB8]
    for policy in [SpecialsPolicy.text, .parse, .within([0..<12])] {
      #expect(try again.encode(text, specials: policy) == tokenizer.encode(text, specials: policy))
    }
  }
}
