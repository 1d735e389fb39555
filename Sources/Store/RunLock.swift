import Basics
import Foundation

/// The right to run pipelines in a project: a lock of the system's that ends with its process, however it ends.
package final class RunLock {
  /// Who holds a lock.
  package struct Holder: Sendable, Equatable {
    package let pid: Int
    package let command: String
    /// When it took the lock, in seconds since 1970.
    package let since: Int

    /// "process 4711 (fettle run a.yaml) since 2025-01-31 12:00:05"
    package var description: String { "process \(pid) (\(command)) since \(RunLock.clock(since))" }
  }

  private let file: File

  private init(file: File) { self.file = file }

  // Not left to the closing of the file: a program that is just being started may share it for a moment.
  deinit { flock(file.descriptor, LOCK_UN) }

  /// Takes the lock if nobody has it, and writes down who does now; nil when it is held.
  package static func take(_ path: FilePath, command: String) throws(StoreError) -> RunLock? {
    try storing { () throws(FileError) in
      try Files.makeFolder(path.parent)
      let file = try File(path, flags: O_RDWR | O_CREAT)
      while flock(file.descriptor, LOCK_EX | LOCK_NB) != 0 {
        if errno == EWOULDBLOCK { return nil }
        if errno != EINTR { throw FileError("lock the file", path) }
      }
      let holder: JSON = [
        "pid": JSON(Int(getpid())), "command": JSON(command), "since": JSON(Int(time(nil))),
        "start": RunLock.startTime(Int(getpid())).map { JSON($0) } ?? .null,
      ]
      let bytes = holder.encoded() + [0x0A]
      guard ftruncate(file.descriptor, 0) == 0 else { throw FileError("write to the file", path) }
      let written: Result<Void, FileError> = unsafe bytes.withUnsafeBytes { raw in
        Result { () throws(FileError) -> Void in unsafe try file.write(raw, at: 0) }
      }
      try written.get()
      return RunLock(file: file)
    }
  }

  /// Who holds the lock, as far as the holder has written it down; nil when that process has ended, also where another
  /// one has its number now.
  package static func holder(_ path: FilePath) -> Holder? {
    guard let bytes = try? Files.read(path, limit: 1 << 16), let value = try? JSONParser.parse(bytes) else {
      return nil
    }
    guard let pid = value["pid"]?.int, let command = value["command"]?.string, let since = value["since"]?.int else {
      return nil
    }
    guard value["start"]?.int == startTime(pid) else { return nil }
    return Holder(pid: pid, command: command, since: since)
  }

  /// When the kernel started a process, in its own ticks; nil when there is no such process.
  package static func startTime(_ pid: Int) -> Int? {
    guard let file = try? File(reading: FilePath("/proc/\(pid)/stat")) else { return nil }
    var buffer = [UInt8](repeating: 0, count: 4096)
    guard let count = unsafe buffer.withUnsafeMutableBytes({ unsafe try? file.read(into: $0, at: 0) }) else {
      return nil
    }
    // The name in parentheses may hold anything; the fields after the last one are numbers.
    let fields = buffer[..<count].split(separator: UInt8(ascii: ")")).last?.split(separator: 0x20) ?? []
    return fields.count > 19 ? Int(String(decoding: fields[19], as: UTF8.self)) : nil
  }

  /// The error for a lock that is held, for callers that do not wait.
  package static func busy(_ path: FilePath) -> StoreError {
    let holder = holder(path)
    var error = StoreError(
      "another run is under way in this project: \(holder?.description ?? "its process is not known yet")",
      at: path, remedy: "wait for it to end, or leave --no-wait out to wait here")
    error.holdsLock = true
    return error
  }

  /// Local time to the second.
  package static func clock(_ seconds: Int) -> String {
    var moment = time_t(seconds)
    tzset()
    var parts = unsafe tm()
    unsafe localtime_r(&moment, &parts)
    let fields = unsafe [
      parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
    ]
    let words = fields.map { $0 < 10 ? "0\($0)" : "\($0)" }
    return words[..<3].joined(separator: "-") + " " + words[3...].joined(separator: ":")
  }
}
