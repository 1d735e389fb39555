/// How a token shard lies in its file. Numbers are little-endian.
///
///     header   64 bytes: magic, version u32, max_seq_length u32, vocabulary size u32, 12 zeros, tokenizer's SHA-256
///     examples one behind the other: ids i32 x n, then one bit a token (trained, lowest bit first), zeros up to 4 bytes
///     tables   lengths u32 x examples, trained tokens u32 x examples, segments u32 x blocks,
///              examples of the blocks u32 x examples
///     trailer  80 bytes: examples, blocks, tokens, trained tokens, offset of the tables, each u64; magic;
///              SHA-256 of all bytes before it
///
/// Every example is in exactly one block; a block's segments are its examples in the order of the table.
enum TokenShardLayout {
  static let headerMagic = Array("FTLTOKNS".utf8)
  static let trailerMagic = Array("FTLTOKNE".utf8)
  static let version: UInt32 = 1
  static let headerSize = 64
  static let trailerSize = 80
  /// Largest `max_seq_length`, and largest number of examples.
  static let longestSequence = 1 << 24
  static let mostExamples = 1 << 30

  /// Bytes of an example of `count` tokens.
  static func size(of count: Int) -> Int { count * 4 + ((count + 7) / 8 + 3) / 4 * 4 }

  static func append(_ value: UInt32, to bytes: inout [UInt8]) {
    for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
  }

  static func append(_ value: UInt64, to bytes: inout [UInt8]) {
    for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
  }

  static func u32(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    UInt32(bytes[offset]) | UInt32(bytes[offset + 1]) << 8 | UInt32(bytes[offset + 2]) << 16
      | UInt32(bytes[offset + 3]) << 24
  }

  static func u64(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
    UInt64(u32(bytes, offset)) | UInt64(u32(bytes, offset + 4)) << 32
  }

  /// The 32 bytes of a digest's 64 hexadecimal digits.
  static func bytes(ofHex hex: String) -> [UInt8] {
    let digits = hex.utf8.map { UInt8($0 <= 0x39 ? $0 - 0x30 : $0 - 0x57) }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  static func hex(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    return String(decoding: text, as: UTF8.self)
  }
}
