import Basics

/// Builds binary files for tests, little-endian.
struct ByteWriter {
  var bytes: [UInt8] = []

  mutating func integer<T: FixedWidthInteger>(_ value: T) {
    for index in 0..<T.bitWidth / 8 { bytes.append(UInt8(truncatingIfNeeded: value >> T(8 * index))) }
  }
  mutating func float(_ value: Float) { integer(value.bitPattern) }
  /// GGUF's string: a 64-bit length and bytes.
  mutating func string(_ text: String) {
    integer(UInt64(text.utf8.count))
    bytes += text.utf8
  }
  mutating func pad(to alignment: Int) { while bytes.count % alignment != 0 { bytes.append(0) } }
}

/// A GGUF file in the making.
struct GGUFBuilder {
  struct Tensor {
    var name: String
    /// Rows first.
    var shape: [UInt64]
    var type: UInt32 = 0
    var data: [UInt8]
    /// The offset to claim; nil: the right one.
    var offset: UInt64?
  }

  var version: UInt32 = 3
  var tensorCount: UInt64?
  var keyCount: UInt64?
  var keys: [(name: String, type: UInt32, value: [UInt8])] = []
  var tensors: [Tensor] = []

  mutating func set(_ key: String, _ value: UInt32) {
    var writer = ByteWriter()
    writer.integer(value)
    keys.append((key, 4, writer.bytes))
  }
  mutating func set(_ key: String, _ value: Float) {
    var writer = ByteWriter()
    writer.float(value)
    keys.append((key, 6, writer.bytes))
  }
  mutating func set(_ key: String, _ value: String) {
    var writer = ByteWriter()
    writer.string(value)
    keys.append((key, 8, writer.bytes))
  }
  mutating func set(_ key: String, strings: [String]) {
    var writer = ByteWriter()
    writer.integer(UInt32(8))
    writer.integer(UInt64(strings.count))
    for string in strings { writer.string(string) }
    keys.append((key, 9, writer.bytes))
  }

  func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.bytes += Array("GGUF".utf8)
    writer.integer(version)
    writer.integer(tensorCount ?? UInt64(tensors.count))
    writer.integer(keyCount ?? UInt64(keys.count))
    for key in keys {
      writer.string(key.name)
      writer.integer(key.type)
      writer.bytes += key.value
    }
    var offset: UInt64 = 0
    for tensor in tensors {
      writer.string(tensor.name)
      writer.integer(UInt32(tensor.shape.count))
      for extent in tensor.shape.reversed() { writer.integer(extent) }
      writer.integer(tensor.type)
      writer.integer(tensor.offset ?? offset)
      offset = (offset + UInt64(tensor.data.count) + 31) / 32 * 32
    }
    for tensor in tensors {
      writer.pad(to: 32)
      writer.bytes += tensor.data
    }
    return writer.bytes
  }
}

/// A safetensors file from a header and data, whether they fit or not.
func safetensors(header: String, data: [UInt8]) -> [UInt8] {
  var writer = ByteWriter()
  writer.integer(UInt64(header.utf8.count))
  return writer.bytes + Array(header.utf8) + data
}

/// The bytes of floats.
func f32(_ values: [Float]) -> [UInt8] {
  var writer = ByteWriter()
  for value in values { writer.float(value) }
  return writer.bytes
}
