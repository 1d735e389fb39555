/// The characters that stand for bytes in the vocabularies of byte-level tokenizers (GPT-2's table).
enum ByteAlphabet {
  /// Scalar of each byte: printable Latin-1 stands for itself, the rest for U+0100 and up.
  static let scalars: [UInt32] = {
    var scalars = [UInt32](repeating: 0, count: 256)
    var next: UInt32 = 256
    for byte in 0..<256 {
      let printable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
      scalars[byte] = printable ? UInt32(byte) : next
      if !printable { next += 1 }
    }
    return scalars
  }()

  private static let bytes: [Int16] = {
    var bytes = [Int16](repeating: -1, count: 324)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = Int16(byte) }
    return bytes
  }()

  /// The byte that a scalar stands for.
  static func byte(_ scalar: Unicode.Scalar) -> UInt8? {
    guard scalar.value < UInt32(bytes.count), bytes[Int(scalar.value)] >= 0 else { return nil }
    return UInt8(truncatingIfNeeded: bytes[Int(scalar.value)])
  }

  /// The bytes that a vocabulary's spelling stands for; nil where it has other characters.
  static func decoded(_ name: String) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(name.utf8.count)
    for scalar in name.unicodeScalars {
      guard let byte = byte(scalar) else { return nil }
      result.append(byte)
    }
    return result
  }

  /// A vocabulary's spelling of bytes.
  static func encoded(_ bytes: some Sequence<UInt8>) -> String {
    var text = String.UnicodeScalarView()
    for byte in bytes {
      if let scalar = Unicode.Scalar(scalars[Int(byte)]) { text.append(scalar) }
    }
    return String(text)
  }
}
