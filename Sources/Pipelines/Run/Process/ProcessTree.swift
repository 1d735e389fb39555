import Basics
import Foundation
import Store

/// The memory of a process and all its descendants, as the kernel counts it.
enum ProcessTree {
  /// Resident bytes of the tree now, shared memory included.
  static func residentBytes(root: Int) -> Int {
    var sum = 0
    var open = [root]
    var seen = 0
    while let pid = open.popLast(), seen < 10_000 {
      seen += 1
      sum += residentBytes(process: pid)
      open += children(of: pid)
    }
    return sum
  }

  /// The largest resident size a process had so far (VmHWM).
  static func peakOfProcess(_ pid: Int) -> Int? {
    guard let text = text("/proc/\(pid)/status") else { return nil }
    for line in text.split(separator: "\n") where line.hasPrefix("VmHWM:") {
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      return words.count > 1 ? Int(words[1]).map { $0 * 1024 } : nil
    }
    return nil
  }

  /// The kernel's start time of a process, which tells it from a later one with the same number.
  static func startTime(_ pid: Int) -> Int? { RunLock.startTime(pid) }

  private static func residentBytes(process pid: Int) -> Int {
    guard let fields = text("/proc/\(pid)/statm")?.split(separator: " "), fields.count > 1 else { return 0 }
    return (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
  }

  private static func children(of pid: Int) -> [Int] {
    guard let tasks = try? Files.list(FilePath("/proc/\(pid)/task")) else { return [] }
    var children: [Int] = []
    for task in tasks {
      guard let text = text("/proc/\(pid)/task/\(task.name)/children") else { continue }
      children += text.split(separator: " ").compactMap { Int($0) }
    }
    return children
  }

  /// The text of a file of /proc, whose size is unknown before.
  static func text(_ path: String) -> String? {
    guard let file = try? File(reading: FilePath(path)) else { return nil }
    var buffer = [UInt8](repeating: 0, count: 1 << 14)
    let count = unsafe buffer.withUnsafeMutableBytes { unsafe try? file.read(into: $0, at: 0) }
    return count.map { String(decoding: buffer[..<$0], as: UTF8.self) }
  }
}
