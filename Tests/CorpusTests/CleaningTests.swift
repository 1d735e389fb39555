import Basics
import Corpus
import Foundation
import Testing

@Suite struct Splitting {
  private func rows(_ count: Int) -> [String] { (0..<count).map { chat("question number \($0)", "answer \($0)") } }

  private func split(_ lines: [String], _ split: JSON, steps: JSON = []) throws -> (
    train: [String], validation: [String]
  ) {
    let folder = try TestFolder()
    try folder.write("a.jsonl", lines.joined())
    try folder.clean("a.jsonl", steps: steps, split: split)
    func texts(_ name: String) throws -> [String] { try folder.text(name).split(separator: "\n").map { $0 + "\n" } }
    return (try texts("out/train.jsonl"), try texts("out/validation.jsonl"))
  }

  @Test(arguments: [("0.05", 10), ("0.5", 100), ("7", 7), ("0", 0), ("1000", 199)])
  func `the share or count asked for goes to validation and train never empties`(asked: String, count: Int) throws {
    let sides = try split(rows(200), ["validation": number(asked)])
    #expect(sides.validation.count == count)
    #expect(Set(sides.train + sides.validation) == Set(rows(200)))
  }

  @Test func `the choice follows contents and seed, not the order of rows`() throws {
    let forward = try split(rows(100), ["validation": number("0.2"), "seed": 3])
    let backward = try split(rows(100).reversed(), ["validation": number("0.2"), "seed": 3])
    let other = try split(rows(100), ["validation": number("0.2"), "seed": 4])
    #expect(Set(forward.validation) == Set(backward.validation))
    #expect(Set(forward.validation) != Set(other.validation))
  }

  @Test(arguments: ["cluster", "row"])
  func `rows that ask the same stay on one side`(by: String) throws {
    let lines = (0..<100).flatMap { [chat("question \($0)", "one"), chat("Question  \($0)", "two")] }
    let sides = try split(lines, ["validation": number("0.3"), "by": .string(by)])
    func questions(_ lines: [String]) -> Set<String> {
      Set(lines.compactMap { $0.firstMatch(of: /uestion +(\d+)/).map { String($0.output.1) } })
    }
    #expect(sides.validation.count == 60)
    #expect(questions(sides.train).isDisjoint(with: questions(sides.validation)))
  }

  @Test(arguments: [[], [["dedup": ["method": "minhash"]]], [["dedup": ["method": "exact"]]]] as [JSON])
  func `near duplicates stay on one side, chains of them too`(steps: JSON) throws {
    var lines: [String] = []
    for group in 0..<40 {
      let words = (0..<60).map { "g\(group)w\($0)" }
      // Each link changes words of its own, so that only neighbours are near.
      for link in 0..<4 {
        var chained = words
        for place in 0..<link { chained[place * 5] = "changed\(place)" }
        lines.append((["text": .string(chained.joined(separator: " "))] as JSON).text() + "\n")
      }
    }
    let sides = try split(lines, ["validation": number("0.25"), "by": "cluster"], steps: steps)
    func groups(_ lines: [String]) -> Set<Substring> { Set(lines.compactMap { $0.firstMatch(of: /g\d+w/)?.output }) }
    #expect(!sides.validation.isEmpty)
    #expect(groups(sides.train).isDisjoint(with: groups(sides.validation)))
  }

  @Test(
    arguments: [["validation": "a"], ["validation": number("1.5")], [:], ["validation": 1, "by": "hour"]] as [JSON])
  func `a wrong split is an error`(split: JSON) { #expect(throws: CorpusError.self) { try Split(split) } }
}

@Suite struct WholeCleaning {
  private let steps: JSON = [
    ["normalize": [:]], ["require": ["no_control_tokens": true]], ["drop_if": ["chars_below": 8]],
    ["dedup": ["method": "minhash"]], ["decontaminate": ["against": "eval.jsonl"]],
  ]

  /// Two dirty files and an evaluation file.
  private func dirty(_ names: [String] = ["data/a.jsonl", "data/b.csv"]) throws -> TestFolder {
    let folder = try TestFolder()
    var lines = (0..<300).map { chat("question \($0) about thing \($0 * 7)", "the answer is \($0)") }
    lines[10] = chat("question  \r\n spaced", "the answer\u{7} is here")
    lines[20] = "{\"messages\":[\n"
    lines[30] = chat("an empty one", "")
    lines[40] = chat("a lazy one", "TODO")
    lines[50] = chat("a hostile one <|im_end|>", "the answer is no")
    lines[60] = lines[0]
    lines[70] = chat("held out question", "the answer is secret")
    lines[80] = #"{"title":"x"}"# + "\n"
    lines[90] = chat("q", "a")
    try folder.write(names[0], lines.joined())
    try folder.write(names[1], "\u{FEFF}prompt,completion\r\nA table prompt,with a completion\r\nragged\r\n")
    try folder.write("eval.jsonl", #"{"question":"Held-out question","answer":"secret"}"# + "\n")
    return folder
  }

  @Test func `every row read is written, or in the ledger with its reason`() throws {
    let folder = try dirty()
    let report = try folder.clean("data/*", steps: steps, split: ["validation": number("0.1")])
    #expect(report.rowsIn == 302)
    #expect(report.rowsOut == 293)
    #expect(
      report.rejected == [
        "broken_json": 1, "unknown_shape": 1, "ragged_row": 1, "empty_answer": 1, "placeholder": 1, "control_token": 1,
        "exact_duplicate": 1, "contaminated": 1, "chars_below": 1,
      ])
    #expect(report.edited == ["normalize": 1])
    #expect(report.rowsOut + report.rejected.values.reduce(0, +) == report.rowsIn)
    let train = try folder.lines("out/train.jsonl").count
    let validation = try folder.lines("out/validation.jsonl").count
    #expect(train == report.train)
    #expect(validation == report.validation)
    let ledger = try folder.lines("out/ledger.jsonl")
    #expect(ledger.count == report.ledgerEntries)
    #expect(ledger.count { $0["action"]?.string == "edited" } == 1)
    #expect(ledger.allSatisfy { $0["file"]?.string?.hasPrefix("data/") == true && $0["before"] != nil })
    #expect(report.json["rows"]?["out"]?.int == 293)
  }

  @Test func `the ledger leads back to the bytes of each row`() throws {
    let folder = try dirty()
    try folder.clean("data/*", steps: steps)
    let file = Array(try Files.read(folder.path.appending("data/a.jsonl")))
    for entry in try folder.lines("out/ledger.jsonl") where entry["file"]?.string == "data/a.jsonl" {
      let offset = try #require(entry["offset"]?.int)
      let line = try #require(entry["line"]?.int)
      #expect(file[..<offset].count { $0 == 0x0A } == line - 1)
      #expect(offset == 0 || file[offset - 1] == 0x0A)
    }
  }

  @Test func `the same contents give the same bytes under other names and in another place`() throws {
    let first = try dirty()
    let second = try dirty(["data/z.jsonl", "data/m.csv"])
    for folder in [first, second] { try folder.clean("data/*", steps: steps, split: ["validation": number("0.1")]) }
    for name in ["out/train.jsonl", "out/validation.jsonl"] {
      let texts = (try first.text(name), try second.text(name))
      #expect(texts.0 == texts.1)
    }
  }

  @Test func `when no row survives the error has the table of reasons and the ledger stands`() throws {
    let folder = try TestFolder()
    try folder.write("a.jsonl", chat("q", "") + chat("q", "TODO") + "{\n")
    let error = #expect(throws: CorpusError.self) { try folder.clean("a.jsonl", steps: [["require": [:]]]) }
    #expect(error?.kind == .noRows)
    #expect(
      error?.problem.what
        == "no row survives cleaning: 3 read; broken_json 1, empty_answer 1, placeholder 1")
    #expect(try folder.lines("out/ledger.jsonl").count == 3)
    #expect(!Files.exists(folder.path.appending("out/train.jsonl")))
  }

  @Test(arguments: ["", "\n\n", "[]"])
  func `a file without rows is an error too`(text: String) throws {
    let folder = try TestFolder()
    try folder.write("a.json", text)
    let error = #expect(throws: CorpusError.self) { try folder.clean("a.json", steps: []) }
    #expect(error?.kind == .noRows)
  }

  @Test func `progress is told and may stop the work`() throws {
    let folder = try dirty()
    let cleaning = try Cleaning(["sources": "data/*", "steps": steps])
    let error = #expect(throws: CorpusError.self) {
      try cleaning.run(root: folder.path, output: folder.path) { event in event.unit == "step" ? .stop : .goOn }
    }
    #expect(error?.kind == .stopped)
    #expect(!Files.exists(folder.path.appending("train.jsonl")))
  }

  @Test func `an encoding that was assumed is noted`() throws {
    let folder = try TestFolder()
    try folder.write("a.jsonl", chat("un café", "très bon").unicodeScalars.map { UInt8($0.value) })
    let report = try folder.clean("a.jsonl", steps: [])
    #expect(report.notes == ["a.jsonl: read as WINDOWS-1252, which is an assumption"])
  }

  @Test func `the golden cleaning has not changed`() throws {
    let folder = try dirty()
    try folder.clean("data/*", steps: steps, split: ["validation": number("0.1")])
    let digests = try ["train", "validation", "ledger"].map { name in
      String(try Files.digest(folder.path.appending("out/\(name).jsonl")).hex.prefix(12))
    }
    // Whoever changes these bytes changes the version of the stage with them.
    #expect(digests == ["5ab393ab4451", "892bdb8883a6", "fb57495320d1"])
  }
}
