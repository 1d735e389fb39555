import Basics
import Foundation
import Pipelines
import Store
import Testing

@Suite struct `The record` {
  @Test func `status and show have the documented forms`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    try bench.run(`The cache`.chain)
    try bench.run(`The cache`.chain)
    let history = try RunHistory.existing(bench.project)
    let run = try history.run()
    #expect(run.id == 2)
    let status = try history.status(run)
    #expect(status["run"]?.int == 2)
    let stages = try #require(status["stages"]?.array)
    #expect(stages.map { $0["stage"]?.string } == ["first", "second"])
    #expect(stages.map { $0["status"]?.string } == ["cached", "cached"])
    #expect(stages.allSatisfy { $0["seconds"]?.double != nil })
    let show = try history.show(try history.cells(of: run, named: "first")[0], of: run)
    #expect(show["stage"]?.string == "first")
    #expect(show["fingerprint"]?.string?.utf8.count == 64)
    let output = try #require(show["outputs"]?["out"])
    #expect(output["kind"]?.string == "files")
    #expect(output["digest"]?.string == Digest(of: "ONE\n").hex)
    #expect(try bench.read(FilePath(try #require(output["path"]?.string))) == "ONE\n")
    #expect((show["metrics"]?["peak_memory"]?["measured"]?.int ?? 0) > 0)
  }

  @Test func `a name that is not there is a wrong request`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    try bench.run(`The cache`.chain)
    let history = try RunHistory.existing(bench.project)
    let run = try history.run()
    let errors = [
      #expect(throws: RunError.self) { try history.run(99) },
      #expect(throws: RunError.self) { try history.cells(of: run, named: "nosuch") },
      #expect(throws: RunError.self) { try bench.run(`The cache`.chain, Selection(stages: ["nosuch"])) },
    ]
    #expect(errors.allSatisfy { $0?.isRequest == true })
  }

  @Test func `why names the part that changed, old and new`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    try bench.run(`The cache`.chain)
    try bench.write("in.txt", "two\n")
    try bench.run(`The cache`.chain)
    let history = try RunHistory.existing(bench.project)
    var run = try history.run()
    var why = try history.why(try history.cells(of: run, named: "first")[0], in: run)
    #expect(why.changes.map(\.name) == ["input source"])
    #expect(why.changes[0].old?.contains(Digest(of: "one\n").hex) == true)
    try bench.run(`The cache`.chain)
    run = try history.run()
    why = try history.why(try history.cells(of: run, named: "second")[0], in: run)
    #expect(why.status == "cached")
    #expect(why.reason.contains("since run 2"))
    #expect(why.changes.map(\.name) == ["input upper"])
  }

  @Test func `an unknown stage or run is an error with a suggestion`() throws {
    let bench = try Bench()
    #expect(throws: RunError.self) { _ = try RunHistory.existing(bench.project) }
    try bench.run("  alpha: {uses: command, outputs: {out: x}, with: {run: 'echo > $out'}}\n")
    let history = try RunHistory.existing(bench.project)
    let run = try history.run()
    let error = #expect(throws: RunError.self) { _ = try history.cells(of: run, named: "alpah") }
    #expect(error?.problem.remedy == "did you mean 'alpha'?")
    #expect(throws: RunError.self) { _ = try history.run(99) }
    #expect(throws: RunError.self) {
      _ = try bench.plan(
        try bench.pipeline("  a: {uses: command, outputs: {out: x}, with: {run: 'echo'}}\n"), Selection(stages: ["b"]))
    }
  }

  @Test func `a run ends with a table, cell by metric`() throws {
    let bench = try Bench()
    try bench.run(
      """
        m:
          uses: command
          matrix: {v: [1, 22]}
          outputs: {out: x}
          with: {run: 'echo > $out; echo ''{"metrics":{"loss":0.${matrix.v}5,"seconds":2}}'' > $WORK/result.json'}

      """)
    let history = try RunHistory.existing(bench.project)
    let table = try history.table(try history.run())
    #expect(table.sections.count == 1)
    #expect(table.sections[0].metrics.prefix(2) == ["loss", "seconds"])
    #expect(table.sections[0].rows.map { $0.values[0]?.double } == [0.15, 0.225])
    #expect(table.text.contains("m[v=22]"))
  }

  @Test func `drawings name every stage and mark gates`() throws {
    let bench = try Bench()
    let graph = PipelineGraph(try bench.pipeline(`A gate`.stages(hours: 2)))
    #expect(graph.nodes.map(\.name).contains("rehearse"))
    #expect(graph.edges.contains { $0.flow == .gate })
    #expect(graph.mermaid.contains("-.->"))
    #expect(graph.dot.contains("style=dashed"))
    #expect(graph.svg.hasPrefix("<svg") && graph.svg.contains("stroke-dasharray"))
    #expect(graph.text.contains("gate ← rehearse"))
  }

  @Test func `a log is kept for each attempt`() throws {
    let bench = try Bench()
    try bench.run("  a: {uses: command, outputs: {out: x}, with: {run: 'echo said; echo > $out'}}\n")
    let history = try RunHistory.existing(bench.project)
    let run = try history.run()
    let attempt = try #require(try history.attempt(of: try history.cells(of: run)[0], in: run))
    #expect(try bench.read(try #require(history.log(of: attempt))) == "said\n")
  }
}
