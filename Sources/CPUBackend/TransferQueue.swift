import Basics
import Foundation
import Tensors

/// Copies between the arena and the page file behind the program's back: a transfer is begun, and later waited for.
///
/// Transfers of overlapping parts of the file keep their order; others may overtake each other.
@safe final class TransferQueue: @unchecked Sendable {
  @safe struct Transfer {
    let number: Int
    let isRead: Bool
    let memory: UnsafeMutableRawPointer
    let offset: Int
    let bytes: Int
  }

  private struct Entry {
    let transfer: Transfer
    var isRunning = false
  }

  private let pages: PageFile
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>
  /// Begun and not done, in the order they were begun.
  private var open: [Entry] = []
  private var failure: TensorError?
  private var isStopping = false
  private var threads: [pthread_t] = []

  /// Threads that wait for the disk: one more than a direction each keeps both directions busy.
  private static let threadCount = 3

  init(pages: PageFile) {
    self.pages = pages
    unsafe lock = .allocate(capacity: 1)
    unsafe changed = .allocate(capacity: 1)
    unsafe pthread_mutex_init(lock, nil)
    unsafe pthread_cond_init(changed, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(changed)
    unsafe pthread_mutex_destroy(lock)
    unsafe changed.deallocate()
    unsafe lock.deallocate()
  }

  func begin(_ transfer: Transfer) {
    unsafe pthread_mutex_lock(lock)
    if threads.isEmpty { start() }
    open.append(Entry(transfer: transfer))
    unsafe pthread_cond_broadcast(changed)
    unsafe pthread_mutex_unlock(lock)
  }

  /// Waits until the newest transfer of this number is done; throws what any transfer failed with.
  func wait(for number: Int) throws(TensorError) {
    try wait { open.contains { $0.transfer.number == number } }
  }

  /// Waits until nothing is open; throws what any transfer failed with, and forgets it.
  func drain() throws(TensorError) {
    defer { failure = nil }
    try wait { !open.isEmpty }
  }

  /// Ends the threads when nothing is open.
  func stop() {
    unsafe pthread_mutex_lock(lock)
    isStopping = true
    unsafe pthread_cond_broadcast(changed)
    unsafe pthread_mutex_unlock(lock)
    for thread in threads { pthread_join(thread, nil) }
    threads = []
  }

  private func wait(while isBusy: () -> Bool) throws(TensorError) {
    unsafe pthread_mutex_lock(lock)
    while isBusy() { unsafe pthread_cond_wait(changed, lock) }
    let found = failure
    unsafe pthread_mutex_unlock(lock)
    if let found { throw found }
  }

  private func start() {
    for _ in 0..<TransferQueue.threadCount {
      var thread = pthread_t()
      let queue = unsafe Unmanaged.passRetained(self)
      let status = unsafe pthread_create(
        &thread, nil,
        { argument in
          guard let argument = unsafe argument else { return nil }
          unsafe Unmanaged<TransferQueue>.fromOpaque(argument).takeRetainedValue().work()
          return nil
        }, queue.toOpaque())
      if status == 0 { threads.append(thread) } else { unsafe queue.release() }
    }
    if threads.isEmpty {
      failure = TensorError(Problem("cannot start a thread for transfers", remedy: "raise the limit on threads"))
      open = []
    }
  }

  private func work() {
    unsafe pthread_mutex_lock(lock)
    while true {
      if let place = nextReady() {
        open[place].isRunning = true
        let transfer = open[place].transfer
        let isDoomed = failure != nil
        unsafe pthread_mutex_unlock(lock)
        var fault: TensorError?
        if !isDoomed {
          do throws(TensorError) {
            unsafe try pages.transfer(
              isRead: transfer.isRead, memory: transfer.memory, offset: transfer.offset, bytes: transfer.bytes)
          } catch {
            fault = error
          }
        }
        unsafe pthread_mutex_lock(lock)
        if let fault, failure == nil { failure = fault }
        open.removeAll { $0.transfer.number == transfer.number }
        unsafe pthread_cond_broadcast(changed)
      } else if isStopping {
        break
      } else {
        unsafe pthread_cond_wait(changed, lock)
      }
    }
    unsafe pthread_mutex_unlock(lock)
  }

  /// The first open transfer that is not running and overlaps no earlier one that is open.
  private func nextReady() -> Int? {
    for (place, entry) in open.enumerated() where !entry.isRunning {
      let range = entry.transfer.offset..<entry.transfer.offset + entry.transfer.bytes
      let isFree = !open[..<place].contains { earlier in
        let other = earlier.transfer.offset..<earlier.transfer.offset + earlier.transfer.bytes
        return other.overlaps(range) && !(earlier.transfer.isRead && entry.transfer.isRead)
      }
      if isFree { return place }
    }
    return nil
  }
}
