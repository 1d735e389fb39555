import Basics
import CUTF8Proc
import Foundation

/// Brings texts into one form: Unicode, white space, control characters.
struct TextNormalizer: Sendable {
  enum Form: String, Sendable { case nfc, nfkc, none }

  let form: Form
  let whitespace: Bool
  let removesControls: Bool

  /// `text` in that form; nil when nothing changes.
  func apply(_ text: String, _ ends: TextEnds) -> String? {
    let composed = compose(text)
    let source = composed ?? text
    let cleaned = unsafe Words.bytes(of: source) { bytes -> [UInt8]? in
      guard unsafe needsCleaning(bytes, ends) else { return nil }
      var output: [UInt8] = []
      output.reserveCapacity(bytes.count)
      unsafe clean(bytes, ends, into: &output)
      return output
    }
    let result = cleaned.map { String(decoding: $0, as: UTF8.self) } ?? composed
    return result.flatMap { sameBytes($0, text) ? nil : $0 }
  }

  /// Whether `clean` may change anything: a quick look that most texts pass.
  private func needsCleaning(_ bytes: UnsafeRawBufferPointer, _ ends: TextEnds) -> Bool {
    guard let first = unsafe bytes.first, let last = unsafe bytes.last else { return false }
    if whitespace {
      if !ends.contains(.start), first <= 0x20 { return true }
      if !ends.contains(.end), last <= 0x20 { return true }
    }
    var blankLines = 0
    var previous: UInt8 = 0
    for index in bytes.indices {
      let byte = unsafe bytes[index]
      if TextNormalizer.isPlain(byte) {
        previous = byte
        continue
      }
      if byte == 0x0A {
        if whitespace, previous == 0x20 || previous == 0x09 || previous == 0x0D { return true }
        blankLines = previous == 0x0A ? blankLines + 1 : 0
        if whitespace, blankLines > 2 { return true }
      } else if byte != 0x09 {
        return true
      }
      previous = byte
    }
    return false
  }

  /// Copies `bytes` line by line without what is not wanted.
  private func clean(_ bytes: UnsafeRawBufferPointer, _ ends: TextEnds, into output: inout [UInt8]) {
    var index = 0
    let count = bytes.count
    while index < count {
      // A run of bytes that need no look.
      let run = index
      while index < count, unsafe TextNormalizer.isPlain(bytes[index]) { index += 1 }
      unsafe output.append(contentsOf: bytes[run..<index])
      guard index < count else { break }
      let byte = unsafe bytes[index]
      switch byte {
      case 0x0D where whitespace:
        if unsafe index + 1 >= count || bytes[index + 1] != 0x0A { endLine(&output) }
        index += 1
      case 0x0A where whitespace:
        endLine(&output)
        index += 1
      case 0x09, 0x0A, 0x0D:
        output.append(byte)
        index += 1
      case 0..<0x20, 0x7F:
        if !removesControls { output.append(byte) }
        index += 1
      default:
        let (scalar, length) = unsafe UTF8Scan.scalar(bytes, at: index)
        let isControl = scalar < 0xA0 || scalar == 0xFEFF
        if !(removesControls && isControl) {
          unsafe output.append(contentsOf: bytes[index..<min(index + length, count)])
        }
        index += length
      }
    }
    if whitespace { strip(&output, ends) }
  }

  /// Neither a control character nor the first byte of U+0080…U+009F or U+FEFF.
  @inline(__always)
  private static func isPlain(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F && byte != 0xC2 && byte != 0xEF }

  /// Ends a line: blanks before the line end go, and a third blank line in a row.
  private func endLine(_ output: inout [UInt8]) {
    while let last = output.last, last == 0x20 || last == 0x09 { output.removeLast() }
    let count = output.count
    if count >= 3, output[count - 1] == 0x0A, output[count - 2] == 0x0A, output[count - 3] == 0x0A { return }
    output.append(0x0A)
  }

  /// Removes white space at the ends, except where a neighbour follows directly.
  private func strip(_ output: inout [UInt8], _ ends: TextEnds) {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x09 }
    if !ends.contains(.end) {
      while let last = output.last, isBlank(last) { output.removeLast() }
    }
    if !ends.contains(.start), let first = output.first, isBlank(first) {
      output.removeFirst(output.firstIndex { !isBlank($0) } ?? output.count)
    }
  }

  // MARK: Unicode

  /// `text` composed; nil when it is so already.
  private func compose(_ text: String) -> String? {
    if form == .none { return nil }
    return unsafe Words.bytes(of: text) { bytes -> String? in
      if unsafe isComposed(bytes) { return nil }
      var options = UTF8PROC_STABLE.rawValue | UTF8PROC_COMPOSE.rawValue
      if form == .nfkc { options |= UTF8PROC_COMPAT.rawValue }
      var result: UnsafeMutablePointer<UInt8>?
      let count = unsafe utf8proc_map(
        bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, &result,
        utf8proc_option_t(rawValue: options))
      guard count >= 0, let result = unsafe result else { return nil }
      defer { unsafe free(result) }
      return unsafe String(decoding: UnsafeBufferPointer(start: result, count: count), as: UTF8.self)
    }
  }

  /// Whether every character is one that no normalisation touches, whatever stands beside it.
  private func isComposed(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var index = unsafe UTF8Scan.skipASCII(bytes, from: 0)
    while index < bytes.count {
      if form == .nfkc { return false }
      let (scalar, length) = unsafe UTF8Scan.scalar(bytes, at: index)
      guard TextNormalizer.isStable(scalar) else { return false }
      index = unsafe UTF8Scan.skipASCII(bytes, from: index + length)
    }
    return true
  }

  /// Ranges whose characters are starters, stand composed and never compose with what follows in them.
  private static func isStable(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0..<0x300, 0x400..<0x483, 0x48A..<0x530, 0x2002...0x2125, 0x3000..<0x302A, 0x3030..<0x3099,
      0x309B..<0xA000, 0xAC00..<0xD7A4, 0xFF00..<0xFFF0, 0x1F300..<0x1FB00:
      true
    default: false
    }
  }
}
