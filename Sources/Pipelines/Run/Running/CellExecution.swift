import Basics
import Foundation
import Store

/// The attempts at one cell in one run, one after the other.
final class CellExecution {
  /// How the cell fared.
  struct Outcome {
    var status: CellStatus
    var attempt: Int?
    var outputs: [OutputRecord] = []
    var problem: Problem?
  }

  /// How it stands.
  enum State {
    case running
    /// An attempt failed; the next one follows when the clock shows this.
    case pausing(until: Double, Outcome)
    case over(Outcome)
  }

  let runner: Runner
  let ledger: Ledger
  let planner: Planner
  let runID: Int
  let index: Int
  let cell: StageCell
  /// Why it runs.
  let reason: String
  /// When the first attempt began, in seconds since 1970.
  let started = Ledger.now()
  /// Processes that must go on while another attempt's leftovers are ended.
  let livingProcesses: () -> Set<Int>
  /// As it stands when an attempt begins.
  private(set) var fingerprint: Fingerprint
  /// The graphics processors it may use, as "0,1"; nil for all.
  var cards: String?
  /// What it holds of the machine.
  var holds = Resources(cpus: 0, memory: 0, gpus: 0)

  private var attempt: Attempt?
  /// Set when what it reads is gone before a further attempt.
  private var lost: Outcome?
  private var number = 1
  private var repeats = 0

  init(
    runner: Runner, ledger: Ledger, planner: Planner, runID: Int, index: Int, reason: String,
    fingerprint: Fingerprint, livingProcesses: @escaping () -> Set<Int>
  ) {
    self.runner = runner
    self.ledger = ledger
    self.planner = planner
    self.runID = runID
    self.index = index
    cell = runner.pipeline.cells[index]
    self.reason = reason
    self.fingerprint = fingerprint
    self.livingProcesses = livingProcesses
  }

  var descriptors: [Int32] { attempt?.descriptors ?? [] }
  /// The process of the attempt under way.
  var pid: Int? { attempt?.pid }

  /// Begins an attempt.
  func begin() throws {
    // What it reads may have been mended since the last one.
    if number > 1 || repeats > 0 {
      do throws(RunError) { fingerprint = try planner.fingerprint(index) } catch {
        lost = Outcome(status: .failed, problem: error.problem)
        return
      }
    }
    attempt = try Attempt(self, number: number)
  }

  /// Handles what has happened, without waiting.
  func step() throws -> State {
    if let lost { return .over(lost) }
    guard let verdict = try attempt?.step() else { return .running }
    attempt = nil
    switch verdict {
    case .over(let outcome): return .over(outcome)
    case .touched(let outcome):
      // What it read was replaced by the same content meanwhile: whether it saw that content is not certain.
      repeats += 1
      guard repeats <= 2, runner.stop.count == 0 else { return .over(outcome) }
      runner.report(.note(cell, "an input was touched while the stage read it; running it again to be certain"))
      try begin()
      return .running
    case .failed(let outcome, let cause):
      guard number <= cell.retries.count, cell.retries.causes.contains(cause), runner.stop.count == 0 else {
        return .over(outcome)
      }
      let pause = runner.options.backoff(cell.retries, number)
      number += 1
      runner.report(.retrying(cell, outcome.problem ?? Problem("failed"), after: pause))
      return .pausing(until: RunningAttempt.clock() + pause, outcome)
    }
  }

  /// Asks the attempt under way to end in order.
  func stop() { attempt?.stop() }

  /// Ends the attempt under way at once.
  func kill() { attempt?.kill() }

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
}
