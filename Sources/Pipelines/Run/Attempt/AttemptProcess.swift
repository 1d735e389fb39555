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
      try ProcessGuard.endWith(parent: spec.runner)
      ProcessGuard.noticeStopRequests()
      _ = fcntl(spec.eventDescriptor, F_SETFD, FD_CLOEXEC)
      return perform(spec, runner: runner)
    } catch {
      FileHandle.standardError.write(Data("\(problem(of: error))\n".utf8))
      return Exit.failed
    }
  }

  private static func perform(_ spec: AttemptSpec, runner: (String) -> (any StageRunner)?) -> Int32 {
    let channel = EventChannel(descriptor: spec.eventDescriptor)
    let context = StageContext(
      spec: spec,
      progress: { event in
        channel.send(event)
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
    } catch let stop as StageStopped {
      result.problem = stop.problem
      code = Exit.stopped
    } catch let refusal as StageRefused {
      result.problem = refusal.problem
      code = Exit.refused
    } catch {
      result.problem = problem(of: error)
      code = Exit.failed
    }
    result.peakMemory = ProcessTree.peakOfProcess(Int(getpid()))
    channel.flush()
    if let problem = result.problem { FileHandle.standardError.write(Data("\(problem)\n".utf8)) }
    do {
      try Files.writeAtomically(result.json.encoded(), to: spec.resultFile)
    } catch {
      FileHandle.standardError.write(Data("\(problem(of: error))\n".utf8))
      return code == Exit.done ? Exit.failed : code
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
    let line = event.json.encoded() + [0x0A]
    unsafe line.withUnsafeBytes { raw in
      var sent = 0
      while sent < raw.count {
        let count = unsafe write(descriptor, raw.baseAddress! + sent, raw.count - sent)
        if count < 0, errno == EINTR { continue }
        if count <= 0 { return }
        sent += count
      }
    }
  }
}
