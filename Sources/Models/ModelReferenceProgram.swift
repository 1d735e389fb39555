import Basics
import Foundation

/// Runs one of the system's programs (pip, curl) to its end, within a time, its words kept for messages.
package struct ModelReferenceProgram {
  /// Program and arguments as bytes, for paths need not be valid UTF-8; the program is looked up in PATH.
  package let arguments: [FilePath]

  package init(arguments: [FilePath]) { self.arguments = arguments }

  package enum Outcome {
    /// The program is not on this machine.
    case absent
    case ended(status: Int32, lastLines: String)
    case tooLong(lastLines: String)
    case stopped
  }

  /// Runs the program with its output in the file `log`. `tick` is called several times a second; false stops it.
  ///
  /// The program is the leader of a process group, which dies as a whole when it is stopped or takes longer than
  /// `seconds`.
  package func run(log: FilePath, seconds: Double, tick: () -> Bool) throws(ModelError) -> Outcome {
    var attributes = posix_spawnattr_t()
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawnattr_init(&attributes)
    unsafe posix_spawn_file_actions_init(&actions)
    defer {
      unsafe posix_spawnattr_destroy(&attributes)
      unsafe posix_spawn_file_actions_destroy(&actions)
    }
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe log.withCString {
      _ = unsafe posix_spawn_file_actions_addopen(&actions, 1, $0, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    }
    unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)

    var process: pid_t = 0
    var list: [UnsafeMutablePointer<CChar>?] =
      unsafe arguments.map { unsafe $0.withCString { unsafe strdup($0) } } + [nil]
    defer { for index in 0..<arguments.count { unsafe free(list[index]) } }
    let name = arguments.first?.display ?? ""
    let code = unsafe posix_spawnp(&process, name, &actions, &attributes, &list, environ)
    if code == ENOENT || code == EACCES { return .absent }
    guard code == 0 else {
      throw ModelError("cannot start \(name): \(unsafe String(cString: strerror(code)))")
    }
    return wait(process, log: log, seconds: seconds, tick: tick)
  }

  private func wait(_ process: pid_t, log: FilePath, seconds: Double, tick: () -> Bool) -> Outcome {
    let end = ContinuousClock.now + .seconds(seconds)
    var status: Int32 = 0
    while true {
      let got = unsafe waitpid(process, &status, WNOHANG)
      if got == process {
        let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
        return .ended(status: code, lastLines: Self.lastLines(log))
      }
      if got < 0, errno != EINTR { return .ended(status: 255, lastLines: Self.lastLines(log)) }
      let late = ContinuousClock.now >= end
      if late || !tick() {
        kill(-process, SIGKILL)
        unsafe waitpid(process, &status, 0)
        return late ? .tooLong(lastLines: Self.lastLines(log)) : .stopped
      }
      usleep(50_000)
    }
  }

  /// The last few lines that the program wrote.
  private static func lastLines(_ log: FilePath) -> String {
    guard let bytes = try? Files.read(log, limit: 1 << 24) else { return "" }
    let lines = bytes.suffix(2000).split(separator: 0x0A).suffix(4)
    return lines.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " | ")
  }
}
