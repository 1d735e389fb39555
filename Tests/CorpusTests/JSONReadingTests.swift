import Basics
import Corpus
import Testing

@Suite struct JSONReading {
  @Test func `a JSON array gives its objects with line and offset`() throws {
    let folder = try TestFolder()
    let text = "[\n  {\"text\": \"one\"},\n  {\"text\": \"t]w}o\"}\n]\n"
    let reading = try folder.read(text, as: "a.json")
    #expect(reading.texts == [#"{"text":"one"}"#, #"{"text":"t]w}o"}"#])
    #expect(reading.rows.map(\.place.line) == [2, 3])
    #expect(reading.rows.map(\.place.offset) == [4, 23])
    #expect(reading.sources.map(\.format) == [.json])
  }

  @Test(arguments: ["rows.jsonl", "rows.json", "rows.txt", "rows", "rows.csv"])
  func `JSON Lines are recognised whatever the file is called`(name: String) throws {
    let reading = try TestFolder().read("{\"text\":\"a\"}\r\n\n{\"text\":\"b\"}", as: name)
    #expect(reading.texts == [#"{"text":"a"}"#, #"{"text":"b"}"#])
    #expect(reading.sources.map(\.format) == [.jsonLines])
    #expect(reading.rows.map(\.place.line) == [1, 3])
  }

  @Test func `a JSON array in a file called jsonl is read as an array`() throws {
    let reading = try TestFolder().read("[{\"text\":\"a\"},\n{\"text\":\"b\"}]", as: "rows.jsonl")
    #expect(reading.rows.count == 2)
  }

  @Test func `a broken line is refused with its place and reading goes on`() throws {
    let folder = try TestFolder()
    let reading = try folder.read("{\"text\":\"a\"}\n{\"text\":\"b\n{\"text\":\"c\"}\n", as: "a.jsonl")
    #expect(reading.texts == [#"{"text":"a"}"#, #"{"text":"c"}"#])
    #expect(reading.reasons == ["broken_json"])
    #expect(reading.rejects.first?.place.line == 2)
    #expect(reading.rejects.first?.place.offset == 13)
    #expect(reading.rejects.first?.raw == "{\"text\":\"b")
    #expect(
      reading.rejects.first?.json(in: reading.sources).text().hasPrefix(
        #"{"file":"a.jsonl","line":2,"offset":13,"reason":"broken_json","detail":"#) == true)
  }

  @Test func `a broken first line does not hide that the file is JSON Lines`() throws {
    let reading = try TestFolder().read("{\"text\":\"a\n{\"text\":\"b\"}\n{\"text\":\"c\"}\n", as: "a.jsonl")
    #expect(reading.rows.count == 2)
    #expect(reading.rejects.map(\.place.line) == [1])
  }

  @Test func `rows before a fault of an array stand and the rest is refused aloud`() throws {
    let text = "[{\"text\":\"a\"},{\"text\":\"b\"} {\"text\":\"c\"}]"
    let reading = try TestFolder().read(text, as: "a.json")
    #expect(reading.texts == [#"{"text":"a"}"#, #"{"text":"b"}"#])
    #expect(reading.reasons == ["broken_json"])
    #expect(reading.rejects.first?.place.offset == 27)
    #expect(reading.rejects.first?.raw == "{\"text\":\"c\"}]")
  }

  @Test func `an array cut off inside a row keeps the rows before it`() throws {
    let reading = try TestFolder().read("[{\"text\":\"a\"},\n{\"text\":\"b", as: "a.json")
    #expect(reading.texts == [#"{"text":"a"}"#])
    #expect(reading.rejects.map(\.place.line) == [2])
    #expect(reading.rejects.map(\.place.offset) == [15])
  }

  @Test(arguments: [
    "[{\"text\":\"a\"},]", "[{\"text\":\"a\"}", "[{\"text\":\"a\"}] x", "[{\"text\":\"a\"},{\"text\" 1}]",
  ])
  func `an array with a fault at its end tells it`(text: String) throws {
    let reading = try TestFolder().read(text, as: "a.json")
    #expect(reading.texts == [#"{"text":"a"}"#])
    #expect(reading.reasons == ["broken_json"])
  }

  @Test func `a row whose structure is whole is refused alone`() throws {
    let text = #"[{"text":"a","text":"b"},{"text":"\uD800"},{"text":"c"}]"#
    let reading = try TestFolder().read(text, as: "a.json")
    #expect(reading.texts == [#"{"text":"c"}"#])
    #expect(reading.reasons == ["duplicate_key", "broken_json"])
  }

  @Test func `an object over many lines is one row`() throws {
    let reading = try TestFolder().read("{\n \"prompt\": \"a\",\n \"completion\": \"b\"\n}\n", as: "a.json")
    #expect(reading.texts == [#"{"prompt":"a","completion":"b"}"#])
  }

  @Test func `a lone object that holds a list of rows gives those`() throws {
    let text = "{\"version\": 1,\n \"data\": [{\"text\": \"a\"}, {\"text\": \"b\"}]}"
    #expect(try TestFolder().read(text, as: "a.json").rows.count == 2)
  }

  @Test func `rows larger than a reading step come whole`() throws {
    let long = String(repeating: "long text ", count: 600_000)
    let folder = try TestFolder()
    let lines = (0..<3).map { "{\"text\":\"\($0) \(long)\"}" }
    let asLines = try folder.read(lines.joined(separator: "\n"), as: "a.jsonl")
    let asArray = try folder.read("[" + lines.joined(separator: ",\n") + "]", as: "a.json")
    #expect(asLines.rows.map { $0.texts[0].utf8.count } == [6_000_002, 6_000_002, 6_000_002])
    #expect(asArray.texts == asLines.texts)
    #expect(asArray.rows.map(\.place.line) == [1, 2, 3])
  }

  @Test(arguments: [2000, 9_000_000])
  func `a row over the limit is refused and reading goes on`(length: Int) throws {
    let folder = try TestFolder()
    let long = String(repeating: "x", count: length)
    let texts = [
      "{\"text\":\"\(long)\"}\n{\"text\":\"b\"}\n", "[{\"text\":\"\(long)\"},{\"text\":\"b\"}]",
      "{\n\"text\":\"\(long)\"}{\"text\":\n\"b\"}\n", "\(long)\n\nb\n",
    ]
    for (index, text) in texts.enumerated() {
      try folder.write("\(index)", text)
      let reading = try folder.read(["path": .string("\(index)")], rowLimit: 1000)
      #expect(reading.texts == [#"{"text":"b"}"#], "text \(index)")
      #expect(reading.reasons == ["row_too_long"], "text \(index)")
      #expect(reading.rejects.first?.place.line == 1)
      #expect((reading.rows.first?.place.line ?? 0) > (index == 1 ? 0 : 1))
    }
  }
}
