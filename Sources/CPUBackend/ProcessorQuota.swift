import Foundation

/// The processor time that a control group allows, in processors: more threads than that only wait for each other.
package enum ProcessorQuota {
  /// The quota of this process's container; nil where there is none.
  package static func current() -> Double? {
    if let text = try? String(contentsOfFile: "/sys/fs/cgroup/cpu.max", encoding: .utf8) {
      return parse(maximum: text)
    }
    let folder = "/sys/fs/cgroup/cpu/"
    guard let quota = try? String(contentsOfFile: folder + "cpu.cfs_quota_us", encoding: .utf8),
      let period = try? String(contentsOfFile: folder + "cpu.cfs_period_us", encoding: .utf8)
    else { return nil }
    return parse(maximum: quota + " " + period)
  }

  /// Reads "QUOTA PERIOD" in microseconds; "max", a negative quota or anything else is no quota.
  package static func parse(maximum text: String) -> Double? {
    let parts = text.split { $0.isWhitespace }
    guard parts.count == 2, let quota = Double(parts[0]), let period = Double(parts[1]), quota > 0, period > 0,
      quota.isFinite, period.isFinite
    else { return nil }
    return quota / period
  }
}
