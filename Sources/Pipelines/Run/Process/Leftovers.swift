import Basics
import Foundation
import Synchronization

/// Ends what attempts leave running: children in the background, also those that began a session of their own.
package enum Leftovers {
  /// The variable of the environment that every process of an attempt carries, unless it took it out itself.
  package static let variable = "FETTLE_ATTEMPT"

  private static let ownsDescendants = Atomic<Bool>(false)

  /// From now on this process answers for all below it: those whose parent ends become its children, instead of the
  /// system's first process's.
  package static func ownDescendants() {
    SystemCall.adoptOrphans()
    ownsDescendants.store(true, ordering: .relaxed)
  }

  /// Kills all processes below this one, but not those in `sparing` and what lies below them; nothing where this process
  /// does not answer for them.
  ///
  /// Gives up after about five seconds: what can not be killed by then waits for a device.
  package static func endDescendants(sparing: Set<Int> = []) {
    guard ownsDescendants.load(ordering: .relaxed) else { return }
    let own = Int(getpid())
    repeated {
      let table = ProcessTable.now()
      let spared = sparing.union(sparing.flatMap { table.descendants(of: $0).map(\.pid) })
      return table.descendants(of: own).filter { !spared.contains($0.pid) }
    }
  }

  /// Kills all processes that carry the mark of an attempt.
  package static func endMarked(_ mark: String) {
    let wanted: [UInt8] = [0] + Array("\(variable)=\(mark)".utf8) + [0]
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    repeated {
      ProcessTable.pids().filter { $0 != Int(getpid()) && isMarked($0, wanted, &buffer) }
        .map { ProcessTable.Entry(pid: $0, parent: 0, isDead: false) }
    }
  }

  private static func repeated(_ find: () -> [ProcessTable.Entry]) {
    for _ in 0..<500 {
      let found = find()
      for entry in found {
        if !entry.isDead { kill(pid_t(entry.pid), SIGKILL) }
        // Those that became children of this process are buried here; for others this does nothing.
        if entry.isDead { _ = waitpid(pid_t(entry.pid), nil, WNOHANG) }
      }
      if found.allSatisfy(\.isDead) { return }
      usleep(5_000)
    }
  }

  /// Whether the environment a process began with holds some bytes.
  private static func isMarked(_ pid: Int, _ wanted: [UInt8], _ buffer: inout [UInt8]) -> Bool {
    guard let file = try? File(reading: FilePath("/proc/\(pid)/environ")) else { return false }
    var offset = 0
    // The first variable has no zero before it; every piece repeats the end of the one before.
    buffer[0] = 0
    var kept = 1
    while offset < 8 << 20 {
      let count = unsafe buffer.withUnsafeMutableBytes { raw in
        unsafe (try? file.read(into: UnsafeMutableRawBufferPointer(rebasing: raw[kept...]), at: offset)) ?? 0
      }
      if count == 0 { return false }
      offset += count
      let end = kept + count
      let isFound = unsafe buffer.withUnsafeBytes { raw in
        (0...max(0, end - wanted.count)).contains { place in
          unsafe place + wanted.count <= end && raw[place] == 0 && raw[place + 1] == wanted[1]
            && memcmp(raw.baseAddress! + place, wanted, wanted.count) == 0
        }
      }
      if isFound { return true }
      kept = min(end, wanted.count)
      for place in 0..<kept { buffer[place] = buffer[end - kept + place] }
    }
    return false
  }
}
