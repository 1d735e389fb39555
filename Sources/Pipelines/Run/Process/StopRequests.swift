import Foundation
import Synchronization

/// Counts requests to stop (Ctrl-C, SIGTERM) and wakes whoever polls its descriptor.
package final class StopRequests: Sendable {
  private let counter = Atomic<Int>(0)
  private let readEnd: Int32
  private let writeEnd: Int32

  package init() {
    let ends = SystemCall.makePipe(blocking: false)
    readEnd = ends?.read ?? -1
    writeEnd = ends?.write ?? -1
  }

  /// How often stopping was asked for: at the first, attempts end in order; from the second on, at once.
  package var count: Int { counter.load(ordering: .relaxed) }

  /// Readable after a request; -1 where the system had no pipe left.
  var descriptor: Int32 { readEnd }

  /// Asks to stop; safe in a signal handler.
  package func request() {
    counter.add(1, ordering: .relaxed)
    var byte: UInt8 = 1
    _ = unsafe write(writeEnd, &byte, 1)
  }

  /// Empties the pipe, so that the next poll waits again.
  func drain() {
    var bytes = [UInt8](repeating: 0, count: 64)
    while unsafe read(readEnd, &bytes, bytes.count) > 0 {}
  }

  /// The requests that come to this process by SIGINT, SIGTERM and SIGHUP.
  package static let signals = StopRequests()

  /// Turns the process's stop signals into requests of `signals`.
  package static func listenToSignals() {
    _ = signals.count
    for signal in [SIGINT, SIGTERM, SIGHUP] {
      var action = sigaction()
      unsafe action.__sigaction_handler.sa_handler = { _ in StopRequests.signals.request() }
      action.sa_flags = Int32(SA_RESTART)
      unsafe sigaction(signal, &action, nil)
    }
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }
}
