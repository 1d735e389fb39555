import Foundation

/// Lines of a stream, one at a time, with bounded memory.
package struct LineReader {
  /// A line without its line end, or one that was longer than the limit and is passed over.
  package enum Line: Sendable, Equatable {
    case text([UInt8])
    case tooLong
  }

  private let descriptor: Int32
  private let limit: Int
  private var buffer: [UInt8] = []
  private var start = 0
  private var isAtEnd = false

  /// Reads from an open descriptor; lines over `limit` bytes come as `.tooLong`.
  package init(descriptor: Int32, limit: Int = 64 << 20) {
    self.descriptor = descriptor
    self.limit = limit
  }

  /// The next line; nil at the end. A final line without a line end counts.
  package mutating func next() throws(FileError) -> Line? {
    var searched = start
    var isTooLong = false
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { start = end + 1 }
        return isTooLong ? .tooLong : .text(trimmed(buffer[start..<end]))
      }
      searched = buffer.count
      if isAtEnd {
        guard start < buffer.count || isTooLong else { return nil }
        defer { start = buffer.count }
        return isTooLong ? .tooLong : .text(trimmed(buffer[start...]))
      }
      if buffer.count - start > limit {
        isTooLong = true
        start = buffer.count
      }
      buffer.removeFirst(start)
      searched -= start
      start = 0
      try fill()
    }
  }

  private func trimmed(_ line: ArraySlice<UInt8>) -> [UInt8] {
    Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
  }

  private mutating func fill() throws(FileError) {
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe piece.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        buffer += piece[..<count]
        return
      }
      if count == 0 {
        isAtEnd = true
        return
      }
      if errno != EINTR { throw FileError("read the input", "standard input") }
    }
  }
}
