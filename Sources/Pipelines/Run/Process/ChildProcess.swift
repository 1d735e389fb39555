import Basics
import Foundation

/// A started program in a process group of its own.
final class ChildProcess {
  /// How it ended.
  struct Exit: Sendable, Equatable {
    /// Nil when a signal ended it.
    let code: Int32?
    let signal: Int32?
    /// The largest resident size of one process of its tree, in bytes, as the kernel's accounting has it.
    let largestResident: Int
  }

  let pid: pid_t
  /// Readable once the process has ended; nil where the kernel has no such descriptor.
  let endDescriptor: Int32?
  private(set) var exit: Exit?

  private init(pid: pid_t) {
    self.pid = pid
    endDescriptor = SystemCall.openProcess(pid)
  }

  /// Starts a program: standard input empty, standard output and error to `log`, `events` as descriptor 3.
  static func start(_ launch: Launch, in folder: FilePath, log: Int32, events: Int32) throws(FileError) -> ChildProcess
  {
    let null = try File("/dev/null", flags: O_RDONLY)
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, null.descriptor, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, log, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, log, 2)
    unsafe posix_spawn_file_actions_adddup2(&actions, events, 3)
    let moved = unsafe folder.withCString { unsafe SystemCall.addFolder(&actions, $0) }
    guard moved == 0 else { throw FileError("start a program in", folder, code: moved) }

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    unsafe sigemptyset(&none)
    var all = sigset_t()
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

    var pid: pid_t = 0
    let arguments = CStrings([launch.executable.bytes] + launch.arguments.map(\.bytes))
    let environment = CStrings(environment(adding: launch.environment))
    let code = unsafe launch.executable.withCString {
      unsafe posix_spawn(&pid, $0, &actions, &attributes, arguments.pointers, environment.pointers)
    }
    guard code == 0 else { throw FileError("start the program", launch.executable, code: code) }
    return ChildProcess(pid: pid)
  }

  /// Sends a signal to the whole group.
  func signal(_ number: Int32) {
    if exit == nil { kill(-pid, number) }
  }

  /// How the process ended, or nil while it runs. What is left of its group is killed with it.
  func poll() -> Exit? {
    if let exit { return exit }
    var info = unsafe siginfo_t()
    let seen = unsafe waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT)
    // Without an ended child the structure stays zero, and so does the signal number in it.
    guard seen == 0, unsafe info.si_signo == SIGCHLD else { return nil }
    kill(-pid, SIGKILL)
    var status: Int32 = 0
    var usage = rusage()
    while unsafe wait4(pid, &status, 0, &usage) < 0, errno == EINTR {}
    let signal = status & 0x7F
    let ended = Exit(
      code: signal == 0 ? status >> 8 & 0xFF : nil, signal: signal == 0 ? nil : signal,
      largestResident: Int(usage.ru_maxrss) * 1024)
    exit = ended
    return ended
  }

  private static func environment(adding extra: [(name: String, value: FilePath)]) -> [[UInt8]] {
    var entries: [[UInt8]] = []
    let added = extra.map { Array($0.name.utf8) + [UInt8(ascii: "=")] }
    var pointer = unsafe environ
    while let entry = unsafe pointer.pointee {
      let bytes = unsafe UnsafeRawBufferPointer(start: entry, count: strlen(entry)).map { $0 }
      if !added.contains(where: { bytes.starts(with: $0) }) { entries.append(bytes) }
      unsafe pointer += 1
    }
    return entries + zip(added, extra).map { $0 + $1.value.bytes }
  }

  deinit {
    if let endDescriptor { close(endDescriptor) }
  }
}
