import Basics
import Foundation

/// The ways an attempt can fail, as `retry_on` names them.
package enum FailureCause: String, Sendable, CaseIterable {
  /// A signal ended it, or it ended as a shell does whose program a signal ended (128 and the signal's number).
  case crash
  /// Its program ended with another exit code than 0.
  case exitCode = "exit_code"
  /// It took longer than `timeout`.
  case timeout
  /// The kernel killed it, or a process it had started, for want of memory.
  case oom
  /// The stage itself said what is wrong, did not write an output, or could not be started.
  case error

  /// What ended a program that `signal` killed, or that ended with `exitCode`. `wasKilledForMemory` says whether the
  /// kernel killed a process for want of memory meanwhile.
  package static func of(exitCode: Int32?, signal: Int32?, wasKilledForMemory: Bool) -> FailureCause {
    let number = signal ?? exitCode.flatMap { (129...159).contains($0) ? $0 - 128 : nil }
    if number == SIGKILL, wasKilledForMemory { return .oom }
    return number == nil ? .exitCode : .crash
  }
}

/// An error that knows which way of failing it is.
package protocol FailureCausing: FettleError {
  var cause: FailureCause { get }
}

/// How many processes the kernel has killed for want of memory, here or on the whole machine.
package enum MemoryKills {
  /// Grows with every such kill; 0 where the kernel does not tell.
  package static func count() -> Int {
    field("oom_kill", of: "/sys/fs/cgroup/memory.events") + field("oom_kill", of: "/proc/vmstat")
  }

  private static func field(_ name: String, of path: String) -> Int {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return 0 }
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == name { return Int(words[1]) ?? 0 }
    }
    return 0
  }
}
