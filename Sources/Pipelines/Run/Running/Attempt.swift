import Basics
import Foundation
import Store

/// One attempt at a cell: prepares its folders, starts its process, waits, judges, and records the end.
struct Attempt {
  /// What follows from an attempt.
  enum Verdict {
    case over(CellExecution.Outcome)
    /// Failed in a way that another try may mend.
    case failed(CellExecution.Outcome)
    /// Its inputs were touched while it ran.
    case touched(CellExecution.Outcome)
  }

  struct Made { let verdict: Verdict }

  private let execution: CellExecution
  private let number: Int

  init(_ execution: CellExecution, number: Int) {
    self.execution = execution
    self.number = number
  }

  private var runner: Runner { execution.runner }
  private var ledger: Ledger { execution.ledger }
  private var cell: StageCell { execution.entry.cell }
  private var fingerprint: Fingerprint { execution.fingerprint }

  func make(of most: Int) throws -> Made {
    let id = try ledger.beginAttempt(
      run: execution.runID, pipeline: runner.pipeline.name, cell: cell.id, fingerprint: fingerprint.record,
      number: number)
    CommitPoint.reached("attempt.begun")
    let place = AttemptPlace(
      runner.project, attempt: id, run: execution.runID, cell: cell, fingerprint: fingerprint.digest)
    defer { Recovery.clear(place.work) }
    let end: Ending
    do {
      end = try perform(id, place, most)
    } catch {
      // The attempt could not even be started, or its bytes not be kept.
      end = .failed(problem(of: error), code: nil, signal: nil)
    }
    return try record(id, place, end)
  }

  /// How an attempt's process ended, and what it gave.
  private enum Ending {
    case done([(name: String, kind: String, publication: ObjectStore.Publication)], AttemptResult)
    case failed(Problem, code: Int32?, signal: Int32?)
    case refused(Problem, AttemptResult)
    case interrupted(Problem)
    case changed(Problem)
    case touched
  }

  // MARK: - Running

  private func perform(_ id: Int, _ place: AttemptPlace, _ most: Int) throws -> Ending {
    try place.make()
    let spec = try place.specification(execution, number: number)
    try Files.writeAtomically(spec.json.encoded(), to: place.specification)
    CommitPoint.reached("attempt.specified")
    runner.report(
      .started(cell, reason: execution.entry.why, number: number, of: most, log: place.log))
    let attempt = try RunningAttempt(
      runner.launcher.launch(spec, file: place.specification), in: runner.project.root, log: place.log,
      eventLog: place.events, timeout: cell.timeout)
    // From here on the process must not outlive a failure of ours.
    defer { attempt.kill() }
    let pid = Int(attempt.child.pid)
    try ledger.attempt(
      id, runsAs: pid, processStart: ProcessTree.startTime(pid), log: place.relativeLog, events: place.relativeEvents)
    CommitPoint.reached("attempt.started")
    let exit = wait(for: attempt)
    CommitPoint.reached("attempt.ended")
    place.peakMemory = attempt.peakMemory
    return try judge(exit, timedOut: attempt.timedOut, place)
  }

  private func wait(for attempt: RunningAttempt) -> ChildProcess.Exit {
    var passedOn = 0
    while true {
      let exit = attempt.step(stop: runner.stop.descriptor) { event in
        switch event {
        case .progress(let event): runner.report(.progress(cell, event))
        case .note(let text): runner.report(.note(cell, text))
        }
      }
      if let exit { return exit }
      let asked = runner.stop.count
      if asked > passedOn {
        runner.stop.drain()
        if passedOn == 0 {
          runner.report(.stopping(at: cell))
          attempt.stop()
        }
        if asked > 1 { attempt.kill() }
        passedOn = asked
      }
    }
  }

  private func judge(_ exit: ChildProcess.Exit, timedOut: Bool, _ place: AttemptPlace) throws -> Ending {
    let result = place.result()
    if let peak = result.peakMemory { place.peakMemory = max(place.peakMemory, peak) }
    if timedOut {
      let limit = Quantity.describe(seconds: cell.timeout ?? 0)
      return .failed(
        Problem("timed out after \(limit)", at: cell.id, remedy: "raise 'timeout', or make the stage smaller"),
        code: exit.code, signal: exit.signal)
    }
    if runner.stop.count > 0, exit.code != AttemptProcess.Exit.done {
      return .interrupted(Problem("interrupted", at: cell.id, remedy: "run again to go on where it stopped"))
    }
    if let signal = exit.signal {
      return .failed(
        place.withLog(Problem("ended by \(SignalName.of(signal))", at: cell.id, remedy: SignalName.remedy(signal))),
        code: nil, signal: signal)
    }
    switch exit.code ?? 1 {
    case AttemptProcess.Exit.done: return try credit(result, place)
    case AttemptProcess.Exit.refused:
      return .refused(result.problem ?? place.withLog(Problem("refused", at: cell.id)), result)
    case AttemptProcess.Exit.stopped:
      return .interrupted(result.problem ?? Problem("stopped", at: cell.id))
    case let code:
      var problem = result.problem ?? place.withLog(Problem("ended with exit code \(code)", at: cell.id))
      if problem.place == nil { problem.place = cell.id }
      return .failed(problem, code: code, signal: nil)
    }
  }

  // MARK: - Crediting

  /// Takes the outputs of an attempt that ended well, if what it read is still what its fingerprint says.
  private func credit(_ result: AttemptResult, _ place: AttemptPlace) throws -> Ending {
    let now: Fingerprint
    do throws(RunError) {
      now = try execution.planner.fingerprint(execution.index)
    } catch {
      return .changed(changed("an input can not be read any more: \(error.problem.what)"))
    }
    guard now.digest == fingerprint.digest else {
      let changes = FingerprintChange.between(fingerprint.record, now.record).map(\.name)
      return .changed(changed("an input changed while the stage ran: \(changes.joined(separator: ", "))"))
    }
    for output in execution.upstreamDigests() where try ledger.objects.check(output) != .sound {
      return .changed(changed("a result it reads was altered while the stage ran"))
    }
    guard now.witnesses == fingerprint.witnesses else { return .touched }
    CommitPoint.reached("attempt.credited")

    var outputs: [(name: String, kind: String, publication: ObjectStore.Publication)] = []
    for output in cell.outputs {
      let path = place.outputs.appending(output.name)
      guard try Files.status(path, followLinks: false) != nil else {
        return .failed(
          place.withLog(Problem("the stage ended well but did not write its output '\(output.name)'", at: cell.id)),
          code: 0, signal: nil)
      }
      outputs.append((name: output.name, kind: output.kind.rawValue, publication: try ledger.objects.publish(path)))
      CommitPoint.reached("output.published")
    }
    return .done(outputs, result)
  }

  private func changed(_ what: String) -> Problem {
    Problem(what, at: cell.id, remedy: "its result is not kept; run again when its inputs are at rest")
  }

  // MARK: - Recording

  private func record(_ id: Int, _ place: AttemptPlace, _ end: Ending) throws -> Made {
    typealias Outcome = CellExecution.Outcome
    func finish(_ status: AttemptStatus, _ problem: Problem?, code: Int32? = nil, signal: Int32? = nil) throws {
      try ledger.finish(
        id,
        Ledger.Ending(
          status, exitCode: code.map { Int($0) }, signal: signal.map { Int($0) }, error: problem?.json.text(),
          peakMemory: place.peakMemory))
    }
    switch end {
    case .done(let outputs, let result):
      var metrics = result.metrics
      place.addMeasurements(to: &metrics)
      do {
        CommitPoint.reached("success.before")
        try ledger.finish(
          id, Ledger.Ending(.done, exitCode: 0, peakMemory: place.peakMemory, metrics: .object(metrics)),
          outputs: outputs)
        CommitPoint.reached("success.after")
      } catch {
        // Without the record there is no success, whatever lies in the store.
        let cause = problem(of: error)
        try? finish(.failed, cause)
        return Made(verdict: .failed(Outcome(status: .failed, attempt: id, problem: cause)))
      }
      try? Files.removeTree(place.checkpoints)
      CommitPoint.reached("checkpoint.removed")
      for note in result.notes { runner.report(.note(cell, note)) }
      let records = outputs.map {
        OutputRecord(name: $0.name, kind: $0.kind, digest: $0.publication.content.digest)
      }
      return Made(verdict: .over(Outcome(status: .done, attempt: id, outputs: records)))
    case .failed(let problem, let code, let signal):
      try finish(.failed, problem, code: code, signal: signal)
      return Made(verdict: .failed(Outcome(status: .failed, attempt: id, problem: problem)))
    case .refused(let problem, _):
      try finish(.refused, problem, code: AttemptProcess.Exit.refused)
      return Made(verdict: .over(Outcome(status: .refused, attempt: id, problem: problem)))
    case .interrupted(let problem):
      try finish(.interrupted, problem)
      return Made(verdict: .over(Outcome(status: .interrupted, attempt: id, problem: problem)))
    case .changed(let problem):
      try finish(.discarded, problem)
      // A checkpoint of the attempt may hold what the changed input led to.
      try Files.removeTree(place.checkpoints)
      return Made(verdict: .over(Outcome(status: .failed, attempt: id, problem: problem)))
    case .touched:
      let problem = changed("an input was touched while the stage ran")
      try finish(.discarded, problem)
      try Files.removeTree(place.checkpoints)
      return Made(verdict: .touched(Outcome(status: .failed, attempt: id, problem: problem)))
    }
  }
}
