import Basics
import Corpus
import Testing

@Suite struct TextReading {
  @Test func `text gives paragraphs where blank lines part them, else lines`() throws {
    let folder = try TestFolder()
    let paragraphs = try folder.read("one\ntwo\n\n \nthree\n", as: "a.txt")
    #expect(paragraphs.texts == [#"{"text":"one\ntwo"}"#, #"{"text":"three"}"#])
    #expect(paragraphs.rows.map(\.place.line) == [1, 5])
    #expect(try folder.read("one\ntwo\n", as: "b.txt").rows.count == 2)
  }

  @Test(arguments: [("file", 1), ("line", 3), ("paragraph", 2)])
  func `the option says what a row is`(per: String, count: Int) throws {
    let reading = try TestFolder().read("one\ntwo\n\nthree\n", as: "a.txt", ["text": ["per": .string(per)]])
    #expect(reading.rows.count == count)
  }

  @Test func `a text that begins with a bracket is text`() throws {
    let reading = try TestFolder().read("[Verse 1]\nla la\n", as: "song.txt")
    #expect(reading.sources.map(\.format) == [.text])
  }

  @Test func `binary files are refused by name`() throws {
    let folder = try TestFolder()
    try folder.write("a.parquet", Array("PAR1".utf8) + [0, 1, 2, 3])
    try folder.write("b.bin", [UInt8](repeating: 1, count: 100))
    let parquet = #expect(throws: CorpusError.self) { try folder.read(["path": "a.parquet"]) }
    #expect(parquet?.problem.what.contains("Parquet") == true)
    #expect(throws: CorpusError.self) { try folder.read(["path": "b.bin"]) }
  }
}

@Suite struct EncodingReading {
  private let text = "{\"text\":\"naïve café für Zoë, déjà vu à gogo\"}\n"

  @Test func `Windows-1252 is read and reported as an assumption`() throws {
    let folder = try TestFolder()
    try folder.write("a.jsonl", text.unicodeScalars.map { UInt8($0.value) })
    let reading = try folder.read(["path": "a.jsonl"])
    #expect(reading.texts == [#"{"text":"naïve café für Zoë, déjà vu à gogo"}"#])
    #expect(reading.sources[0].encoding.assumed)
    #expect(reading.sources[0].encoding.name == "WINDOWS-1252")
  }

  @Test(arguments: [true, false], [true, false])
  func `UTF-16 is read with and without its mark`(little: Bool, marked: Bool) throws {
    let folder = try TestFolder()
    let units = (marked ? [0xFEFF] : []) + Array(text.utf16)
    try folder.write(
      "a.jsonl", units.flatMap { little ? [UInt8($0 & 255), UInt8($0 >> 8)] : [UInt8($0 >> 8), UInt8($0 & 255)] })
    let reading = try folder.read(["path": "a.jsonl"])
    #expect(reading.texts == [#"{"text":"naïve café für Zoë, déjà vu à gogo"}"#])
    #expect(reading.sources[0].encoding.assumed == !marked)
  }

  @Test func `a damaged row in a UTF-8 file is refused alone`() throws {
    let folder = try TestFolder()
    var bytes = Array("{\"text\":\"café\"}\n{\"text\":\"caf".utf8)
    bytes += [0xE9]
    bytes += Array(" ol\"}\n{\"text\":\"ünder\"}\n".utf8)
    try folder.write("a.jsonl", bytes)
    let reading = try folder.read(["path": "a.jsonl"])
    #expect(reading.rows.count == 2)
    #expect(reading.reasons == ["undecodable"])
    #expect(reading.rejects.first?.place.line == 2)
    #expect(reading.sources[0].encoding.isPlainUTF8)
  }

  @Test func `one meaningless byte in an ASCII file is refused, not read as a letter`() throws {
    let folder = try TestFolder()
    try folder.write(
      "a.jsonl", Array("{\"text\":\"good\"}\n{\"text\":\"bad ".utf8) + [0xFF, 0xFE] + Array(" x\"}\n".utf8))
    let reading = try folder.read(["path": "a.jsonl"])
    #expect(reading.texts == [#"{"text":"good"}"#])
    #expect(reading.reasons == ["undecodable"])
  }

  @Test func `the option names the encoding, and an unknown one is an error`() throws {
    let folder = try TestFolder()
    try folder.write("a.txt", [0xCF, 0xF0, 0xE8, 0xE2, 0xE5, 0xF2])
    #expect(try folder.read(["path": "a.txt", "encoding": "windows-1251"]).texts == [#"{"text":"Привет"}"#])
    try folder.write("b.txt", [0xFE, 0xFF, 0, 0x68, 0, 0x69])
    #expect(try folder.read(["path": "b.txt", "encoding": "utf-16"]).texts == [#"{"text":"hi"}"#])
    let error = #expect(throws: CorpusError.self) { try folder.read(["path": "a.txt", "encoding": "klingon"]) }
    #expect(error?.kind == .option)
  }

  @Test(.enabled(if: testData != nil, "FETTLE_TEST_DATA is not set"))
  func `real files in many encodings are read with few rows refused`() throws {
    let folder = try #require(testData).appending("encodings")
    var right = 0
    var files = 0
    for encoding in try Files.list(folder) {
      for name in try Files.list(folder.appending(encoding)) {
        let path = folder.appending(encoding).appending(name)
        let reading = try TestFolder().read(["path": .string(path.display), "format": "text"])
        files += 1
        if reading.rejects.isEmpty, !reading.rows.isEmpty { right += 1 }
      }
    }
    #expect(files == 95)
    #expect(right >= 92)
  }
}

extension TextEncoding {
  var isPlainUTF8: Bool { name == "UTF-8" && !assumed }
}
