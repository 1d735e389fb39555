import Foundation
import Synchronization

/// Ties the life of this process to its parent's, and turns requests to stop into a flag.
package enum ProcessGuard {
  private static let stopRequested = Atomic<Bool>(false)
  /// What handlers tell the thread that acts on it: handlers themselves may do next to nothing.
  private static let messages = SystemCall.makePipe(blocking: true)
  private static let parentEnded = UInt8(ascii: "p")
  private static let stopAsked = UInt8(ascii: "s")

  /// Whether the process was asked to stop in order.
  package static var isStopRequested: Bool { stopRequested.load(ordering: .relaxed) }

  /// From now on SIGTERM and SIGINT only set the flag and call `onStop` on a thread of its own; and the end of the
  /// parent ends this process, its process group, and everything it has started.
  ///
  /// The kernel sends SIGUSR2 when the parent's thread ends (PR_SET_PDEATHSIG). A parent that ended before is noticed
  /// by its number. Without a parent, only requests to stop are noticed.
  package static func begin(parent: Int?, onStop: @escaping @Sendable () -> Void) throws(RunError) {
    _ = isStopRequested
    _ = messages
    Leftovers.ownDescendants()
    let listener = Thread { listen(onStop) }
    listener.stackSize = 1 << 20
    listener.start()
    for signal in [SIGTERM, SIGINT] { handle(signal) { _ in ProcessGuard.requestStop() } }
    // The runner's end of the event pipe may close first; that is no reason to die before the checkpoint.
    Foundation.signal(SIGPIPE, SIG_IGN)
    guard let parent else { return }
    handle(SIGUSR2) { _ in ProcessGuard.tell(ProcessGuard.parentEnded) }
    SystemCall.setParentDeathSignal(SIGUSR2)
    guard Int(getppid()) == parent else {
      throw RunError("the runner of this attempt is gone", remedy: "run again: fettle run starts its attempts itself")
    }
  }

  private static func listen(_ onStop: @Sendable () -> Void) {
    guard let messages else { return }
    var message: UInt8 = 0
    while true {
      let count = unsafe read(messages.read, &message, 1)
      if count < 0, errno == EINTR { continue }
      guard count == 1 else { return }
      if message == stopAsked { onStop() }
      if message == parentEnded {
        Leftovers.endDescendants()
        kill(getpgrp() == getpid() ? 0 : getpid(), SIGKILL)
      }
    }
  }

  private static func requestStop() {
    stopRequested.store(true, ordering: .relaxed)
    tell(stopAsked)
  }

  /// Safe in a signal handler.
  private static func tell(_ message: UInt8) {
    guard let messages else { return }
    var message = message
    let before = errno
    _ = unsafe write(messages.write, &message, 1)
    errno = before
  }

  private static func handle(_ signal: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
    var action = sigaction()
    unsafe action.__sigaction_handler.sa_handler = handler
    action.sa_flags = Int32(SA_RESTART)
    unsafe sigaction(signal, &action, nil)
  }
}
