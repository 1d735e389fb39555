import Basics
import Testing
import Tokenization

@Suite struct TokenizerWordsTests {
  static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  static let tail = #" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  static func split(_ regex: String, _ behavior: String = "Isolated", invert: Bool = false) -> JSON {
    ["type": "Split", "pattern": ["Regex": .string(regex)], "behavior": .string(behavior), "invert": .bool(invert)]
  }

  @Test(arguments: [
    ("gpt2", gpt2),
    ("qwen2", #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"# + tail),
    ("llama3", #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"# + tail),
    ("digits", #"\p{N}"#),
  ])
  func `the scanner of a known pattern cuts as the regular expression does`(name: String, pattern: String) throws {
    let scanner = try TokenizerFixtures.splitting([Self.split(pattern)])
    // A group around the pattern hides it from the table of known ones.
    let expression = try TokenizerFixtures.splitting([Self.split("(?:\(pattern))")])
    var different: [String] = []
    for text in TokenizerFixtures.texts(2_000, seed: 7) {
      let bytes = Array(text.utf8)
      let words = try scanner.words(of: bytes)
      let covers = words.flatMap { $0 } == Array(0..<bytes.count)
      if try !covers || words != expression.words(of: bytes) { different.append(text.debugDescription) }
    }
    #expect(different == [], "\(name)")
  }

  @Test(arguments: [
    ("Isolated", false, ["a", "-", "-", "b", "-"]),
    ("Removed", false, ["a", "b"]),
    ("MergedWithPrevious", false, ["a-", "-", "b-"]),
    ("MergedWithNext", false, ["a", "-", "-b", "-"]),
    ("Contiguous", false, ["a", "--", "b", "-"]),
    ("Isolated", true, ["a", "-", "-", "b", "-"]),
    ("Removed", true, ["-", "-", "-"]),
  ])
  func `matches become what the behaviour says`(behavior: String, invert: Bool, want: [String]) throws {
    let tokenizer = try TokenizerFixtures.splitting([Self.split("-", behavior, invert: invert)])
    #expect(try TokenizerFixtures.words(tokenizer, "a--b-") == want)
    let literal: JSON = [
      "type": "Split", "pattern": ["String": "-"], "behavior": .string(behavior), "invert": .bool(invert),
    ]
    #expect(try TokenizerFixtures.words(TokenizerFixtures.splitting([literal]), "a--b-") == want)
  }

  static let steps: [(String, JSON, String, [String])] = [
    ("Digits", ["type": "Digits", "individual_digits": true], "a12½b", ["a", "1", "2", "½", "b"]),
    ("Digit runs", ["type": "Digits", "individual_digits": false], "a12½b", ["a", "12½", "b"]),
    ("Punctuation", ["type": "Punctuation"], "a,.b。", ["a", ",", ".", "b", "。"]),
    ("Punctuation runs", ["type": "Punctuation", "behavior": "Contiguous"], "a,.b", ["a", ",.", "b"]),
    ("Whitespace", ["type": "Whitespace"], "it's  a_1 ½!", ["it", "'", "s", "a_1", "½!"]),
    ("WhitespaceSplit", ["type": "WhitespaceSplit"], " it's\u{3000}so ", ["it's", "so"]),
    ("Bert", ["type": "BertPreTokenizer"], "it's so", ["it", "'", "s", "so"]),
    ("Delimiter", ["type": "CharDelimiterSplit", "delimiter": "-"], "a--b-", ["a", "b"]),
    ("Line ends", split(#"\s+$"#), "a  \nb ", ["a", "  ", "\nb", " "]),
    ("Intersection", split(#"[\p{L}&&[^a]]+"#, "Removed"), "abcaad", ["a", "aa"]),
    ("Class in a class", split(#"[a[bc]-]+"#), "a[bc-d]", ["a", "[", "bc-", "d]"]),
    ("Named class", split("[[:alpha:]1]+", "Removed"), "ab1]c:", ["]", ":"]),
    ("Code point", split(#"\u4e2d"#), "a中b", ["a", "中", "b"]),
    ("Empty matches", split("(?=b)"), "abab", ["a", "ba", "b"]),
    ("Look-ahead", split(#"\p{N}{1,3}(?=(?:\p{N}{3})*$)"#), "1234567", ["1", "234", "567"]),
  ]

  @Test(arguments: steps)
  func `a step cuts words`(name: String, step: JSON, text: String, want: [String]) throws {
    #expect(try TokenizerFixtures.words(TokenizerFixtures.splitting([step]), text) == want, "\(name)")
  }

  @Test func `steps follow each other`() throws {
    let tokenizer = try TokenizerFixtures.splitting([
      ["type": "Digits", "individual_digits": true], Self.split(Self.gpt2),
    ])
    #expect(try TokenizerFixtures.words(tokenizer, "a  b 12 c") == ["a", " ", " b", " ", "1", "2", " c"])
  }

  @Test func `bytes that are no text cut nothing else`() throws {
    for pattern in [Self.gpt2, "(?:\(Self.gpt2))"] {
      let tokenizer = try TokenizerFixtures.splitting([Self.split(pattern)])
      let bytes: [UInt8] = [0x61, 0xFF, 0x80, 0x20, 0x62, 0xE4, 0xB8]
      #expect(try tokenizer.words(of: bytes) == [0..<1, 1..<3, 3..<5, 5..<7])
      #expect(try tokenizer.encodeIDs(bytes) == bytes.map { Int32($0) })
    }
  }

  @Test func `a prefix space comes where there is none`() throws {
    let document = TokenizerFixtures.byteLevel(preTokenizer: ["type": "ByteLevel", "add_prefix_space": true])
    let tokenizer = try TokenizerFixtures.load(document)
    #expect(try tokenizer.ids("ab") == [0x20, 0x61, 0x62])
    #expect(try tokenizer.ids(" ab") == [0x20, 0x61, 0x62])
    #expect(try tokenizer.ids("") == [])
    #expect(try tokenizer.encode([0x61]) == [Token(id: 0x20, start: 0, end: 0), Token(id: 0x61, start: 0, end: 1)])
  }

  @Test(arguments: [
    ("always", ["▁", "a", "▁", "b"], ["<e>", "▁", "a"]),
    ("first", ["▁", "a", "▁", "b"], ["<e>", "a"]),
    ("never", ["a", "▁", "b"], ["<e>", "a"]),
  ])
  func `word marks are put where the scheme says`(scheme: String, plain: [String], behind: [String]) throws {
    let document = TokenizerFixtures.characters(
      pieces: ["▁", "a", "b"],
      preTokenizer: ["type": "Metaspace", "replacement": "▁", "prepend_scheme": .string(scheme), "split": false],
      added: [["id": 3, "content": "<e>", "special": true]])
    let tokenizer = try TokenizerFixtures.load(document)
    func pieces(_ text: String) throws -> [String] {
      try tokenizer.ids(text, .parse).map { ["▁", "a", "b", "<e>"][$0] }
    }
    #expect(try pieces("a b") == plain)
    #expect(try pieces("<e>a") == behind)
    #expect(try pieces(" a").prefix(2) == ["▁", "a"])
  }
}
