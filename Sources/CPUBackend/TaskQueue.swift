import CKernels
import Foundation
import Synchronization

/// The tasks of one job at a time, taken by several threads.
///
/// Workers wait for a job by spinning a short while, since a program's instructions follow each other closely, then
/// sleep. A job ends when its tasks have ended, so a worker that woke late is not waited for.
@safe final class TaskQueue: @unchecked Sendable {
  /// Tasks of the job not yet taken; zero or less between jobs. A thread that takes the last one down from a positive
  /// number owns a task, and the job cannot end before that task has: so `body` is safe to read then.
  private let remaining = Atomic<Int>(0)
  private let finished = Atomic<Int>(0)
  /// Counts jobs, so that a worker about to sleep sees one that has just come.
  private let generation = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)
  private var body: (_ task: Int, _ thread: Int) -> Void = { _, _ in }
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let bell: UnsafeMutablePointer<pthread_cond_t>

  /// Looks before sleeping: some tens of microseconds.
  private static let patience = 2_000

  init() {
    unsafe lock = .allocate(capacity: 1)
    unsafe bell = .allocate(capacity: 1)
    unsafe pthread_mutex_init(lock, nil)
    unsafe pthread_cond_init(bell, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(bell)
    unsafe pthread_mutex_destroy(lock)
    unsafe bell.deallocate()
    unsafe lock.deallocate()
  }

  func run(_ count: Int, _ body: @escaping (_ task: Int, _ thread: Int) -> Void) {
    self.body = body
    finished.store(0, ordering: .relaxed)
    remaining.store(count, ordering: .sequentiallyConsistent)
    ringIfNeeded()
    takeTasks(thread: 0)
    var looks = 0
    while finished.load(ordering: .acquiring) < count {
      looks += 1
      if looks < TaskQueue.patience { ck_pause() } else { sched_yield() }
    }
  }

  func work(thread: Int) {
    var seen = generation.load(ordering: .sequentiallyConsistent)
    while !stopping.load(ordering: .relaxed) {
      takeTasks(thread: thread)
      var looks = 0
      while looks < TaskQueue.patience, remaining.load(ordering: .relaxed) <= 0 {
        ck_pause()
        looks += 1
      }
      if looks == TaskQueue.patience { sleep(unlessAfter: &seen) }
    }
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    ringIfNeeded()
  }

  private func takeTasks(thread: Int) {
    // Looking first keeps the counter from sinking while workers spin.
    while remaining.load(ordering: .relaxed) > 0 {
      let task = remaining.subtract(1, ordering: .acquiringAndReleasing).newValue
      guard task >= 0 else { return }
      body(task, thread)
      finished.add(1, ordering: .releasing)
    }
  }

  private func ringIfNeeded() {
    generation.add(1, ordering: .sequentiallyConsistent)
    guard sleepers.load(ordering: .sequentiallyConsistent) > 0 else { return }
    unsafe pthread_mutex_lock(lock)
    unsafe pthread_cond_broadcast(bell)
    unsafe pthread_mutex_unlock(lock)
  }

  private func sleep(unlessAfter seen: inout Int) {
    unsafe pthread_mutex_lock(lock)
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while generation.load(ordering: .sequentiallyConsistent) == seen { unsafe pthread_cond_wait(bell, lock) }
    seen = generation.load(ordering: .sequentiallyConsistent)
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
    unsafe pthread_mutex_unlock(lock)
  }
}
