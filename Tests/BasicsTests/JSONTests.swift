import Basics
import Foundation
import Testing

@Suite struct JSONParsing {
  @Test func `members keep their order and numbers their spelling`() throws {
    let text = #"{"b":1.50,"a":[true,false,null],"c":-0,"d":1E+2}"#
    let value = try JSONParser.parse(text)
    #expect(value.object?.keys == ["b", "a", "c", "d"])
    #expect(value.text() == text)
  }

  @Test func `white space of all four kinds may surround every token`() throws {
    let value = try JSONParser.parse(" \t\r\n{ \"a\" : [ 1 , 2 ] }\r\n ")
    #expect(value.text() == #"{"a":[1,2]}"#)
  }

  @Test func `escapes and surrogate pairs become the characters they mean`() throws {
    let value = try JSONParser.parse(#""\"\\\/\b\f\n\r\té€😀""#)
    #expect(value.string.map { Array($0.utf8) } == Array("\"\\/\u{8}\u{c}\n\r\té€😀".utf8))
  }

  @Test func `an escape far into a long string loses nothing around it`() throws {
    let start = String(repeating: "abcdefgh", count: 50)
    let end = String(repeating: "é漢", count: 50)
    let value = try JSONParser.parse("\"\(start)\\n\(end)\\t\"")
    #expect(value.string.map { Array($0.utf8) } == Array("\(start)\n\(end)\t".utf8))
  }

  @Test(arguments: [
    (#""\uD83D""#, 1), (#""\uDE00""#, 1), (#""\uD83D\n""#, 1), (#""\uD83DA""#, 1), (#""a\uD83Db""#, 2),
  ])
  func `a lone surrogate is refused where it stands`(text: String, offset: Int) {
    let error = #expect(throws: JSONError.self) { try JSONParser.parse(text) }
    #expect(error?.offset == offset)
    #expect(error?.kind == .text)
  }

  @Test func `a duplicate key is refused, or the last one kept where asked`() throws {
    let text = #"{"a":1,"b":2,"a":3}"#
    let error = #expect(throws: JSONError.self) { try JSONParser.parse(text) }
    #expect(error?.kind == .duplicateKey)
    #expect(error?.offset == 13)
    #expect(try JSONParser.parse(text, duplicateKeys: .keepLast).text() == #"{"b":2,"a":3}"#)
  }

  @Test func `duplicates are found among many keys, and by bytes only`() throws {
    let many = (0..<40).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
    #expect(try JSONParser.parse("{\(many)}").object?.count == 40)
    #expect(throws: JSONError.self) { try JSONParser.parse("{\(many),\"k7\":0}") }
    // Composed and decomposed, which String's == takes for equal.
    #expect(try JSONParser.parse("{\"\u{E9}\":1,\"e\u{301}\":2}").object?.count == 2)
  }

  @Test(arguments: [
    "", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}", "[1 2]", "01", "1.", ".5", "+1", "1e", "--1", "NaN", "tru", "nul",
    "'a'",
    "\"a", "\"\u{1}\"", "\"a\nb\"", #""\x""#, #""\u12""#, "[1]]", "{} {}", "// c\n1", "{\"a\" 1}", "{\"a\":}", "[,1]",
  ])
  func `text that is no JSON is refused`(text: String) {
    #expect(throws: JSONError.self) { try JSONParser.parse(text) }
  }

  @Test(
    arguments: [
      [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xE2, 0x82, 0x22],
      [0xEF, 0xBB, 0xBF, 0x31],
    ] as [[UInt8]])
  func `bytes that are no UTF-8 are refused, and so is a byte-order mark`(bytes: [UInt8]) {
    #expect(throws: JSONError.self) { try JSONParser.parse(bytes) }
  }

  @Test func `depth is bounded`() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    #expect(try JSONParser.parse(nested(500)).array != nil)
    let error = #expect(throws: JSONError.self) { try JSONParser.parse(nested(100_000)) }
    #expect(error?.kind == .depth)
  }

  @Test func `a stream of values is read one by one`() throws {
    let bytes = Array(#"{"a":1} [2] 3"#.utf8)
    let texts = try unsafe bytes.withUnsafeBufferPointer { buffer in
      var parser = unsafe JSONParser(buffer)
      var texts: [String] = []
      while !parser.atEnd() { texts.append(try parser.nextValue().text()) }
      return texts
    }
    #expect(texts == [#"{"a":1}"#, "[2]", "3"])
  }
}

@Suite struct JSONNumbers {
  @Test(arguments: [
    ("0", 0), ("-0", 0), ("12", 12), ("1.0", 1), ("1e3", 1000), ("-2.5e1", -25), ("9223372036854775807", Int.max),
  ])
  func `a whole number is read however it is spelt`(literal: String, value: Int) throws {
    #expect(try JSONParser.parse(literal).int == value)
  }

  @Test(arguments: ["1.5", "1e400", "9223372036854775808", "1e-1"])
  func `what is no whole number in range gives none`(literal: String) throws {
    #expect(try JSONParser.parse(literal).int == nil)
  }

  @Test func `a double that overflows has no value, and a non-finite one no JSON form`() throws {
    #expect(try JSONParser.parse("1e400").double == nil)
    #expect(try JSONParser.parse("-1.25e-3").double == -0.00125)
    #expect(JSON(Double.nan).isNull)
    #expect(JSON(0.1).text() == "0.1")
    #expect(JSON(3.0).text() == "3")
  }
}

@Suite struct JSONWriting {
  @Test func `only what must be escaped is`() {
    let value = JSON.string("a\"b\\c\u{0}\n\r\t\u{1F}\u{7F}é/😀")
    #expect(value.text() == "\"a\\\"b\\\\c\\u0000\\n\\r\\t\\u001f\u{7F}é/😀\"")
  }

  @Test func `what is written is read back the same`() throws {
    var random = SeededGenerator(seed: 3)
    for _ in 0..<200 {
      let scalars = (0..<random.below(60)).compactMap { _ in Unicode.Scalar(UInt32(random.below(0x2_0000))) }
      var text = String.UnicodeScalarView()
      text.append(contentsOf: scalars)
      let value: JSON = ["k": .string(String(text)), "list": [1, nil, true]]
      #expect(try JSONParser.parse(value.encoded()) == value)
      #expect(try JSONParser.parse(value.encoded(pretty: true)) == value)
    }
  }

  @Test func `sorted keys go by bytes`() {
    let value: JSON = ["b": 1, "a": 2, "B": 3, "é": 4]
    #expect(value.text(sortedKeys: true) == #"{"B":3,"a":2,"b":1,"é":4}"#)
  }
}

/// The folder of real material, where the environment names one.
private let testData = ProcessInfo.processInfo.environment["FETTLE_TEST_DATA"]

@Suite struct JSONConformance {
  @Test(.enabled(if: testData != nil, "FETTLE_TEST_DATA is not set"))
  func `JSONTestSuite's valid texts parse and its invalid ones are refused`() throws {
    let folder = FilePath(testData ?? "").appending("formats/json")
    var counts = (valid: 0, invalid: 0)
    for name in try Files.list(folder) {
      let bytes = try Files.read(folder.appending(name))
      let parsed = try? JSONParser.parse(bytes, duplicateKeys: .keepLast)
      switch name.name.prefix(2) {
      case "y_":
        counts.valid += 1
        #expect(parsed != nil, "\(name.name) must parse")
      case "n_":
        counts.invalid += 1
        #expect(parsed == nil, "\(name.name) must be refused")
      default: break
      }
    }
    #expect(counts.valid > 90)
    #expect(counts.invalid > 180)
  }
}
