import Basics
import Corpus
import Foundation
import Testing

/// The folder of real material, where the environment names one.
let testData = ProcessInfo.processInfo.environment["FETTLE_TEST_DATA"].map { FilePath($0) }

/// A folder that removes itself.
final class TestFolder {
  let path: FilePath

  init() throws {
    let parent = FilePath(FileManager.default.temporaryDirectory.path)
    path = parent.appending("fettle-corpus-\(UInt64.random(in: 0...UInt64.max))")
    try Files.makeFolder(path)
  }

  deinit { try? Files.removeTree(path) }

  func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    let file = path.appending(name)
    try Files.makeFolder(file.parent)
    try Files.writeAtomically(bytes, to: file)
  }

  func text(_ name: String) throws -> String {
    String(decoding: try Files.read(path.appending(name)), as: UTF8.self)
  }

  func lines(_ name: String) throws -> [JSON] {
    try text(name).split(separator: "\n").map { try JSONParser.parse(String($0)) }
  }

  /// What a source gives.
  struct Reading {
    var rows: [Row] = []
    var rejects: [Reject] = []
    var sources: [SourceReport] = []
    var texts: [String] { rows.map { $0.json.text() } }
    var reasons: [String] { rejects.map(\.reason) }
  }

  /// Reads one entry of `sources`.
  func read(
    _ source: JSON, limits: ArchiveLimits = ArchiveLimits(), rowLimit: Int = RowReader.rowLimit
  ) throws -> Reading {
    let spec = try SourceSpec(source, at: "sources[0]")
    let reader = RowReader(root: path, limits: limits, rowLimit: rowLimit)
    var reading = Reading()
    try reader.read(try reader.files(spec), spec) { batch throws(CorpusError) in
      reading.rows += batch.rows
      reading.rejects += batch.rejects
    }
    reading.sources = reader.sources
    return reading
  }

  /// Reads `text` as a file called `name`.
  func read(_ text: String, as name: String, _ options: JSON.Object = [:]) throws -> Reading {
    try write(name, text)
    var source = options
    source["path"] = .string(name)
    return try read(.object(source))
  }

  /// Cleans with the given `steps` and `split`; outputs go to the folder `out`.
  @discardableResult
  func clean(_ sources: JSON, steps: JSON, split: JSON = nil, out: String = "out") throws -> CleaningReport {
    try Files.makeFolder(path.appending(out))
    let cleaning = try Cleaning(["sources": sources, "steps": steps, "split": split])
    return try cleaning.run(root: path, output: path.appending(out))
  }
}

/// A chat row as JSON Lines has it.
func chat(_ question: String, _ answer: String) -> String {
  let value: JSON = [
    "messages": [
      ["role": "user", "content": .string(question)], ["role": "assistant", "content": .string(answer)],
    ]
  ]
  return value.text() + "\n"
}

/// A number as it is spelt.
func number(_ literal: String) -> JSON { .number(JSON.Number(literal: literal)) }
