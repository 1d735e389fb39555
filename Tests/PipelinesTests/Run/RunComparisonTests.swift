import Basics
import Pipelines
import Store
import Testing

@Suite struct `A comparison` {
  private static func stages(_ text: String, _ word: String = "plain") -> String {
    """
      first: {uses: command, inputs: {source: in.txt}, outputs: {out: a}, with: {run: 'cat $source > $out'}}
      second:
        uses: command
        inputs: {up: first.out}
        matrix: {n: [1, 2]}
        outputs: {out: b}
        with: {run: "echo ${matrix.n} \(text) > $out"}
      other: {uses: command, outputs: {out: c}, with: {run: 'echo \(word) > $out'}}

    """
  }

  @Test func `of two runs names what was set, read and made otherwise, and leaves out what is the same`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    try bench.run(Self.stages("x"))
    try bench.write("in.txt", "two\n")
    try bench.run(Self.stages("y"))
    let history = try RunHistory.existing(bench.project)
    let comparison = try history.compare("1", "2")
    #expect(comparison.pairs.map(\.name) == ["first", "second[n=1]", "second[n=2]", "other"])
    #expect(comparison.pairs.map(\.differs) == [true, true, true, false])
    let (first, second) = (comparison.pairs[0], comparison.pairs[1])
    #expect(first.parameters.isEmpty && first.inputs.map(\.name) == ["input source"])
    #expect(second.parameters.map(\.name) == ["with.run"])
    #expect(second.parameters.first?.new?.contains("1 y") == true)
    #expect(second.outputs.map { $0.a == $0.b } == [false])
    #expect(first.outputs.first?.b == Digest(of: "two\n"))
    #expect(first.metrics.contains { $0.name == "seconds" && $0.difference != nil })
    let json = comparison.json
    #expect(json["stages"]?.array?.count == 4)
    #expect(json["stages"]?.array?[1]["parameters"]?.array?.count == 1)
    #expect(json["stages"]?.array?[3]["outputs"]?["out"]?["same"]?.bool == true)
  }

  @Test func `of two cells of a matrix, of one run or of two`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    try bench.run(Self.stages("x"))
    try bench.run(Self.stages("y"))
    let history = try RunHistory.existing(bench.project)
    let cells = try history.compare("second[n=1]", "second[n=2]")
    #expect(cells.pairs.count == 1 && cells.pairs[0].parameters.map(\.name) == ["with.run"])
    let runs = try history.compare("1:second[n=1]", "2:second[n=1]")
    #expect(runs.pairs[0].parameters.first?.old?.contains("1 x") == true)
  }

  @Test func `knows runs by their names, and cells that only one side has`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    try bench.run(Self.stages("x"))
    try bench.run("  other: {uses: command, outputs: {out: c}, with: {run: 'echo plain > $out'}}\n")
    try Ledger(bench.project.cache).name(1, "base.line-1")
    let comparison = try RunHistory.existing(bench.project).compare("base.line-1", "2")
    #expect(comparison.a == "run 1 (base.line-1)")
    #expect(comparison.pairs.map { $0.b == nil } == [true, true, true, false])
    #expect(comparison.pairs[3].differs == false)
  }

  @Test(arguments: [("1", "9"), ("nosuch", "1"), ("1", "other"), ("second", "other"), ("1:nosuch", "other")])
  func `of what is not there, or not alike, is a wrong request`(_ a: String, _ b: String) throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    try bench.run(Self.stages("x"))
    let error = #expect(throws: RunError.self) { try RunHistory.existing(bench.project).compare(a, b) }
    #expect(error?.isRequest == true)
  }
}
