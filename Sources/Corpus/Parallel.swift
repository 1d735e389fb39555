import Dispatch

/// Work spread over the machine's cores whose result does not depend on how many there are.
enum Parallel {
  /// `body(0)`, `body(1)`, … in order; the calls run at the same time.
  static func map<T: Sendable>(_ count: Int, _ body: @Sendable (Int) -> T) -> [T] {
    if count <= 1 { return count == 1 ? [body(0)] : [] }
    return unsafe [T](unsafeUninitializedCapacity: count) { buffer, initialized in
      nonisolated(unsafe) let slots = unsafe buffer
      DispatchQueue.concurrentPerform(iterations: count) { index in
        unsafe slots.initializeElement(at: index, to: body(index))
      }
      initialized = count
    }
  }

  /// `0..<count` cut into pieces of `size`: fixed, so that results do not depend on threads.
  static func pieces(_ count: Int, of size: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
  }

  /// `body` for each piece of `0..<count`, in order.
  static func mapPieces<T: Sendable>(
    _ count: Int, of size: Int, _ body: @Sendable (Range<Int>) -> T
  ) -> [T] {
    let ranges = pieces(count, of: size)
    return map(ranges.count) { body(ranges[$0]) }
  }
}
