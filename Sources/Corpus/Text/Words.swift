import CUTF8Proc

/// How a text is cut into words; letters are folded to lower case in any case.
///
/// Scripts that write no spaces (Han, kana, Thai, Lao, Khmer, Burmese) give one word a character.
enum WordSplit: Sendable {
  /// Words are what white space parts, punctuation included.
  case spaces
  /// Words are runs of letters, marks and digits.
  case letters
}

/// Cuts text into hashed words.
enum Words {
  /// Appends the hashes of `text`'s words to `words`.
  static func append(_ text: String, _ split: WordSplit, to words: inout [UInt64]) {
    unsafe bytes(of: text) { unsafe scan($0, split) { hash, _, _ in words.append(hash) } }
  }

  /// The hashes of `text`'s words.
  static func hashes(_ text: String, _ split: WordSplit) -> [UInt64] {
    var words: [UInt64] = []
    append(text, split, to: &words)
    return words
  }

  /// The byte ranges of `text`'s words.
  static func ranges(_ text: String, _ split: WordSplit) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    unsafe bytes(of: text) { unsafe scan($0, split) { _, start, end in ranges.append(start..<end) } }
    return ranges
  }

  /// Calls `body` with the bytes of `text`.
  static func bytes<T>(of text: String, _ body: (UnsafeRawBufferPointer) -> T) -> T {
    var text = text
    return text.withUTF8 { unsafe body(UnsafeRawBufferPointer($0)) }
  }

  @inline(__always)
  private static func scan(
    _ bytes: UnsafeRawBufferPointer, _ split: WordSplit, _ word: (UInt64, Int, Int) -> Void
  ) {
    let seed: UInt64 = 0xCBF2_9CE4_8422_2325
    let prime: UInt64 = 0x0000_0100_0000_01B3
    var hash = seed
    var start = -1
    var index = 0
    let end = bytes.count
    let letters = split == .letters
    @inline(__always) func close(_ at: Int) {
      if start >= 0 {
        word(Hashing.mix(hash), start, at)
        start = -1
        hash = seed
      }
    }
    while index < end {
      let byte = unsafe bytes[index]
      if byte < 0x80 {
        if letters ? !isLetterOrDigit(byte) : isSpace(byte) {
          close(index)
        } else {
          if start < 0 { start = index }
          let folded = byte &- 0x41 < 26 ? byte | 0x20 : byte
          hash = (hash ^ UInt64(folded)) &* prime
        }
        index += 1
        continue
      }
      let (scalar, length) = unsafe UTF8Scan.scalar(bytes, at: index)
      switch kind(scalar, split) {
      case .gap: close(index)
      case .alone:
        close(index)
        word(Hashing.mix((seed ^ UInt64(scalar)) &* prime), index, min(index + length, end))
      case .part:
        if start < 0 { start = index }
        hash = (hash ^ UInt64(UInt32(bitPattern: utf8proc_tolower(Int32(scalar))))) &* prime
      }
      index += length
    }
    close(end)
  }

  private enum Kind { case gap, alone, part }

  /// Python's white space below 0x80.
  @inline(__always)
  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) || (byte >= 0x1C && byte <= 0x1F)
  }

  @inline(__always)
  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10
  }

  private static func kind(_ scalar: UInt32, _ split: WordSplit) -> Kind {
    switch scalar {
    case 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: return .gap
    case 0x3040...0x30FF, 0x31F0...0x31FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFF,
      0x0E00...0x0EFF, 0x1000...0x109F, 0x1780...0x17FF:
      return split == .letters && !isWordPart(scalar) ? .gap : .alone
    default:
      return split == .letters && !isWordPart(scalar) ? .gap : .part
    }
  }

  /// Letters, marks and numbers.
  private static func isWordPart(_ scalar: UInt32) -> Bool {
    let category = utf8proc_category(Int32(scalar))
    return (UTF8PROC_CATEGORY_LU.rawValue...UTF8PROC_CATEGORY_NO.rawValue).contains(category.rawValue)
  }
}

/// Hashes of all runs of `count` words.
enum Shingles {
  private static let base: UInt64 = 0x9E6C_63D0_876A_3F6B

  /// Appends the hash of every run of `count` words; of all words together when there are fewer.
  static func append(_ words: [UInt64], count: Int, to hashes: inout [UInt64]) {
    guard !words.isEmpty else { return }
    let count = min(count, words.count)
    var power: UInt64 = 1
    var sum: UInt64 = 0
    for index in 0..<count {
      sum = sum &* base &+ words[index]
      if index > 0 { power = power &* base }
    }
    hashes.append(Hashing.mix(sum))
    var index = count
    while index < words.count {
      sum = (sum &- words[index - count] &* power) &* base &+ words[index]
      hashes.append(Hashing.mix(sum))
      index += 1
    }
  }

  /// The set of shingles, sorted.
  static func set(_ words: [UInt64], count: Int) -> [UInt64] {
    var hashes: [UInt64] = []
    hashes.reserveCapacity(words.count)
    append(words, count: count, to: &hashes)
    hashes.sort()
    var kept = 0
    for index in hashes.indices where index == 0 || hashes[index] != hashes[index - 1] {
      hashes[kept] = hashes[index]
      kept += 1
    }
    hashes.removeLast(hashes.count - kept)
    return hashes
  }

  /// Whether the Jaccard similarity of two sorted sets reaches `threshold`, and its value if so.
  static func similarity(_ a: [UInt64], _ b: [UInt64], atLeast threshold: Double) -> Double? {
    let total = a.count + b.count
    guard total > 0, Double(min(a.count, b.count)) >= threshold * Double(max(a.count, b.count)) else { return nil }
    // shared / (total - shared) >= threshold, so at least this many are shared, and at most so many are not.
    let needed = Int((threshold * Double(total) / (1 + threshold)).rounded(.up))
    var missesLeft = total - 2 * max(0, needed - 1)
    var shared = 0
    var i = 0
    var j = 0
    while i < a.count, j < b.count {
      if a[i] == b[j] {
        shared += 1
        i += 1
        j += 1
      } else {
        missesLeft -= 1
        if missesLeft < 0 { return nil }
        if a[i] < b[j] { i += 1 } else { j += 1 }
      }
    }
    let value = Double(shared) / Double(total - shared)
    return value >= threshold ? value : nil
  }
}
