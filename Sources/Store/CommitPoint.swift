import Foundation
import Synchronization

/// Named places where a kill must leave a cache that is right: the moments before and after each lasting step.
///
/// `FETTLE_CRASH_AT=name` in the environment kills the process at that place, as a power cut would; `name#3` at the
/// third time it is reached. Tests walk through all of them. With the variable unset, passing one costs a comparison.
package enum CommitPoint {
  private static let target: (name: String, time: Int)? = {
    guard let value = ProcessInfo.processInfo.environment["FETTLE_CRASH_AT"], !value.isEmpty else { return nil }
    let parts = value.split(separator: "#", maxSplits: 1)
    return (String(parts.first ?? ""), parts.count > 1 ? Int(parts[1]) ?? 1 : 1)
  }()
  private static let times = Atomic<Int>(0)

  package static func reached(_ name: String) {
    guard let target, target.name == name else { return }
    if times.wrappingAdd(1, ordering: .relaxed).newValue == target.time { kill(getpid(), SIGKILL) }
  }
}
