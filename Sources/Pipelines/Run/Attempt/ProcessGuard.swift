import Foundation
import Synchronization

/// Ties the life of this process to its parent's, and turns requests to stop into a flag.
package enum ProcessGuard {
  private static let stopRequested = Atomic<Bool>(false)

  /// Whether the process was asked to stop in order.
  package static var isStopRequested: Bool { stopRequested.load(ordering: .relaxed) }

  /// From now on SIGTERM and SIGINT only set the flag.
  package static func noticeStopRequests() {
    _ = isStopRequested
    for signal in [SIGTERM, SIGINT] { handle(signal) { _ in ProcessGuard.requestStop() } }
    // The runner's end of the event pipe may close first; that is no reason to die before the checkpoint.
    Foundation.signal(SIGPIPE, SIG_IGN)
  }

  /// From now on the end of the parent ends this process and all of its process group.
  ///
  /// The kernel sends SIGUSR2 when the parent's thread ends (PR_SET_PDEATHSIG); its handler kills the group. A parent
  /// that ended before is noticed by its number.
  package static func endWith(parent: Int) throws(RunError) {
    handle(SIGUSR2) { _ in kill(getpgrp() == getpid() ? 0 : getpid(), SIGKILL) }
    SystemCall.setParentDeathSignal(SIGUSR2)
    guard Int(getppid()) == parent else {
      throw RunError("the runner of this attempt is gone", remedy: "run again: fettle run starts its attempts itself")
    }
  }

  private static func requestStop() { stopRequested.store(true, ordering: .relaxed) }

  private static func handle(_ signal: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
    var action = sigaction()
    unsafe action.__sigaction_handler.sa_handler = handler
    action.sa_flags = Int32(SA_RESTART)
    unsafe sigaction(signal, &action, nil)
  }
}
