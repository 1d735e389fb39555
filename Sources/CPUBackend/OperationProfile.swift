import Foundation
import Synchronization
import Tensors

/// Time spent in one kind of operation.
package struct OperationTime: Sendable, Equatable {
  /// The operation and its phase: "gemm forward".
  package var name: String
  package var seconds: Double
  package var count: Int
}

/// Seconds and counts by operation, kept only while on.
final class OperationProfile: Sendable {
  let isOn = Atomic<Bool>(false)
  private let times = Mutex<[String: OperationTime]>([:])

  var entries: [OperationTime] {
    times.withLock { Array($0.values) }.sorted { ($1.seconds, $0.name) < ($0.seconds, $1.name) }
  }

  func clear() { times.withLock { $0 = [:] } }

  func add(_ name: String, seconds: Double) {
    times.withLock {
      $0[name, default: OperationTime(name: name, seconds: 0, count: 0)].seconds += seconds
      $0[name]?.count += 1
    }
  }

  /// A monotonic clock in seconds.
  static func now() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
