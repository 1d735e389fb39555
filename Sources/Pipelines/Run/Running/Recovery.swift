import Basics
import Foundation
import Store

/// Cleans up after runs that were killed. The caller holds the project's lock, so nobody else is at work.
struct Recovery {
  let ledger: Ledger
  let project: Project

  func cleanUp() throws {
    for attempt in try ledger.unfinishedAttempts() {
      end(attempt)
      try ledger.finish(attempt.id, Ledger.Ending(.interrupted, error: "its runner was killed"))
    }
    CommitPoint.reached("recovery.recorded")
    for name in try Files.list(project.cache.work) { Recovery.clear(project.cache.work.appending(name)) }
    // What a success no longer needs, where the runner was killed before it could remove it.
    for name in try Files.list(project.cache.checkpoints) {
      guard let digest = Digest(hex: name.display), try ledger.result(digest) != nil else { continue }
      Recovery.clear(project.cache.checkpoints.appending(name))
    }
  }

  /// Removes a folder that nothing counts in, also where a stage took away the right to.
  static func clear(_ path: FilePath) {
    do {
      try Files.removeTree(path)
    } catch {
      open(path)
      try? Files.removeTree(path)
    }
  }

  private static func open(_ path: FilePath) {
    guard let status = try? Files.status(path, followLinks: false), status.isFolder else { return }
    _ = unsafe path.withCString { unsafe chmod($0, 0o700) }
    for name in (try? Files.list(path)) ?? [] { open(path.appending(name)) }
  }

  /// Kills what a dead runner's attempt may have left running, and waits until it is gone.
  private func end(_ attempt: AttemptRecord) {
    defer { Leftovers.endMarked(AttemptPlace.mark(of: attempt.id, in: project.cache)) }
    guard let pid = attempt.pid, pid > 1, let start = attempt.processStart else { return }
    // Another process may have the number by now; the kernel's start time tells.
    guard ProcessTree.startTime(pid) == start else { return }
    kill(pid_t(-pid), SIGKILL)
    kill(pid_t(pid), SIGKILL)
    for _ in 0..<500 where ProcessTree.startTime(pid) == start { usleep(10_000) }
  }
}
