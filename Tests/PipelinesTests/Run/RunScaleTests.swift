import Basics
import Foundation
import Pipelines
import Store
import Testing

@Suite struct `Ten thousand cells` {
  static func stages(_ count: Int) -> String {
    let values = (0..<count).map(String.init).joined(separator: ",")
    return """
        wide:
          uses: command
          inputs: {source: in.txt}
          matrix: {n: [\(values)], m: [\(values)]}
          outputs: {out: "x"}
          with: {run: "${matrix.n} ${matrix.m} $source $out"}

      """
  }

  @Test func `are planned with one look at each file`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    let pipeline = try bench.pipeline(Self.stages(100))
    try bench.run(try bench.pipeline("  a: {uses: command, outputs: {out: x}, with: {run: 'echo > $out'}}\n"))
    let clock = ContinuousClock()
    var plan: Plan?
    let time = try clock.measure { plan = try bench.plan(pipeline) }
    print("planned \(plan?.entries.count ?? 0) cells in \(time)")
    #expect(plan?.runCount == 10_000)
  }
}

@Suite struct `A pattern` {
  @Test(arguments: [
    ("*.txt", "a.txt", true), ("*.txt", ".a.txt", false), ("a?c", "abc", true), ("a?c", "ac", false),
    ("[a-c]x", "bx", true), ("[!a-c]x", "bx", false), ("*a*b*", "xxaxxbxx", true), ("*a*b", "xxbxxa", false),
    ("[]]x", "]x", true), ("[!]]x", "ax", true), ("[x", "[x", true), ("**", "anything", true), ("a*", "a", true),
  ])
  func `matches names byte by byte`(_ pattern: String, _ name: String, _ expected: Bool) throws {
    let bench = try Bench()
    try bench.write(name, "")
    #expect(try Glob.files(FilePath(pattern), in: bench.root).contains(FilePath(name)) == expected)
  }

  @Test func `finds files below folders in the order of their bytes`() throws {
    let bench = try Bench()
    for name in ["d/b.txt", "d/e/a.txt", "d/e/f/c.txt", "d/.hidden/x.txt", "z.txt"] { try bench.write(name, "") }
    let found = try Glob.files("d/**/*.txt", in: bench.root).map(\.display)
    #expect(found == ["d/b.txt", "d/e/a.txt", "d/e/f/c.txt"])
    #expect(try Glob.files("**/*.txt", in: bench.root).count == 4)
    #expect(try Glob.files("./d/*.txt", in: bench.root).map(\.display) == ["./d/b.txt"])
  }

  /// What a stage that cleans `source` depends on now.
  private func identity(_ source: String, _ bench: Bench) throws -> Digest? {
    let plan = try bench.plan(
      bench.pipeline("  a: {uses: clean, with: {sources: [{path: \"\(source)\"}]}}\n"))
    return plan.entries[0].fingerprint?.digest
  }

  @Test func `follows links to folders, and what lies there counts`() throws {
    let bench = try Bench()
    try bench.write("ext/x.jsonl", "one")
    try bench.write("p/data/a.jsonl", "two")
    try FileManager.default.createSymbolicLink(
      atPath: bench.root.appending("p/data/link").display, withDestinationPath: "../../ext")
    let before = try #require(try identity("p/data/**/*.jsonl", bench))
    try bench.write("ext/x.jsonl", "three")
    let after = try #require(try identity("p/data/**/*.jsonl", bench))
    #expect(before != after)
  }

  @Test func `gives way to a file of that very name`() throws {
    let bench = try Bench()
    try bench.write("data/b[1].jsonl", "one")
    let literal = try #require(try identity("data/b[1].jsonl", bench))
    try bench.write("data/c.jsonl", "one")
    #expect(try identity("data/c.jsonl", bench) == literal)
  }

  @Test func `does not notice renaming, but another format`() throws {
    let bench = try Bench()
    for (name, text) in [("d/a.jsonl", "one"), ("d/b.jsonl", "two"), ("e/b.jsonl", "one"), ("e/a.JSONL", "two")] {
      try bench.write(name, text)
    }
    try bench.write("f/a.jsonl", "one")
    try bench.write("f/b.csv", "two")
    let before = try #require(try identity("d/*", bench))
    #expect(try identity("e/*", bench) == before)
    #expect(try identity("f/*", bench) != before)
  }
}
