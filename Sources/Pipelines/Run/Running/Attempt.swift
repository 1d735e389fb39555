import Basics
import Foundation
import Store

/// One attempt at a cell: prepares its folders, starts its process, judges its end, and records it.
final class Attempt {
  /// What follows from an attempt.
  enum Verdict {
    case over(CellExecution.Outcome)
    /// Failed in a way that another try may mend.
    case failed(CellExecution.Outcome, FailureCause)
    /// Its inputs were touched while it ran.
    case touched(CellExecution.Outcome)
  }

  private unowned let execution: CellExecution
  private let id: Int
  private let place: AttemptPlace
  private var running: RunningAttempt?
  private var memoryKills = 0
  /// Known at once where the attempt could not even be started.
  private var early: Verdict?

  private var runner: Runner { execution.runner }
  private var ledger: Ledger { execution.ledger }
  private var cell: StageCell { execution.cell }
  private let fingerprint: Fingerprint

  /// Starts the attempt's process.
  init(_ execution: CellExecution, number: Int) throws {
    self.execution = execution
    fingerprint = execution.fingerprint
    let runner = execution.runner
    id = try execution.ledger.beginAttempt(
      run: execution.runID, pipeline: runner.pipeline.name, cell: execution.cell.id, fingerprint: fingerprint.record,
      number: number)
    CommitPoint.reached("attempt.begun")
    place = AttemptPlace(
      runner.project, attempt: id, run: execution.runID, cell: execution.cell, fingerprint: fingerprint.digest)
    do {
      try start(number)
    } catch {
      early = try end(.failed(problem(of: error), .error, code: nil, signal: nil))
    }
  }

  /// How an attempt's process ended, and what it gave.
  private enum Ending {
    case done([(name: String, kind: String, publication: ObjectStore.Publication)], AttemptResult)
    case failed(Problem, FailureCause, code: Int32?, signal: Int32?)
    case refused(Problem, AttemptResult)
    case interrupted(Problem)
    case changed(Problem)
    case touched
  }

  // MARK: - Running

  private func start(_ number: Int) throws {
    for name in cell.environment.secrets where unsafe getenv(name) == nil {
      throw RunError(
        "the secret '\(name)' is not set in the environment", at: cell.id, remedy: "set it before 'fettle run'")
    }
    try place.make()
    let spec = try place.specification(execution, number: number)
    try Files.writeAtomically(spec.json.encoded(), to: place.specification)
    CommitPoint.reached("attempt.specified")
    runner.report(
      .started(
        cell, reason: execution.reason, number: number, of: cell.retries.count + 1, log: place.log))
    memoryKills = MemoryKills.count()
    var launch = runner.launcher.launch(spec, file: place.specification)
    launch.environment.append((name: Leftovers.variable, value: FilePath(place.mark)))
    if let cards = execution.cards {
      launch.environment.append((name: "CUDA_VISIBLE_DEVICES", value: FilePath(cards)))
    }
    let attempt = try RunningAttempt(
      launch, in: runner.project.root, log: place.log, eventLog: place.events, timeout: cell.timeout)
    running = attempt
    let pid = Int(attempt.child.pid)
    do {
      try ledger.attempt(
        id, runsAs: pid, processStart: ProcessTree.startTime(pid), log: place.relativeLog,
        events: place.relativeEvents)
    } catch {
      kill()
      throw error
    }
    CommitPoint.reached("attempt.started")
  }

  /// Descriptors that become readable when there is something to do here.
  var descriptors: [Int32] { running?.descriptors ?? [] }

  /// The process, while it runs.
  var pid: Int? { running.map { Int($0.child.pid) } }

  /// Handles what has happened, without waiting; gives the verdict once the attempt is recorded.
  func step() throws -> Verdict? {
    if let early { return early }
    guard let running else { return nil }
    let exit = running.step { event in
      switch event {
      case .progress(let event): runner.report(.progress(cell, event))
      case .note(let text): runner.report(.note(cell, text))
      }
    }
    guard let exit else { return nil }
    CommitPoint.reached("attempt.ended")
    endLeftovers()
    place.peakMemory = running.peakMemory
    let ending: Ending
    do {
      ending = try judge(exit, timedOut: running.timedOut)
    } catch {
      // Its bytes could not be kept.
      ending = .failed(problem(of: error), .error, code: nil, signal: nil)
    }
    return try end(ending)
  }

  /// Asks the attempt to end in order.
  func stop() { running?.stop() }

  /// Ends the attempt at once, with all it has started.
  func kill() {
    guard let running else { return }
    running.kill()
    while running.child.poll() == nil { usleep(1000) }
    endLeftovers()
  }

  private func endLeftovers() {
    Leftovers.endMarked(place.mark)
    if runner.options.ownsProcess { Leftovers.endDescendants(sparing: execution.livingProcesses()) }
  }

  private func end(_ ending: Ending) throws -> Verdict {
    defer { Recovery.clear(place.work) }
    return try record(ending)
  }

  private func judge(_ exit: ChildProcess.Exit, timedOut: Bool) throws -> Ending {
    let result = place.result()
    if let peak = result.peakMemory { place.peakMemory = max(place.peakMemory, peak) }
    if timedOut {
      let limit = Quantity.describe(seconds: cell.timeout ?? 0)
      return .failed(
        Problem("timed out after \(limit)", at: cell.id, remedy: "raise 'timeout', or make the stage smaller"),
        .timeout, code: exit.code, signal: exit.signal)
    }
    if runner.stop.count > 0, exit.code != AttemptProcess.Exit.done {
      return .interrupted(Problem("interrupted", at: cell.id, remedy: "run again to go on where it stopped"))
    }
    let cause = FailureCause.of(
      exitCode: exit.code, signal: exit.signal, wasKilledForMemory: MemoryKills.count() > memoryKills)
    if let signal = exit.signal {
      let what = cause == .oom ? "ended for want of memory" : "ended by \(SignalName.of(signal))"
      return .failed(
        place.withLog(Problem(what, at: cell.id, remedy: SignalName.remedy(signal))), cause, code: nil,
        signal: signal)
    }
    switch exit.code ?? 1 {
    case AttemptProcess.Exit.done: return try credit(result)
    case AttemptProcess.Exit.refused:
      return .refused(result.problem ?? place.withLog(Problem("refused", at: cell.id)), result)
    case AttemptProcess.Exit.stopped:
      return .interrupted(result.problem ?? Problem("stopped", at: cell.id))
    case let code:
      var problem = result.problem ?? place.withLog(Problem("ended with exit code \(code)", at: cell.id))
      if problem.place == nil { problem.place = cell.id }
      return .failed(problem, result.problem == nil ? cause : result.cause ?? .error, code: code, signal: nil)
    }
  }

  // MARK: - Crediting

  /// Takes the outputs of an attempt that ended well, if what it read is still what its fingerprint says.
  private func credit(_ result: AttemptResult) throws -> Ending {
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
          .error, code: 0, signal: nil)
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

  private func record(_ end: Ending) throws -> Verdict {
    typealias Outcome = CellExecution.Outcome
    func finish(_ status: AttemptStatus, _ problem: Problem?, code: Int32? = nil, signal: Int32? = nil) throws {
      try ledger.finish(
        id,
        Ledger.Ending(
          status, exitCode: code.map { Int($0) }, signal: signal.map { Int($0) }, error: problem?.json.text(),
          peakMemory: place.peakMemory))
      CommitPoint.reached("attempt.recorded")
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
        return .failed(Outcome(status: .failed, attempt: id, problem: cause), .error)
      }
      try? Files.removeTree(place.checkpoints)
      CommitPoint.reached("checkpoint.removed")
      for note in result.notes { runner.report(.note(cell, note)) }
      let records = outputs.map {
        OutputRecord(name: $0.name, kind: $0.kind, digest: $0.publication.content.digest)
      }
      return .over(Outcome(status: .done, attempt: id, outputs: records))
    case .failed(let problem, let cause, let code, let signal):
      try finish(.failed, problem, code: code, signal: signal)
      return .failed(Outcome(status: .failed, attempt: id, problem: problem), cause)
    case .refused(let problem, _):
      try finish(.refused, problem, code: AttemptProcess.Exit.refused)
      return .over(Outcome(status: .refused, attempt: id, problem: problem))
    case .interrupted(let problem):
      try finish(.interrupted, problem)
      return .over(Outcome(status: .interrupted, attempt: id, problem: problem))
    case .changed(let problem):
      try finish(.discarded, problem)
      // A checkpoint of the attempt may hold what the changed input led to.
      try Files.removeTree(place.checkpoints)
      return .over(Outcome(status: .failed, attempt: id, problem: problem))
    case .touched:
      let problem = changed("an input was touched while the stage ran")
      try finish(.discarded, problem)
      try Files.removeTree(place.checkpoints)
      return .touched(Outcome(status: .failed, attempt: id, problem: problem))
    }
  }
}
