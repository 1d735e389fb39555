import Foundation

/// Calls of Linux that Swift does not import: with a variable number of arguments, or GNU's own.
package enum SystemCall {
  private typealias ProcessControl = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
  private typealias Pipe = @convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Int32
  private typealias AddFolder = @convention(c) (UnsafeMutableRawPointer, UnsafePointer<CChar>) -> Int32
  private typealias General = @convention(c) (Int, Int, Int, Int) -> Int

  /// Has the kernel send `signal` to this process when the thread that started it ends.
  static func setParentDeathSignal(_ signal: Int32) {
    guard let symbol = unsafe dlsym(nil, "prctl") else { return }
    let call = unsafe unsafeBitCast(symbol, to: ProcessControl.self)
    _ = call(1, UInt(signal), 0, 0, 0)  // PR_SET_PDEATHSIG
  }

  /// Has the kernel make this process the parent of its descendants whose parents end.
  static func adoptOrphans() {
    guard let symbol = unsafe dlsym(nil, "prctl") else { return }
    let call = unsafe unsafeBitCast(symbol, to: ProcessControl.self)
    _ = call(36, 1, 0, 0, 0)  // PR_SET_CHILD_SUBREAPER
  }

  /// Both ends of a pipe (to read, to write), closed on exec, not blocking where wanted.
  package static func makePipe(blocking: Bool) -> (read: Int32, write: Int32)? {
    guard let symbol = unsafe dlsym(nil, "pipe2") else { return nil }
    let call = unsafe unsafeBitCast(symbol, to: Pipe.self)
    var ends: [Int32] = [-1, -1]
    let code = unsafe ends.withUnsafeMutableBufferPointer { buffer in
      unsafe buffer.baseAddress.map { unsafe call($0, O_CLOEXEC | (blocking ? 0 : O_NONBLOCK)) } ?? -1
    }
    return code == 0 ? (read: ends[0], write: ends[1]) : nil
  }

  /// Writes all of `bytes`, or as much as the other end takes: nobody may be there, the disk may be full.
  static func send(_ bytes: [UInt8], to descriptor: Int32) {
    unsafe bytes.withUnsafeBytes { raw in
      var sent = 0
      while sent < raw.count {
        let count = unsafe write(descriptor, raw.baseAddress! + sent, raw.count - sent)
        if count < 0, errno == EINTR { continue }
        if count <= 0 { return }
        sent += count
      }
    }
  }

  /// Has a spawned program begin in `folder`.
  static func addFolder(_ actions: inout posix_spawn_file_actions_t, _ folder: UnsafePointer<CChar>) -> Int32 {
    guard let symbol = unsafe dlsym(nil, "posix_spawn_file_actions_addchdir_np") else { return ENOSYS }
    let call = unsafe unsafeBitCast(symbol, to: AddFolder.self)
    return unsafe withUnsafeMutablePointer(to: &actions) { unsafe call(UnsafeMutableRawPointer($0), folder) }
  }

  /// A descriptor that becomes readable when the process ends; nil where the kernel has none.
  static func openProcess(_ pid: pid_t) -> Int32? {
    guard let symbol = unsafe dlsym(nil, "syscall") else { return nil }
    let call = unsafe unsafeBitCast(symbol, to: General.self)
    let descriptor = call(434, Int(pid), 0, 0)  // SYS_pidfd_open; close-on-exec by itself
    return descriptor >= 0 ? Int32(descriptor) : nil
  }
}
