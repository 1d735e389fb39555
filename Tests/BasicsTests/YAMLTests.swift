import Basics
import Testing

/// The strict YAML reader on texts of our own.
struct YAMLTests {
  private func value(_ text: String) throws -> JSON { try YAML.parse(text).json }

  @Test(arguments: [
    ("no", JSON("no")), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("True", true), ("false", false),
    ("null", nil), ("~", nil), ("", nil), ("12:30", "12:30"), ("2026-01-02", "2026-01-02"), ("1_000", "1_000"),
    ("\"7\"", "7"), ("'true'", "true"), ("''", ""), ("6GiB", "6GiB"), ("1e", "1e"), (".", "."), ("+", "+"),
    ("0x", "0x"), ("1.2.3", "1.2.3"), ("-x", "-x"), ("<<", "<<"),
  ])
  func `a plain scalar has the type of YAML 1.2's core schema`(text: String, expected: JSON) throws {
    #expect(try value(text) == expected)
  }

  @Test(arguments: [
    ("1e-4", "1e-4"), ("012", "12"), ("-0", "-0"), ("+3", "3"), (".5", "0.5"), ("-.5", "-0.5"), ("1.", "1"),
    ("0x1F", "31"), ("0o17", "15"), ("1.50E+3", "1.50e+3"), ("00", "0"),
    ("123456789012345678901234567890", "123456789012345678901234567890"),
  ])
  func `a number keeps its digits in JSON's grammar`(text: String, literal: String) throws {
    #expect(try value(text) == .number(JSON.Number(literal: literal)))
    #expect(throws: Never.self) { try JSONParser.parse(literal) }
  }

  @Test(arguments: [
    ("a: 1\nb: 2\na: 3\n", 3, 1, "duplicate key 'a'"),
    ("a:\n  b: 1\n\tc: 2\n", 3, 1, "a tab in the indentation"),
    ("a:\n\tb: 1\n", 2, 1, "a tab in the indentation"),
    ("x: &base 1\ny: 2\n", 1, 4, "anchors are not supported"),
    ("x: 1\ny: *base\n", 2, 4, "aliases are not supported"),
    ("x:\n  <<: {a: 1}\n", 2, 3, "merge keys are not supported"),
    ("x: !mine 1\n", 1, 4, "custom tags are not supported"),
    ("x: !!binary aGk=\n", 1, 4, "the tag !!binary is not supported"),
    ("x: !!int no\n", 1, 4, "the value does not fit its tag !!int"),
    ("a: 1\n---\nb: 2\n", 2, 1, "several documents"),
    ("a: \"open\nb: 2\n", 1, 4, "without its closing quote"),
    ("with: {tokenizer: ${vars.base}}\n", 1, 20, "expected"),
    ("a: b: c\n", 1, 5, "a key stands where none can"),
    ("a: @b\n", 1, 4, "'@' cannot begin a plain text"),
    ("a:\n  - 1\n - 2\n", 3, 2, "indentation"),
    ("a: [1,\n2]\n", 2, 1, "not indented deeper"),
    ("a: [?x]\n", 1, 6, "'?' cannot begin"),
    ("a: .inf\n", 1, 4, "a number that is infinite"),
    ("? [a]\n: 1\n", 1, 3, "a list as a key is not supported"),
    ("a: b\u{1}\n", 1, 5, "a character that YAML does not allow"),
    ("漢字: \u{FEFF}x\n", 1, 5, "a character that YAML does not allow"),
  ])
  func `a fault is told with its place`(text: String, line: Int, column: Int, words: String) throws {
    let fault = try #require(YAML.read(Array(text.utf8)).faults.first)
    #expect(fault.what.contains(words), "\(fault)")
    #expect(fault.line == line && fault.column == column, "\(fault)")
  }

  @Test func `all faults of a text are collected in order`() {
    let faults = YAML.read(Array("a: &x 1\nb: *x\na: 2\nc: !t 3\n".utf8)).faults
    #expect(faults.map(\.line) == [1, 2, 3, 4])
  }

  @Test func `invalid UTF-8 is refused with its place`() throws {
    let fault = try #require(YAML.read(Array("a: 1\nb: x".utf8) + [0xC3, 0x28]).faults.first)
    #expect(fault.line == 2 && fault.column == 5 && fault.what.contains("UTF-8"))
    let wide = try #require(YAML.read([0xFF, 0xFE, 0x61, 0x00]).faults.first)
    #expect(wide.remedy?.contains("UTF-16") == true)
  }

  @Test func `sizes are bounded`() {
    let big = Array("a: ".utf8) + [UInt8](repeating: 0x61, count: 32 << 20)
    #expect(YAML.read(big).faults.first?.what.contains("larger") == true)
    let long = Array("a: \"".utf8) + [UInt8](repeating: 0x61, count: 1 << 20 + 1) + Array("\"\n".utf8)
    #expect(YAML.read(long).faults.first?.what.contains("larger") == true)
    let deep = String(repeating: "[", count: 65) + String(repeating: "]", count: 65)
    #expect(YAML.read(Array(deep.utf8)).faults.first?.what.contains("nested deeper") == true)
    let fine = String(repeating: "[", count: 63) + "1" + String(repeating: "]", count: 63)
    #expect(YAML.read(Array(fine.utf8)).faults.isEmpty)
    let hostile = String(repeating: "[", count: 1_000_000)
    #expect(YAML.read(Array(hostile.utf8)).root == nil)
  }

  @Test func `line ends may be CRLF and a byte order mark may lead`() throws {
    let node = try YAML.parse("\u{FEFF}a: 1\r\nb:\r\n  - x\r\n")
    #expect(node.json == ["a": 1, "b": ["x"]])
    #expect(node["b"]?.items?.first?.line == 3 && node["b"]?.items?.first?.column == 5)
  }

  @Test func `line separators of YAML 1.1 stay in their line`() throws {
    #expect(try value("a: \"x\u{2028}y\u{85}z\"\n") == ["a": "x\u{2028}y\u{85}z"])
    let fault = YAML.read(Array("a: x\u{2029}b: 1\n".utf8)).faults.first
    #expect(fault?.line == 1 && fault?.column == 7)
  }

  @Test func `composed and decomposed keys are two keys`() throws {
    #expect(try YAML.parse("caf\u{E9}: 1\ncafe\u{301}: 2\n").members?.count == 2)
  }

  @Test func `tabs inside a block or quoted text are content`() throws {
    #expect(try value("run: |\n  a\n  \tb\n") == ["run": "a\n\tb\n"])
    #expect(try value("run: \"a\n  \tb\"\n") == ["run": "a b"])
    #expect(try value("a:\t1\n") == ["a": 1])
  }

  @Test func `columns count code points`() throws {
    let node = try YAML.parse("漢字: {é: 1}\n")
    #expect(node["漢字"]?.members?.first?.value.column == 9)
  }
}
