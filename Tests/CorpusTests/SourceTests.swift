import Basics
import Corpus
import Foundation
import Testing

@Suite struct Globs {
  private func folder() throws -> TestFolder {
    let folder = try TestFolder()
    for name in ["b.txt", "a.txt", "Ä.txt", "c/d.txt", "c/e/f.txt", ".hidden/g.txt", "c/h.md", "x[1].txt"] {
      try folder.write(name, "row\n")
    }
    return folder
  }

  private func match(_ pattern: String, in folder: TestFolder) throws -> [String] {
    try RowReader(root: folder.path).files(try SourceSpec(.string(pattern), at: "s")).map(\.display)
  }

  @Test(arguments: [
    ("*.txt", ["a.txt", "b.txt", "x[1].txt", "Ä.txt"]),
    ("?.txt", ["a.txt", "b.txt"]),
    ("[ab].txt", ["a.txt", "b.txt"]),
    ("[!a].txt", ["b.txt"]),
    ("[b-z].txt", ["b.txt"]),
    ("**/*.txt", ["a.txt", "b.txt", "c/d.txt", "c/e/f.txt", "x[1].txt", "Ä.txt"]),
    ("c/**", ["c/d.txt", "c/e/f.txt", "c/h.md"]),
    ("c/*/f.txt", ["c/e/f.txt"]),
    (".hidden/*", [".hidden/g.txt"]),
    ("x[1].txt", ["x[1].txt"]),
    ("./a.txt", ["./a.txt"]),
  ])
  func `a pattern gives its files sorted by bytes`(pattern: String, files: [String]) throws {
    #expect(try match(pattern, in: try folder()) == files)
  }

  @Test(arguments: ["*.csv", "missing.txt", "**/*.nothing", "c"])
  func `a pattern or path without a file is an error`(pattern: String) throws {
    let folder = try folder()
    let error = #expect(throws: CorpusError.self) { try match(pattern, in: folder) }
    #expect(error?.kind == .source)
    #expect(error?.problem.place == pattern)
  }

  @Test func `a link that leads back is an error, any other is followed`() throws {
    let folder = try folder()
    func link(_ name: String, to target: String) throws {
      try FileManager.default.createSymbolicLink(
        atPath: folder.path.appending(name).display, withDestinationPath: folder.path.appending(target).display)
    }
    try folder.write("z.out/y.txt", "row\n")
    try link("c/z", to: "z.out")
    #expect(try match("c/**/*.txt", in: folder) == ["c/d.txt", "c/e/f.txt", "c/z/y.txt"])
    try link("c/loop", to: "c")
    let error = #expect(throws: CorpusError.self) { try match("**/d.txt", in: folder) }
    #expect(error?.problem.place?.hasPrefix("c/loop") == true)
  }

  @Test func `a list of paths keeps its order`() throws {
    let spec = try SourceSpec(["path": ["b.txt", "a.txt"]], at: "s")
    let folder = try folder()
    #expect(try RowReader(root: folder.path).files(spec).map(\.display) == ["b.txt", "a.txt"])
  }
}

@Suite struct SourceOptions {
  @Test(
    arguments: [
      (["pth": "a"], "did you mean 'path'?"),
      (["path": 3], nil), (["format": "json"], nil), (["path": "a", "format": "xml"], nil),
      (["path": "a", "text": ["per": "word"]], nil), ([], nil),
    ] as [(JSON, String?)])
  func `a wrong option is an error with the place`(source: JSON, remedy: String?) {
    let error = #expect(throws: CorpusError.self) { try SourceSpec.list([source]) }
    #expect(error?.kind == .option)
    #expect(error?.problem.place?.hasPrefix("sources[0]") == true)
    if let remedy { #expect(error?.problem.remedy == remedy) }
  }
}

@Suite struct Archives {
  private static let row = "{\"text\":\"packed\"}\n"

  /// gzip of `row`: stored, so that the bytes can stand here.
  private static func gzip(_ text: String) -> [UInt8] { gzip(Array(text.utf8)) }

  private static func gzip(_ bytes: [UInt8]) -> [UInt8] {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    crc = ~crc
    func little(_ value: UInt32, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    let size = UInt32(bytes.count)
    return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1] + little(size, 2) + little(~size, 2) + bytes + little(crc, 4)
      + little(size, 4)
  }

  /// A tar of regular files.
  private static func tar(_ files: [(String, [UInt8])]) -> [UInt8] {
    var archive: [UInt8] = []
    for (name, bytes) in files {
      var header = [UInt8](repeating: 0, count: 512)
      func put(_ text: String, at place: Int) {
        for (index, byte) in text.utf8.enumerated() { header[place + index] = byte }
      }
      put(name, at: 0)
      put("0000644", at: 100)
      let octal = String(bytes.count, radix: 8)
      put(String(repeating: "0", count: 11 - octal.count) + octal, at: 124)
      put("0", at: 156)
      put("ustar", at: 257)
      put("00", at: 263)
      put("        ", at: 148)
      let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
      put(String(repeating: "0", count: 6 - sum.count) + sum, at: 148)
      header[154] = 0
      archive += header + bytes + [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
    }
    return archive + [UInt8](repeating: 0, count: 1024)
  }

  @Test func `gzip is unpacked whatever the file is called`() throws {
    let folder = try TestFolder()
    try folder.write("rows", Archives.gzip(Archives.row))
    let reading = try folder.read(["path": "rows"])
    #expect(reading.texts == [#"{"text":"packed"}"#])
    #expect(reading.sources.map(\.name) == ["rows"])
  }

  @Test func `the name inside gives the hint for a packed table`() throws {
    let folder = try TestFolder()
    try folder.write("a.csv.gz", Archives.gzip("text\nhello\n"))
    #expect(try folder.read(["path": "a.csv.gz"]).texts == [#"{"text":"hello"}"#])
  }

  @Test func `members of an archive are sources of their own, packed ones too`() throws {
    let folder = try TestFolder()
    let archive = Archives.tar([
      ("a.jsonl", Array(Archives.row.utf8)), ("._a.jsonl", [0, 1, 2]), ("b.csv", Array("text\nx\n".utf8)),
      ("c.jsonl.gz", Archives.gzip(Archives.row)),
    ])
    try folder.write("all.tar", archive)
    let reading = try folder.read(["path": "all.tar"])
    #expect(reading.sources.map(\.name) == ["all.tar:a.jsonl", "all.tar:b.csv", "all.tar:c.jsonl.gz"])
    #expect(reading.rows.map { $0.texts[0] } == ["packed", "x", "packed"])
  }

  @Test func `a damaged archive is an error, not fewer rows`() throws {
    let folder = try TestFolder()
    try folder.write("a.gz", Array(Archives.gzip(String(repeating: Archives.row, count: 100)).dropLast(200)))
    let error = #expect(throws: CorpusError.self) { try folder.read(["path": "a.gz"]) }
    #expect(error?.problem.place == "a.gz")
  }

  @Test func `limits on members, size and depth hold`() throws {
    let folder = try TestFolder()
    try folder.write("a.tar", Archives.tar((0..<5).map { ("\($0).txt", Array("row\n".utf8)) }))
    try folder.write("c.gz", Archives.gzip(Archives.gzip("row\n")))
    try folder.write("b.tar", Archives.tar([("a.tar", Archives.tar([("c.txt", Array("row\n".utf8))]))]))
    var few = ArchiveLimits()
    few.members = 4
    #expect(throws: CorpusError.self) { try folder.read(["path": "a.tar"], limits: few) }
    var small = ArchiveLimits()
    small.bytes = 10
    #expect(throws: CorpusError.self) { try folder.read(["path": "a.tar"], limits: small) }
    var flat = ArchiveLimits()
    flat.depth = 1
    #expect(throws: CorpusError.self) { try folder.read(["path": "b.tar"], limits: flat) }
    #expect(try folder.read(["path": "b.tar"]).rows.count == 1)
    var tight = ArchiveLimits()
    tight.ratioFrom = 1
    tight.ratio = 0
    #expect(throws: CorpusError.self) { try folder.read(["path": "a.tar"], limits: tight) }
    #expect(throws: CorpusError.self) { try folder.read(["path": "c.gz"], limits: flat) }
    #expect(try folder.read(["path": "c.gz"]).rows.count == 1)
  }

  @Test(.enabled(if: testData != nil, "FETTLE_TEST_DATA is not set"))
  func `odd and hostile archives end in rows or in an error`() throws {
    let folder = try #require(testData).appending("formats/archives")
    var limits = ArchiveLimits()
    limits.bytes = 8 << 20
    var opened = 0
    for name in try Files.list(folder) {
      let source: JSON = ["path": .string(folder.appending(name).display), "format": "text"]
      do {
        _ = try TestFolder().read(source, limits: limits)
        opened += 1
      } catch {
        #expect(error is CorpusError)
      }
    }
    #expect(opened > 20)
  }
}
