import CCrypto

/// A SHA-256 digest: the identity of every content in Fettle.
package struct Digest: Hashable, Sendable, CustomStringConvertible {
  /// 64 lower-case hexadecimal digits.
  package let hex: String

  /// A digest from its hexadecimal form; nil unless it is 64 hexadecimal digits.
  package init?(hex: String) {
    let bytes = Array(hex.utf8)
    guard bytes.count == 64, bytes.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
    self.hex = hex.lowercased()
  }

  fileprivate init(bytes: some Sequence<UInt8>) {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    hex = String(decoding: text, as: UTF8.self)
  }

  package var description: String { hex }

  /// The digest of `bytes`.
  package init(of bytes: some Collection<UInt8>) {
    var hasher = SHA256()
    hasher.update(bytes)
    self = hasher.finish()
  }

  package init(of text: String) { self.init(of: Array(text.utf8)) }
}

/// An incremental SHA-256 (libcrypto's).
@safe package struct SHA256: ~Copyable {
  private let context: OpaquePointer

  package init() {
    guard let context = unsafe EVP_MD_CTX_new(), unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      preconditionFailure("libcrypto has no SHA-256")
    }
    unsafe self.context = context
  }

  package mutating func update(_ bytes: some Collection<UInt8>) {
    let done: Void? = bytes.withContiguousStorageIfAvailable { buffer in
      _ = unsafe EVP_DigestUpdate(context, buffer.baseAddress, buffer.count)
    }
    if done == nil { update(Array(bytes)) }
  }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    _ = unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
  }

  package consuming func finish() -> Digest {
    var bytes = [UInt8](repeating: 0, count: 32)
    _ = unsafe bytes.withUnsafeMutableBufferPointer { unsafe EVP_DigestFinal_ex(context, $0.baseAddress, nil) }
    return Digest(bytes: bytes)
  }

  deinit { unsafe EVP_MD_CTX_free(context) }
}
