import Basics
import Foundation
import Store

/// The attempts at one cell in one run.
struct CellExecution {
  /// How the cell fared.
  struct Outcome {
    var status: CellStatus
    var attempt: Int?
    var outputs: [OutputRecord] = []
    var problem: Problem?
  }

  let runner: Runner
  let ledger: Ledger
  let planner: Planner
  let runID: Int
  let index: Int
  let entry: Plan.Entry
  /// As it stands when an attempt begins.
  private(set) var fingerprint: Fingerprint

  init(
    runner: Runner, ledger: Ledger, planner: Planner, runID: Int, index: Int, entry: Plan.Entry,
    fingerprint: Fingerprint
  ) {
    self.runner = runner
    self.ledger = ledger
    self.planner = planner
    self.runID = runID
    self.index = index
    self.entry = entry
    self.fingerprint = fingerprint
  }

  private var cell: StageCell { entry.cell }

  /// Tries until it is done, refused, stopped, or no retry is left.
  mutating func run() throws -> Outcome {
    let most = cell.retries + 1
    var number = 1
    var repeats = 0
    while true {
      let attempt = Attempt(self, number: number)
      let outcome = try attempt.make(of: most)
      switch outcome.verdict {
      case .over(let outcome): return outcome
      case .touched(let outcome):
        // What it read was replaced by the same content meanwhile: whether it saw that content is not certain.
        repeats += 1
        guard repeats <= 2, runner.stop.count == 0 else { return outcome }
        fingerprint = try planner.fingerprint(index)
        runner.report(.note(cell, "an input was touched while the stage read it; running it again to be certain"))
      case .failed(let outcome):
        guard number < most, runner.stop.count == 0 else { return outcome }
        let pause = runner.options.backoff(number)
        runner.report(.retrying(cell, outcome.problem ?? Problem("failed"), after: pause))
        guard wait(pause) else {
          return Outcome(status: .interrupted, attempt: outcome.attempt, problem: outcome.problem)
        }
        number += 1
        // What it reads may have been mended meanwhile.
        fingerprint = try planner.fingerprint(index)
      }
    }
  }

  /// The digests of other cells' outputs that the cell reads.
  func upstreamDigests() -> [Digest] {
    var digests: [Digest] = []
    for input in cell.inputs {
      if case .output(let cell, let output) = input.source, let digest = planner.digest(cell, output) {
        digests.append(digest)
      }
    }
    for reference in cell.references {
      if case .output(let cell, let output) = reference.target, let digest = planner.digest(cell, output) {
        digests.append(digest)
      }
    }
    return digests
  }

  /// False when a request to stop came.
  private func wait(_ seconds: Double) -> Bool {
    let end = RunningAttempt.clock() + seconds
    while runner.stop.count == 0 {
      let left = end - RunningAttempt.clock()
      if left <= 0 { return true }
      var descriptor = pollfd(fd: runner.stop.descriptor, events: Int16(POLLIN), revents: 0)
      _ = unsafe poll(&descriptor, 1, Int32(min(left, 1) * 1000) + 1)
    }
    return false
  }
}
