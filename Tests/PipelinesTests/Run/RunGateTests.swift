import Basics
import Foundation
import Pipelines
import Store
import Testing

@Suite struct `A gate` {
  /// A dry run and the stage it gates; the launcher below stands for their code.
  static func stages(hours: Double, rate: String = "1e-4") -> String {
    """
      rows: {uses: clean, with: {sources: [{path: in.jsonl}]}}
      tokens:
        uses: tokenize
        inputs: {rows: rows.train}
        with: {tokenizer: bytes, max_seq_length: 64, train_on: all}
      rehearse:
        uses: dry-run
        inputs: {tokens: tokens.train}
        with:
          ladder: [{model: "preset:nano", steps: 2}]
          forecast: tune
          require: {hours: \(hours), peak_memory: 4GiB}
      tune:
        uses: finetune
        inputs: {tokens: tokens.train, gate: rehearse}
        with: {model: "preset:nano", learning_rate: \(rate)}
      other: {uses: command, outputs: {out: x}, with: {run: "echo > $out"}}

    """
  }

  struct Stand: AttemptLauncher {
    func launch(_ spec: AttemptSpec, file: FilePath) -> Launch {
      let outputs = spec.outputs.map { spec.outputFolder.appending($0.name).display }
      var text = "echo \(spec.stage) >> ran; "
      for path in outputs { text += "echo '{\"peak_memory\": 1000000000, \"hours\": 1.5}' > '\(path)'; " }
      return Launch(executable: "/bin/sh", arguments: ["-c", FilePath(text)])
    }
  }

  private func run(_ bench: Bench, _ stages: String, machine: String = "m") throws -> RunSummary {
    try Runner(
      pipeline: try bench.pipeline(stages), project: bench.project, options: RunOptions(waits: false),
      hooks: RunHooks(machine: { machine }), launcher: Stand(), stop: StopRequests()
    ).run()
  }

  @Test func `refuses what the forecast forbids, with the numbers, and judges new limits without measuring`() throws {
    let bench = try Bench()
    try bench.write("in.jsonl", "{}\n")
    let refused = try run(bench, Self.stages(hours: 1))
    #expect(
      bench.statuses(refused) == "rows done, tokens done, rehearse done, tune refused, other done")
    #expect(refused.exitCode == 3)
    let error = try #require(refused.cells[3].error)
    #expect(error.contains("1.500 h") && error.contains("1.000 h") && !error.contains("peak_memory is"))
    let allowed = try run(bench, Self.stages(hours: 2))
    #expect(
      bench.statuses(allowed) == "rows cached, tokens cached, rehearse cached, tune done, other cached")
    #expect(allowed.exitCode == 0)
    #expect(try bench.read(bench.root.appending("ran")) == "rows\ntokens\nrehearse\nother\ntune\n")
  }

  @Test func `without anyone to gate is refused itself`() throws {
    let bench = try Bench()
    try bench.write("in.jsonl", "{}\n")
    let stages = Self.stages(hours: 1).replacingOccurrences(of: ", gate: rehearse", with: "")
    let summary = try run(bench, stages)
    #expect(bench.statuses(summary) == "rows done, tokens done, rehearse refused, tune done, other done")
    #expect(summary.exitCode == 3)
    #expect(bench.statuses(try run(bench, stages)).contains("rehearse refused, tune cached"))
  }

  @Test func `measures again for another machine or other settings of the stage it forecasts`() throws {
    let bench = try Bench()
    try bench.write("in.jsonl", "{}\n")
    _ = try run(bench, Self.stages(hours: 2))
    // The machine is no identity of the training itself.
    let moved = try run(bench, Self.stages(hours: 2), machine: "other")
    #expect(
      bench.statuses(moved) == "rows cached, tokens cached, rehearse done, tune cached, other cached")
    let changed = try run(bench, Self.stages(hours: 2, rate: "2e-4"), machine: "other")
    #expect(
      bench.statuses(changed) == "rows cached, tokens cached, rehearse done, tune done, other cached")
  }
}
