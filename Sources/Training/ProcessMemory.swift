import Basics
import Foundation

/// Resident memory of this process, as the kernel counts it.
package enum ProcessMemory {
  /// Bytes resident now; 0 where the system does not say.
  package static var current: Int { value(of: "VmRSS:") }
  /// The most bytes that were ever resident.
  package static var peak: Int { value(of: "VmHWM:") }

  /// Gives freed memory back to the system, which the allocator else keeps for later.
  package static func returnFree() {
    // glibc's malloc_trim, found at run time because other C libraries lack it.
    guard let symbol = unsafe dlsym(nil, "malloc_trim") else { return }
    let trim = unsafe unsafeBitCast(symbol, to: (@convention(c) (Int) -> Int32).self)
    _ = trim(0)
  }

  /// A line of /proc/self/status, in bytes.
  private static func value(of key: String) -> Int {
    guard let file = try? File(reading: "/proc/self/status") else { return 0 }
    var buffer = [UInt8](repeating: 0, count: 8192)
    let count = unsafe buffer.withUnsafeMutableBytes { raw in
      (unsafe try? file.read(into: raw, at: 0)) ?? 0
    }
    for line in buffer[..<count].split(separator: UInt8(ascii: "\n")) where line.starts(with: key.utf8) {
      let digits = line.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      return (Int(String(decoding: digits, as: UTF8.self)) ?? 0) * 1024
    }
    return 0
  }
}
