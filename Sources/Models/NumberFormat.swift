/// How numbers lie in a weight file, and the loops that turn them into f32 and back.
///
/// Every decoding is exact: f16 and bf16 values are f32 values, and the block formats multiply and add in f32 in the
/// order that ggml's reference does, so the results equal those of gguf-py bit for bit.
enum NumberFormat: Sendable, Equatable {
  case f32, f16, bf16
  /// ggml's block formats Q8_0, Q4_0 and Q4_1.
  case q80, q40, q41

  /// Elements and bytes of the smallest piece that can be decoded alone.
  var block: (elements: Int, bytes: Int) {
    switch self {
    case .f32: (1, 4)
    case .f16, .bf16: (1, 2)
    case .q80: (32, 34)
    case .q40: (32, 18)
    case .q41: (32, 20)
    }
  }

  func byteCount(of elements: Int) -> Int { elements / block.elements * block.bytes }

  /// Decodes `target.count` numbers, whole blocks, from as many bytes as they take.
  func decode(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableBufferPointer<Float>) {
    precondition(source.count == byteCount(of: target.count) && target.count % block.elements == 0)
    guard let bytes = source.baseAddress, let out = target.baseAddress else { return }
    let count = target.count
    switch self {
    case .f32: unsafe UnsafeMutableRawPointer(out).copyMemory(from: bytes, byteCount: count * 4)
    case .f16:
      for index in 0..<count {
        unsafe out[index] = Self.float(half: bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
      }
    case .bf16:
      for index in 0..<count {
        let bits = unsafe bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
        unsafe out[index] = Float(bitPattern: UInt32(bits) << 16)
      }
    case .q80: unsafe Self.decodeQ8(bytes, out, blocks: count / 32)
    case .q40: unsafe Self.decodeQ4(bytes, out, blocks: count / 32)
    case .q41: unsafe Self.decodeQ4WithMinimum(bytes, out, blocks: count / 32)
    }
  }

  /// An IEEE half as a float, without a branch: the exponent moves by a multiplication, which is exact.
  @inline(__always) static func float(half: UInt16) -> Float {
    let bits = UInt32(half)
    let magnitude = Float(bitPattern: (bits & 0x7FFF) << 13) * 0x1p112
    let special: UInt32 = (bits & 0x7C00) == 0x7C00 ? 0x7F80_0000 : 0
    return Float(bitPattern: magnitude.bitPattern | special | (bits & 0x8000) << 16)
  }

  /// Block: f16 scale d, 32 signed bytes q; value q d.
  private static func decodeQ8(_ bytes: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>, blocks: Int) {
    for block in 0..<blocks {
      let source = unsafe bytes + block * 34
      let target = unsafe out + block * 32
      let scale = unsafe float(half: source.loadUnaligned(as: UInt16.self))
      let quanta = unsafe source.loadUnaligned(fromByteOffset: 2, as: SIMD32<Int8>.self)
      let values = SIMD32<Float>(quanta) * scale
      unsafe UnsafeMutableRawPointer(target).storeBytes(of: values, as: SIMD32<Float>.self)
    }
  }

  /// Block: f16 scale d, 16 bytes, low nibbles then high ones; value (q - 8) d.
  private static func decodeQ4(_ bytes: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>, blocks: Int) {
    for block in 0..<blocks {
      let source = unsafe bytes + block * 18
      let target = unsafe out + block * 32
      let scale = unsafe float(half: source.loadUnaligned(as: UInt16.self))
      let quanta = unsafe source.loadUnaligned(fromByteOffset: 2, as: SIMD16<UInt8>.self)
      let low = (SIMD16<Float>(quanta & 15) - 8) * scale
      let high = (SIMD16<Float>(quanta &>> 4) - 8) * scale
      unsafe UnsafeMutableRawPointer(target).storeBytes(of: low, as: SIMD16<Float>.self)
      unsafe UnsafeMutableRawPointer(target + 16).storeBytes(of: high, as: SIMD16<Float>.self)
    }
  }

  /// Block: f16 scale d, f16 minimum m, 16 bytes, low nibbles then high ones; value q d + m.
  private static func decodeQ4WithMinimum(_ bytes: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>, blocks: Int) {
    for block in 0..<blocks {
      let source = unsafe bytes + block * 20
      let target = unsafe out + block * 32
      let scale = unsafe float(half: source.loadUnaligned(as: UInt16.self))
      let minimum = unsafe float(half: source.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
      let quanta = unsafe source.loadUnaligned(fromByteOffset: 4, as: SIMD16<UInt8>.self)
      let low = SIMD16<Float>(quanta & 15) * scale + minimum
      let high = SIMD16<Float>(quanta &>> 4) * scale + minimum
      unsafe UnsafeMutableRawPointer(target).storeBytes(of: low, as: SIMD16<Float>.self)
      unsafe UnsafeMutableRawPointer(target + 16).storeBytes(of: high, as: SIMD16<Float>.self)
    }
  }
}

extension NumberFormat {
  /// Encodes as f32, f16 or bf16, rounding to nearest even. Returns the first index whose finite value has no finite
  /// f16; what precedes it is written.
  func encode(_ source: UnsafeBufferPointer<Float>, into target: UnsafeMutableRawBufferPointer) -> Int? {
    precondition(block.elements == 1 && target.count == byteCount(of: source.count))
    guard let values = source.baseAddress, let bytes = target.baseAddress else { return nil }
    switch self {
    case .bf16:
      for index in 0..<source.count {
        unsafe bytes.storeBytes(of: Self.bf16(values[index]), toByteOffset: index * 2, as: UInt16.self)
      }
    case .f16:
      for index in 0..<source.count {
        let value = unsafe values[index]
        let half = Self.half(value)
        if half & 0x7FFF == 0x7C00, value.isFinite { return index }
        unsafe bytes.storeBytes(of: half, toByteOffset: index * 2, as: UInt16.self)
      }
    default: unsafe bytes.copyMemory(from: values, byteCount: source.count * 4)
    }
    return nil
  }

  /// The bf16 nearest to `value`, ties to even; a NaN stays one.
  @inline(__always) static func bf16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if bits & 0x7FFF_FFFF > 0x7F80_0000 { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
  }

  /// The f16 nearest to `value`, ties to even; too large becomes infinity.
  static func half(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    let sign = UInt16(truncatingIfNeeded: bits >> 16 & 0x8000)
    let magnitude = bits & 0x7FFF_FFFF
    if magnitude > 0x7F80_0000 { return sign | 0x7E00 }
    if magnitude >= 0x4780_0000 { return sign | 0x7C00 }
    if magnitude < 0x3880_0000 {
      // Below the smallest normal half: adding 0.5 makes the sum's last place that of halves, rounded to nearest even.
      let sum = Float(bitPattern: magnitude) + 0.5
      return sign | UInt16(truncatingIfNeeded: sum.bitPattern &- Float(0.5).bitPattern)
    }
    let rounded = magnitude &+ 0xFFF &+ (magnitude >> 13 & 1)
    return sign | UInt16(truncatingIfNeeded: (rounded &- 0x3800_0000) >> 13)
  }
}
