import Foundation

/// Memory that one instruction needs while it runs: a common part, and a part of each thread.
///
/// Sized when programs are loaded; changes only while no program runs.
@safe final class Scratch: @unchecked Sendable {
  private let threads: Int
  private var sharedBytes = 0
  private var threadBytes = 0
  private var base: UnsafeMutableRawPointer?

  init(threads: Int) { self.threads = threads }

  deinit { unsafe free(base) }

  /// Makes room for at least `shared` bytes in common and `perThread` bytes for each thread.
  func reserve(shared: Int, perThread: Int) {
    guard shared > sharedBytes || perThread > threadBytes else { return }
    sharedBytes = max(sharedBytes, Scratch.aligned(shared))
    threadBytes = max(threadBytes, Scratch.aligned(perThread))
    unsafe free(base)
    var memory: UnsafeMutableRawPointer?
    let status = unsafe posix_memalign(&memory, 4096, sharedBytes + threads * threadBytes)
    unsafe base = status == 0 ? memory : nil
  }

  var isReady: Bool { unsafe base != nil || sharedBytes + threadBytes == 0 }

  /// The common part; valid for what was reserved.
  func shared<T>(as type: T.Type) -> UnsafeMutablePointer<T> {
    unsafe start.assumingMemoryBound(to: type)
  }

  /// The part of `thread`; valid for what was reserved.
  func part(_ thread: Int) -> UnsafeMutablePointer<Float> {
    unsafe (start + sharedBytes + thread * threadBytes).assumingMemoryBound(to: Float.self)
  }

  private var start: UnsafeMutableRawPointer {
    guard let base = unsafe base else { preconditionFailure("scratch was used without being reserved") }
    return unsafe base
  }

  private static func aligned(_ bytes: Int) -> Int { (bytes + 4095) / 4096 * 4096 }
}
