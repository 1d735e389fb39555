import Basics
import Corpus
import Testing

@Suite struct DelimitedReading {
  @Test func `quoted fields may hold delimiters, quotes and line ends`() throws {
    let text = "prompt,completion\r\n\"a, b\",\"say \"\"hi\"\"\r\nthere\"\r\nplain,x\r\n"
    let reading = try TestFolder().read(text, as: "a.csv")
    #expect(
      reading.texts == [
        #"{"prompt":"a, b","completion":"say \"hi\"\r\nthere"}"#, #"{"prompt":"plain","completion":"x"}"#,
      ])
    #expect(reading.rows.map(\.place.line) == [2, 4])
    #expect(reading.rows.map(\.place.offset) == [19, 47])
  }

  @Test func `TSV parts by tabs and CSV by semicolons where the header has them`() throws {
    let folder = try TestFolder()
    #expect(
      try folder.read("prompt\tcompletion\na,b\tc\n", as: "a.tsv").texts == [#"{"prompt":"a,b","completion":"c"}"#])
    #expect(try folder.read("prompt;completion\na,b;c\n", as: "a.csv").texts == [#"{"prompt":"a,b","completion":"c"}"#])
  }

  @Test(arguments: ["table", "table.txt", "table.jsonl"])
  func `a table is recognised by its header when its name says nothing or something else`(name: String) throws {
    let reading = try TestFolder().read("Question,Answer\n1+1?,2\n", as: name)
    #expect(reading.sources.map(\.format) == [.csv])
    #expect(reading.rows.count == 1)
  }

  @Test func `ragged rows are refused with the reason`() throws {
    let reading = try TestFolder().read("prompt,completion\na,b\nc\nd,e,f\n\ng,h\n", as: "a.csv")
    #expect(reading.rows.count == 2)
    #expect(reading.reasons == ["ragged_row", "ragged_row"])
    #expect(reading.rejects.map(\.place.line) == [3, 4])
    #expect(reading.rejects.first?.detail == "1 fields where the header has 2")
  }

  @Test func `an unclosed quote is an error that names the line where it opened`() throws {
    let folder = try TestFolder()
    let error = #expect(throws: CorpusError.self) {
      try folder.read("prompt,completion\na,b\nc,\"d\ne,f\n", as: "a.csv")
    }
    #expect(error?.problem.place == "a.csv:3")
    #expect(error?.kind == .source)
  }

  @Test func `text behind a closing quote is refused`() throws {
    let reading = try TestFolder().read("prompt,completion\n\"a\"b,c\nd,e\n", as: "a.csv")
    #expect(reading.reasons == ["bad_quote"])
    #expect(reading.rows.count == 1)
  }

  @Test func `a quote inside a plain field is a character`() throws {
    let reading = try TestFolder().read("prompt,completion\n5\" disk,ok\n", as: "a.csv")
    #expect(reading.texts == [#"{"prompt":"5\" disk","completion":"ok"}"#])
  }

  @Test func `a header is required and names each column once`() throws {
    let folder = try TestFolder()
    #expect(throws: CorpusError.self) { try folder.read("\n", as: "a.csv") }
    let error = #expect(throws: CorpusError.self) { try folder.read("prompt,prompt\na,b\n", as: "b.csv") }
    #expect(error?.problem.place == "b.csv:1")
  }

  @Test func `a byte-order mark is no part of the first column, and offsets count it`() throws {
    let reading = try TestFolder().read("\u{FEFF}prompt,completion\r\na,b\r\n", as: "a.csv")
    #expect(reading.texts == [#"{"prompt":"a","completion":"b"}"#])
    #expect(reading.rows.map(\.place.offset) == [22])
  }

  @Test(.enabled(if: testData != nil, "FETTLE_TEST_DATA is not set"))
  func `csv-spectrum's tables give the values it expects`() throws {
    let folder = try #require(testData).appending("formats/csv-spectrum")
    var seen = 0
    for name in try Files.list(folder.appending("csvs")) {
      let stem = String(name.name.dropLast(4))
      let bytes = try Files.read(folder.appending("json").appending(stem + ".json"))
      let expected = try JSONParser.parse(bytes).array ?? []
      let columns = expected.first?.object?.keys ?? []
      for column in columns {
        let source: JSON = [
          "path": .string(folder.appending("csvs").appending(name).display), "format": "csv",
          "fields": ["text": .string(column)],
        ]
        let reading = try TestFolder().read(source)
        #expect(reading.rejects.isEmpty, "\(stem)")
        // Some copies of the set have lost the CR of its CRLF tables.
        let values = expected.map { ($0[column]?.string ?? "").replacing("\r\n", with: "\n") }
        #expect(reading.rows.map { $0.texts[0].replacing("\r\n", with: "\n") } == values, "\(stem) \(column)")
        seen += 1
      }
    }
    #expect(seen > 25)
  }
}
