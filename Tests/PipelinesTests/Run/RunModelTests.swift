import Basics
import Foundation
import Pipelines
import Store
import Testing

@Suite struct `A model whose name may move` {
  private static let stages = "  a: {uses: evaluate, inputs: {model: \"hf:org/m\"}, with: {tasks: [t.yaml]}}\n"

  /// Identifies a model by the copy in `bench` where there is one; `fetch` makes it.
  private func hooks(_ bench: Bench) -> RunHooks {
    let copy = bench.root.appending("copy.json")
    return RunHooks(
      model: { Files.exists(copy) ? .path(copy) : .name($0) },
      fetch: { name, _ in if !Files.exists(copy) { try Files.writeAtomically(Array(name.utf8), to: copy) } })
  }

  @Test func `is fetched before a run looks at it, and the next plan agrees with that run`() throws {
    let bench = try Bench()
    try bench.write("t.yaml", "x")
    let pipeline = try bench.pipeline(Self.stages)
    _ = try bench.plan(pipeline, hooks: hooks(bench))
    #expect(!Files.exists(bench.root.appending("copy.json")))
    let summary = try bench.run(pipeline, hooks: hooks(bench))
    let planned = try bench.plan(pipeline, hooks: hooks(bench)).entries[0].fingerprint?.digest
    #expect(planned != nil)
    #expect(summary.cells[0].fingerprint == planned)
    try bench.write("copy.json", "another commit")
    #expect(try bench.plan(pipeline, hooks: hooks(bench)).entries[0].fingerprint?.digest != planned)
  }

  @Test func `is told when it can not be fetched, and the stage ends by itself`() throws {
    let bench = try Bench()
    try bench.write("t.yaml", "x")
    var hooks = RunHooks()
    hooks.fetch = { _, _ in throw RunError("no network") }
    var told: [String] = []
    let summary = try bench.run(bench.pipeline(Self.stages), hooks: hooks) { event in
      if case .message(let text) = event { told.append(text) }
    }
    #expect(told == ["no network"])
    #expect(bench.statuses(summary) == "a failed")
  }
}
