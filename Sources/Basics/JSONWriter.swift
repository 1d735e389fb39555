extension JSON {
  /// The value as JSON text in UTF-8: compact by default, or indented by two spaces.
  ///
  /// `sortedKeys` orders members by their key's bytes: the canonical form that fingerprints use.
  package func encoded(pretty: Bool = false, sortedKeys: Bool = false) -> [UInt8] {
    var writer = Writer(pretty: pretty, sortedKeys: sortedKeys)
    writer.write(self, depth: 0)
    return writer.bytes
  }

  /// `encoded` as a String.
  package func text(pretty: Bool = false, sortedKeys: Bool = false) -> String {
    String(decoding: encoded(pretty: pretty, sortedKeys: sortedKeys), as: UTF8.self)
  }

  private struct Writer {
    let pretty: Bool
    let sortedKeys: Bool
    var bytes: [UInt8] = []

    mutating func write(_ value: JSON, depth: Int) {
      switch value {
      case .null: bytes += "null".utf8
      case .bool(let value): bytes += (value ? "true" : "false").utf8
      case .number(let number): bytes += number.literal.utf8
      case .string(let text): write(text)
      case .array(let items):
        write(open: "[", close: "]", count: items.count, depth: depth) { writer, index in
          writer.write(items[index], depth: depth + 1)
        }
      case .object(let object):
        var members = object.members
        if sortedKeys { members.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) } }
        write(open: "{", close: "}", count: members.count, depth: depth) { writer, index in
          writer.write(members[index].key)
          writer.bytes += (writer.pretty ? ": " : ":").utf8
          writer.write(members[index].value, depth: depth + 1)
        }
      }
    }

    private mutating func write(
      open: String, close: String, count: Int, depth: Int, item: (inout Writer, Int) -> Void
    ) {
      bytes += open.utf8
      for index in 0..<count {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        if pretty { newLine(depth + 1) }
        item(&self, index)
      }
      if pretty, count > 0 { newLine(depth) }
      bytes += close.utf8
    }

    private mutating func newLine(_ depth: Int) {
      bytes.append(UInt8(ascii: "\n"))
      bytes += repeatElement(UInt8(ascii: " "), count: depth * 2)
    }

    private mutating func write(_ text: String) { JSON.write(text, to: &bytes) }
  }

  /// Appends `text` as a JSON string, quotes included; only what must be escaped is.
  package static func write(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    let done: Void? = unsafe text.utf8.withContiguousStorageIfAvailable { unsafe escape($0, into: &bytes) }
    if done == nil { unsafe Array(text.utf8).withUnsafeBufferPointer { unsafe escape($0, into: &bytes) } }
    bytes.append(UInt8(ascii: "\""))
  }

  /// Copies runs that need no escape as a whole.
  private static func escape(_ text: UnsafeBufferPointer<UInt8>, into bytes: inout [UInt8]) {
    var start = 0
    for index in text.indices {
      let byte = unsafe text[index]
      guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
      unsafe bytes.append(contentsOf: text[start..<index])
      start = index + 1
      switch byte {
      case UInt8(ascii: "\""): bytes += "\\\"".utf8
      case UInt8(ascii: "\\"): bytes += "\\\\".utf8
      case 0x0A: bytes += "\\n".utf8
      case 0x0D: bytes += "\\r".utf8
      case 0x09: bytes += "\\t".utf8
      default:
        bytes += "\\u00".utf8
        bytes.append(hexadecimalDigit(byte >> 4))
        bytes.append(hexadecimalDigit(byte & 15))
      }
    }
    unsafe bytes.append(contentsOf: text[start...])
  }

  private static func hexadecimalDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }
}
