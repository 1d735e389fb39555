import Foundation

/// A path as the bytes the system knows it by; names need not be valid UTF-8.
package struct FilePath: Hashable, Sendable, ExpressibleByStringLiteral {
  /// The bytes without a final zero.
  package let bytes: [UInt8]

  package init(bytes: [UInt8]) { self.bytes = bytes }
  package init(_ text: String) { bytes = Array(text.utf8) }
  package init(stringLiteral value: String) { self.init(value) }

  /// The path for messages: invalid bytes become U+FFFD.
  package var display: String { String(decoding: bytes, as: UTF8.self) }

  package var isAbsolute: Bool { bytes.first == UInt8(ascii: "/") }

  /// This path with `name` below it; an absolute `name` replaces it.
  package func appending(_ name: String) -> FilePath { appending(FilePath(name)) }
  package func appending(_ name: FilePath) -> FilePath {
    if name.isAbsolute || bytes.isEmpty { return name }
    if name.bytes.isEmpty { return self }
    return FilePath(
      bytes: bytes.last == UInt8(ascii: "/") ? bytes + name.bytes : bytes + [UInt8(ascii: "/")] + name.bytes)
  }

  /// What follows the last slash.
  package var name: String {
    String(decoding: bytes.split(separator: UInt8(ascii: "/")).last ?? [], as: UTF8.self)
  }

  /// The folder this path lies in: "." for a bare name, "/" for the root.
  package var parent: FilePath {
    var parts = bytes
    while parts.count > 1, parts.last == UInt8(ascii: "/") { parts.removeLast() }
    guard let slash = parts.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == 0 ? "/" : FilePath(bytes: Array(parts[..<slash]))
  }

  /// The lower-case ending after the last dot of the name, without the dot; "" when there is none.
  package var fileExtension: String {
    let name = self.name
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
    return name[name.index(after: dot)...].lowercased()
  }

  /// Calls `body` with the path as a C string.
  package func withCString<T, E: Error>(_ body: (UnsafePointer<CChar>) throws(E) -> T) throws(E) -> T {
    let terminated = bytes.map { CChar(bitPattern: $0) } + [0]
    let result: Result<T, E> = unsafe terminated.withUnsafeBufferPointer { buffer in
      // A non-empty array's buffer has a base address.
      Result { () throws(E) -> T in unsafe try body(buffer.baseAddress!) }
    }
    return try result.get()
  }
}
