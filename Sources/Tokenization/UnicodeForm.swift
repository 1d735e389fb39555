import CUTF8Proc
import Foundation

/// A Unicode normalisation form (UAX #15), by utf8proc.
enum UnicodeForm: Sendable {
  case nfc, nfd, nfkc, nfkd

  private var options: UInt32 {
    let stable = UTF8PROC_STABLE.rawValue
    return switch self {
    case .nfc: stable | UTF8PROC_COMPOSE.rawValue
    case .nfd: stable | UTF8PROC_DECOMPOSE.rawValue
    case .nfkc: stable | UTF8PROC_COMPOSE.rawValue | UTF8PROC_COMPAT.rawValue
    case .nfkd: stable | UTF8PROC_DECOMPOSE.rawValue | UTF8PROC_COMPAT.rawValue
    }
  }

  /// The normalised text; nil where nothing changes. Invalid bytes stay as they are.
  func apply(_ view: TextView) -> MappedText? {
    guard unsafe view.bytes.contains(where: { $0 >= 0x80 }) else { return nil }
    var result = MappedText()
    var changed = false
    var start = 0
    while start < view.count {
      let end = unsafe clusterEnd(view.bytes, start)
      let range = start..<end
      if unsafe view.bytes[start] >= 0x80 || range.count > 1, let new = unsafe normalized(view.bytes, range) {
        if !changed {
          changed = true
          result.reserve(view.count)
          result.append(view, 0..<start)
        }
        append(new, for: range, of: view, to: &result)
      } else if changed {
        result.append(view, range)
      }
      start = end
    }
    return changed ? result : nil
  }

  /// Appends the normalised form of `range`; the characters it begins and ends with unchanged keep their places.
  private func append(_ new: [UInt8], for range: Range<Int>, of view: TextView, to result: inout MappedText) {
    func isBoundary(_ byte: UInt8) -> Bool { byte & 0xC0 != 0x80 }
    var front = 0
    var common = 0
    while common < min(new.count, range.count), unsafe new[common] == view.bytes[range.lowerBound + common] {
      common += 1
      let ends = common == new.count || isBoundary(new[common])
      let endsOld = unsafe common == range.count || isBoundary(view.bytes[range.lowerBound + common])
      if ends && endsOld { front = common }
    }
    var back = 0
    common = 0
    while common < min(new.count, range.count) - front,
      unsafe new[new.count - 1 - common] == view.bytes[range.upperBound - 1 - common]
    {
      common += 1
      if isBoundary(new[new.count - common]) { back = common }
    }
    result.append(view, range.lowerBound..<range.lowerBound + front)
    let middle = range.lowerBound + front..<range.upperBound - back
    result.append(new[front..<new.count - back], for: middle, of: view)
    result.append(view, range.upperBound - back..<range.upperBound)
  }

  /// Where the characters that may act on each other, beginning at `start`, end.
  private func clusterEnd(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    var index = unsafe start + Unicode8.scalar(bytes, at: start, to: bytes.count).length
    while index < bytes.count {
      let (scalar, length) = unsafe Unicode8.scalar(bytes, at: index, to: bytes.count)
      if Self.beginsCluster(scalar) { break }
      index += length
    }
    return index
  }

  /// Whether no character before this one can act on it: it is no mark and no second half of a composition.
  private static func beginsCluster(_ scalar: UInt32) -> Bool {
    guard scalar >= 0x300 else { return true }
    guard scalar < 0x110000 else { return true }
    // Vowels and finals of Hangul compose with what stands before them, without marks' combining classes.
    if (0x1160...0x11FF).contains(scalar) { return false }
    guard let property = unsafe utf8proc_get_property(utf8proc_int32_t(bitPattern: scalar)) else { return true }
    if unsafe property.pointee.combining_class != 0 { return false }
    let category = Unicode8.categoryMask(scalar)
    if category & Unicode8.Category.mark != 0 { return false }
    // Compatibility forms of Hangul letters and voicing marks become ones that compose.
    return !(0x3131...0x318E).contains(scalar) && !(0xFF9E...0xFFDC).contains(scalar)
  }

  /// Whether a character alone has no decomposition in any form.
  private static func isPlain(_ scalar: UInt32) -> Bool {
    guard !(0xAC00..<0xD7A4).contains(scalar) else { return false }
    guard let property = unsafe utf8proc_get_property(utf8proc_int32_t(bitPattern: scalar)) else { return true }
    return unsafe property.pointee.decomp_seqindex == UInt16.max
  }

  /// The normalised form of `range`; nil where it is the same.
  private func normalized(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> [UInt8]? {
    let first = unsafe Unicode8.scalar(bytes, at: range.lowerBound, to: range.upperBound)
    guard first.scalar != Unicode8.invalid else { return nil }
    if first.length == range.count, Self.isPlain(first.scalar) { return nil }
    guard let base = bytes.baseAddress else { return nil }
    var output: UnsafeMutablePointer<UInt8>?
    let length = unsafe utf8proc_map(
      base + range.lowerBound, range.count, &output, utf8proc_option_t(rawValue: options))
    defer { unsafe free(output) }
    guard length >= 0, let output = unsafe output else { return nil }
    let new = unsafe UnsafeBufferPointer(start: output, count: length)
    if unsafe new.elementsEqual(bytes[range]) { return nil }
    return unsafe Array(new)
  }
}
