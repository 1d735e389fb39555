import Basics
import Foundation

/// A child in this process's own group, so that whatever ends the group ends it too.
final class CommandProcess {
  enum End: Equatable {
    case exited(Int32)
    case signalled(Int32)

    var words: String {
      switch self {
      case .exited(let code): "ended with exit code \(code)"
      case .signalled(let signal): "was ended by signal \(signal)"
      }
    }

    var code: Int32? { if case .exited(let code) = self { code } else { nil } }
    var signal: Int32? { if case .signalled(let signal) = self { signal } else { nil } }
  }

  private let pid: pid_t

  /// Starts `arguments[0]` with standard input from /dev/null; both its outputs go to `output`, or where this
  /// process's go.
  init(arguments: [String], environment: [[UInt8]], output: Int32? = nil) throws {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    if let output {
      unsafe posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
      unsafe posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
    }
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    // The attempt ignores and handles signals that its child should not.
    var defaults = sigset_t()
    unsafe sigemptyset(&defaults)
    for signal in [SIGPIPE, SIGTERM, SIGINT, SIGUSR2] { unsafe sigaddset(&defaults, signal) }
    unsafe posix_spawnattr_setsigdefault(&attributes, &defaults)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))

    var child = pid_t()
    let argv = CStrings(arguments.map { Array($0.utf8) })
    let envp = CStrings(environment)
    let code = unsafe FilePath(arguments[0]).withCString {
      unsafe posix_spawn(&child, $0, &actions, &attributes, argv.pointers, envp.pointers)
    }
    guard code == 0 else { throw FileError("start the program", FilePath(arguments[0]), code: code) }
    pid = child
  }

  /// How the child ended, or nil when it still runs after so many milliseconds.
  func wait(milliseconds: Int) throws -> End? {
    let deadline = ProcessInfo.processInfo.systemUptime + Double(milliseconds) / 1000
    while true {
      var status: Int32 = 0
      let found = unsafe waitpid(pid, &status, WNOHANG)
      if found == pid {
        return status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .signalled(status & 0x7F)
      }
      if found < 0, errno != EINTR { throw FileError("wait for the program", "/bin/sh") }
      if ProcessInfo.processInfo.systemUptime >= deadline { return nil }
      usleep(5000)
    }
  }

  /// Asks the child to end, and makes it after two seconds.
  func terminate() {
    kill(pid, SIGTERM)
    if case .some(.some) = try? wait(milliseconds: 2000) { return }
    kill(pid, SIGKILL)
    _ = try? wait(milliseconds: 1000)
  }
}
