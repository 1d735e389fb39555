import Foundation

/// The one set of threads that runs tasks: the caller and `threads - 1` workers, which end with the pool.
final class WorkerPool: @unchecked Sendable {
  /// Threads that run tasks, the caller included.
  let threads: Int
  private let queue = TaskQueue()
  private var workers: [pthread_t] = []

  init(threads: Int) {
    self.threads = max(1, threads)
    for thread in 1..<max(2, self.threads) where thread < self.threads {
      let start = unsafe Unmanaged.passRetained(WorkerStart(queue: queue, thread: thread))
      var id = pthread_t()
      let status = unsafe pthread_create(
        &id, nil,
        { argument in
          guard let argument = unsafe argument else { return nil }
          let start = unsafe Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue()
          start.queue.work(thread: start.thread)
          return nil
        }, start.toOpaque())
      // With fewer workers the others take more tasks: slower, with the same result.
      if status == 0 { workers.append(id) } else { unsafe start.release() }
    }
  }

  deinit {
    queue.stop()
    for worker in workers { pthread_join(worker, nil) }
  }

  /// Runs `body(task, thread)` for every task of `0..<count` and waits for all. Which thread takes a task is left to
  /// chance, so results must not depend on it; `thread` only chooses scratch space. One caller at a time.
  func run(_ count: Int, _ body: @escaping (_ task: Int, _ thread: Int) -> Void) {
    if count <= 1 || threads == 1 {
      for task in 0..<max(0, count) { body(task, 0) }
    } else {
      queue.run(count, body)
    }
  }

  /// Runs `body(range, thread)` over `0..<count` in pieces of `size`.
  func pieces(_ count: Int, of size: Int, _ body: @escaping (_ range: Range<Int>, _ thread: Int) -> Void) {
    let size = max(1, size)
    run((count + size - 1) / size) { task, thread in
      let start = task * size
      body(start..<min(count, start + size), thread)
    }
  }
}

/// What a new worker is given.
private final class WorkerStart: Sendable {
  let queue: TaskQueue
  let thread: Int

  init(queue: TaskQueue, thread: Int) {
    self.queue = queue
    self.thread = thread
  }
}
