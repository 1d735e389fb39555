import Basics
import Foundation
import Pipelines
import Store
import Testing

/// Kills a run at every commit point, in a process of its own, and runs again.
@Suite(.serialized) struct `A kill` {
  static let points = [
    "run.opened", "recovery.recorded", "run.recovered", "run.begun", "cell.begun", "attempt.begun",
    "attempt.specified", "attempt.started", "attempt.ended", "attempt.credited", "object.durable", "object.renamed",
    "object.published", "output.published", "success.before", "success.inside", "success.after",
    "checkpoint.removed", "cell.linked", "cell.recorded", "run.finished", "attempt.started#2", "success.inside#2",
  ]
  static let stages = """
      first:
        uses: command
        inputs: {source: in.txt}
        outputs: {out: first.txt, more: more.bin}
        with: {run: "cp $source $out; head -c 100000 /dev/zero > $more"}
      second:
        uses: command
        inputs: {a: first.out, b: first.more}
        outputs: {out: second}
        with: {run: "mkdir $out; cat $a > $out/a; cksum < $b > $out/b"}

    """

  /// What a run that nobody kills gives for the second stage.
  private static let untouched = Result { () throws -> [OutputRecord] in
    let bench = try Bench()
    try bench.write("in.txt", "text\n")
    try bench.run(stages)
    let ledger = try Ledger(bench.project.cache)
    return try ledger.outputs(of: #require(try ledger.newestSuccess(pipeline: "test", cell: "second")).id)
  }

  @Test(arguments: points)
  func `at any point leaves a cache that a second run completes`(_ point: String) async throws {
    let bench = try Bench()
    try bench.write("in.txt", "text\n")
    await #expect(processExitsWith: .signal(SIGKILL)) { [point, folder = bench.root.display as String] in
      _ = unsafe setenv("FETTLE_CRASH_AT", point, 1)
      try Bench(adopting: FilePath(folder)).run(`A kill`.stages)
    }
    let summary = try bench.run(Self.stages)
    #expect(summary.exitCode == 0)
    #expect(summary.cells.allSatisfy { $0.status == .done || $0.status == .cached })
    #expect(try bench.output("first", "out") == "text\n")
    let ledger = try Ledger(bench.project.cache)
    #expect(try ledger.objects.verifyAll().isEmpty)
    #expect(try ledger.unfinishedAttempts().isEmpty)
    let attempt = try #require(try ledger.newestSuccess(pipeline: "test", cell: "second"))
    #expect(try ledger.outputs(of: attempt.id) == Self.untouched.get())
    #expect(bench.statuses(try bench.run(Self.stages)) == "first cached, second cached")
    #expect(try Files.list(bench.project.cache.work).isEmpty)
  }
}
