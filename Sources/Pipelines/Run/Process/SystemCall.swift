import Foundation

/// Calls of Linux that take a variable number of arguments, which Swift does not import.
enum SystemCall {
  private typealias ProcessControl = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
  private typealias General = @convention(c) (Int, Int, Int, Int) -> Int

  /// Has the kernel send `signal` to this process when the thread that started it ends.
  static func setParentDeathSignal(_ signal: Int32) {
    guard let symbol = unsafe dlsym(nil, "prctl") else { return }
    let call = unsafe unsafeBitCast(symbol, to: ProcessControl.self)
    _ = call(1, UInt(signal), 0, 0, 0)  // PR_SET_PDEATHSIG
  }

  /// A descriptor that becomes readable when the process ends; nil where the kernel has none.
  static func openProcess(_ pid: pid_t) -> Int32? {
    guard let symbol = unsafe dlsym(nil, "syscall") else { return nil }
    let call = unsafe unsafeBitCast(symbol, to: General.self)
    let descriptor = call(434, Int(pid), 0, 0)  // SYS_pidfd_open; close-on-exec by itself
    return descriptor >= 0 ? Int32(descriptor) : nil
  }
}
