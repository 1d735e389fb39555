import Basics
import Testing
import Tokenization

@Suite struct TokenizerNormalizerTests {
  static let cases: [(String, JSON, String, String)] = [
    ("composed", ["type": "NFC"], "e\u{301}\u{212B}\u{1100}\u{1161}\u{11A8}\u{FB01}", "\u{E9}\u{C5}\u{AC01}\u{FB01}"),
    ("composed over order", ["type": "NFC"], "q\u{307}\u{323}", "q\u{323}\u{307}"),
    ("decomposed", ["type": "NFD"], "\u{E9}\u{AC01}", "e\u{301}\u{1100}\u{1161}\u{11A8}"),
    ("compatible", ["type": "NFKC"], "\u{FB01}\u{2460}\u{FF76}\u{FF9E}", "fi1\u{30AC}"),
    ("compatible, decomposed", ["type": "NFKD"], "\u{FB01}\u{E9}", "fie\u{301}"),
    ("lower case", ["type": "Lowercase"], "AÉİ\u{1E9E}", "aéi\u{307}ß"),
    ("stripped", ["type": "Strip", "strip_left": true, "strip_right": true], " \u{3000}a b\n", "a b"),
    ("stripped at the left", ["type": "Strip", "strip_left": true, "strip_right": false], " a ", "a "),
    ("without accents", ["type": "StripAccents"], "e\u{301}", "e"),
    ("prepended", ["type": "Prepend", "prepend": "_"], "a", "_a"),
    ("nothing prepended to nothing", ["type": "Prepend", "prepend": "_"], "", ""),
    ("replaced", ["type": "Replace", "pattern": ["String": "aa"], "content": "b"], "aaaab", "bbb"),
    ("replaced by pattern", ["type": "Replace", "pattern": ["Regex": "[ab]+"], "content": "-"], "abcba", "-c-"),
    ("empty sequence", ["type": "Sequence", "normalizers": []], "e\u{301}", "e\u{301}"),
    (
      "sequence",
      [
        "type": "Sequence",
        "normalizers": [["type": "NFC"], ["type": "Replace", "pattern": ["String": "é"], "content": "e"]],
      ],
      "e\u{301}", "e"
    ),
  ]

  @Test(arguments: cases)
  func `text is normalised as the file says`(name: String, normalizer: JSON, text: String, want: String) throws {
    let tokenizer = try TokenizerFixtures.load(TokenizerFixtures.byteLevel(normalizer: normalizer))
    #expect(tokenizer.decode(try tokenizer.encodeIDs(Array(text.utf8))) == Array(want.utf8), "\(name)")
  }

  @Test func `tokens of changed text tell the original bytes`() throws {
    let tokenizer = try TokenizerFixtures.load(
      TokenizerFixtures.byteLevel(normalizer: [
        "type": "Sequence",
        "normalizers": [
          ["type": "NFC"], ["type": "Replace", "pattern": ["String": "b"], "content": ""],
          ["type": "Prepend", "prepend": "_"],
        ],
      ]))
    let tokens = try tokenizer.encode(Array("ae\u{301}bc".utf8))
    #expect(tokens.map(\.id) == [0x5F, 0x61, 0xC3, 0xA9, 0x63])
    #expect(tokens.map(\.start) == [0, 0, 1, 1, 5])
    #expect(tokens.map(\.end) == [0, 1, 4, 4, 6])
  }

  @Test func `what normalising leaves as it was keeps its place`() throws {
    let tokenizer = try TokenizerFixtures.load(TokenizerFixtures.byteLevel(normalizer: ["type": "NFKC"]))
    // The vowel could join the quotation mark's cluster, but does not change it.
    let tokens = try tokenizer.encode(Array("\"\u{314F}".utf8))
    #expect(tokens.map(\.start) == [0, 1, 1, 1])
    #expect(tokens.map(\.end) == [1, 4, 4, 4])
  }

  @Test func `invalid bytes pass through unchanged`() throws {
    let bytes: [UInt8] = [0xFF, 0x65, 0xCC, 0x81, 0xC3, 0x20, 0xED, 0xA0, 0x80]
    for type in ["NFC", "NFKC"] {
      let tokenizer = try TokenizerFixtures.load(TokenizerFixtures.byteLevel(normalizer: ["type": .string(type)]))
      let want: [UInt8] = [0xFF, 0xC3, 0xA9, 0xC3, 0x20, 0xED, 0xA0, 0x80]
      #expect(tokenizer.decode(try tokenizer.encodeIDs(bytes)) == want)
    }
  }
}
