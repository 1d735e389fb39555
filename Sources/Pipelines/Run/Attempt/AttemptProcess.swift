import Basics
import Foundation
import Store
import Synchronization

/// The attempt's side of the pact with the runner: reads the specification, reports, and ends when the runner does.
///
/// The executable calls `AttemptProcess.main` for its hidden `__attempt SPEC.json` subcommand.
package enum AttemptProcess {
  /// Exit codes between an attempt and its runner.
  package enum Exit {
    package static let done: Int32 = 0
    package static let failed: Int32 = 1
    package static let refused: Int32 = 3
    package static let stopped: Int32 = 130
  }

  /// Runs the attempt that `specification` describes with the stage code that `runner` finds; gives the exit code.
  package static func main(
    specification: FilePath, runner: (_ kind: String) -> (any StageRunner)?
  ) -> Int32 {
    do {
      let spec = try AttemptSpec(try JSONParser.parse(try Files.read(specification, limit: 1 << 28)))
      let end = AttemptEnd(spec, stopsAtOnce: runner(spec.kind)?.stopsAtOnce ?? false)
      try ProcessGuard.begin(parent: spec.runner) { end.stopAsked() }
      _ = fcntl(spec.eventDescriptor, F_SETFD, FD_CLOEXEC)
      CommitPoint.reached("\(spec.kind).begun")
      return perform(spec, end, runner: runner)
    } catch {
      SystemCall.send(Array("\(problem(of: error))\n".utf8), to: STDERR_FILENO)
      return Exit.failed
    }
  }

  private static func perform(
    _ spec: AttemptSpec, _ end: AttemptEnd, runner: (String) -> (any StageRunner)?
  ) -> Int32 {
    let channel = EventChannel(descriptor: spec.eventDescriptor)
    let context = StageContext(
      spec: spec,
      progress: { event in
        channel.send(event)
        CommitPoint.reached("\(spec.kind).\(event.unit)")
        return ProcessGuard.isStopRequested ? .stop : .goOn
      },
      note: { channel.send(.note($0)) })
    var result = AttemptResult()
    var code = Exit.done
    do {
      guard let stage = runner(spec.kind) else {
        throw RunError("this program has no stage of the kind '\(spec.kind)'", at: spec.cell)
      }
      let report = try stage.run(context)
      result.metrics = report.metrics
      result.notes = report.notes
      CommitPoint.reached("\(spec.kind).worked")
    } catch let stop as StageStopped {
      result.problem = stop.problem
      code = Exit.stopped
    } catch let refusal as StageRefused {
      result.problem = refusal.problem
      code = Exit.refused
    } catch {
      result.problem = problem(of: error)
      result.cause = (error as? any FailureCausing)?.cause
      code = Exit.failed
    }
    channel.flush()
    return end.write(result, code: code)
  }
}

/// The end of an attempt's process: it comes once, from whichever side.
private final class AttemptEnd: Sendable {
  private let spec: AttemptSpec
  private let stopsAtOnce: Bool
  private let isOver = Mutex(false)

  init(_ spec: AttemptSpec, stopsAtOnce: Bool) {
    self.spec = spec
    self.stopsAtOnce = stopsAtOnce
  }

  /// A stage that has nothing to save need not be waited for.
  func stopAsked() {
    guard stopsAtOnce else { return }
    let code = write(AttemptResult(problem: StageStopped().problem), code: AttemptProcess.Exit.stopped)
    _exit(code)
  }

  /// Ends what the stage left running and writes the result file; gives the exit code.
  ///
  /// Never returns to the one who comes second: the first ends the process.
  func write(_ result: AttemptResult, code: Int32) -> Int32 {
    let isSecond = isOver.withLock { isOver in
      defer { isOver = true }
      return isOver
    }
    while isSecond { sleep(1) }
    var result = result
    Leftovers.endDescendants()
    result.peakMemory = ProcessTree.peakOfProcess(Int(getpid()))
    if let problem = result.problem { SystemCall.send(Array("\(problem)\n".utf8), to: STDERR_FILENO) }
    do {
      try Files.writeAtomically(result.json.encoded(), to: spec.resultFile)
      CommitPoint.reached("\(spec.kind).reported")
    } catch {
      SystemCall.send(Array("\(problem(of: error))\n".utf8), to: STDERR_FILENO)
      return code == AttemptProcess.Exit.done ? AttemptProcess.Exit.failed : code
    }
    return code
  }
}

/// Writes events to the runner; a progress event that comes within a tenth of a second of the last one of its unit
/// waits for the next, except steps of training and the last one.
private final class EventChannel: Sendable {
  private struct State {
    var lastUnit = ""
    var lastTime = 0.0
    var waiting: ProgressEvent?
  }
  private let descriptor: Int32
  private let state = Mutex(State())

  init(descriptor: Int32) { self.descriptor = descriptor }

  func send(_ event: ProgressEvent) {
    let due = state.withLock { state -> Bool in
      let now = ProcessInfo.processInfo.systemUptime
      let isLast = event.total.map { event.done >= $0 } ?? false
      if event.unit != "step", event.unit == state.lastUnit, now - state.lastTime < 0.1, !isLast {
        state.waiting = event
        return false
      }
      state.lastUnit = event.unit
      state.lastTime = now
      state.waiting = nil
      return true
    }
    if due { send(.progress(event)) }
  }

  func flush() {
    if let waiting = state.withLock({ $0.waiting }) { send(.progress(waiting)) }
  }

  func send(_ event: AttemptEvent) {
    SystemCall.send(event.json.encoded() + [0x0A], to: descriptor)
  }
}
