import Basics
import Models
import Testing

/// Block formats against their definition in ggml, written out number by number.
@Suite struct NumberFormatTests {
  private let model = TinyModel()

  /// Opens the tiny model with every matrix stored as `type`, and gives the embedding.
  private func embedding(type: UInt32, encode: ([Float]) -> [UInt8]) throws -> [Float] {
    let folder = try TemporaryFolder()
    let path = try folder.write(try model.gguf(type: type, encode: encode).encoded(), as: "m.gguf")
    return try ModelFiles.open(path).weights.values("model.embed_tokens.weight")
  }

  /// Blocks of pseudo-random bytes whose f16 scales are the given ones in turn.
  private func blocks(_ count: Int, scales: Int, quanta: Int, seed: UInt64) -> [[UInt8]] {
    var generator = SeededGenerator(seed: seed)
    let special: [UInt16] = [0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x3C00, 0xBC01, 0x2E66, 0x7BFF]
    return (0..<count).map { index in
      var writer = ByteWriter()
      for scale in 0..<scales {
        writer.integer(
          index < 9 ? special[(index + scale) % 9] : UInt16(generator.below(0x7C00)) | UInt16(generator.below(2)) << 15)
      }
      for _ in 0..<quanta { writer.bytes.append(UInt8(generator.below(256))) }
      return writer.bytes
    }
  }

  /// An f16 by its definition.
  private func half(_ low: UInt8, _ high: UInt8) -> Float {
    let bits = Int(high) << 8 | Int(low)
    let (exponent, fraction) = (bits >> 10 & 31, bits & 1023)
    var value = Float(fraction)
    if exponent == 0 {
      for _ in 0..<24 { value /= 2 }
    } else {
      value = 1 + value / 1024
      for _ in 0..<abs(exponent - 15) { value = exponent > 15 ? value * 2 : value / 2 }
    }
    return bits & 0x8000 == 0 ? value : -value
  }

  private let blockCount = 64 * 32 / 32

  @Test func `Q8_0 is scale times signed byte`() throws {
    let blocks = blocks(blockCount, scales: 1, quanta: 32, seed: 1)
    let expected = blocks.flatMap { block in
      (0..<32).map { Float(Int8(bitPattern: block[2 + $0])) * half(block[0], block[1]) }
    }
    let got = try embedding(type: 8) { bytes(blocks, for: $0) }
    #expect(bits(got) == bits(expected))
  }

  @Test func `Q4_0 is scale times nibble less eight`() throws {
    let blocks = blocks(blockCount, scales: 1, quanta: 16, seed: 2)
    let expected = blocks.flatMap { block in
      (0..<32).map { index -> Float in
        let byte = block[2 + index % 16]
        return Float(Int(index < 16 ? byte & 15 : byte >> 4) - 8) * half(block[0], block[1])
      }
    }
    #expect(bits(try embedding(type: 2) { bytes(blocks, for: $0) }) == bits(expected))
  }

  @Test func `Q4_1 is scale times nibble plus minimum`() throws {
    let blocks = blocks(blockCount, scales: 2, quanta: 16, seed: 3)
    let expected = blocks.flatMap { block in
      (0..<32).map { index -> Float in
        let byte = block[4 + index % 16]
        return Float(index < 16 ? byte & 15 : byte >> 4) * half(block[0], block[1]) + half(block[2], block[3])
      }
    }
    #expect(bits(try embedding(type: 3) { bytes(blocks, for: $0) }) == bits(expected))
  }

  /// The data of a tensor with as many blocks as `values` needs, the given ones again and again.
  private func bytes(_ blocks: [[UInt8]], for values: [Float]) -> [UInt8] {
    (0..<values.count / 32).flatMap { blocks[$0 % blocks.count] }
  }

  @Test func `every f16 has its exact value`() throws {
    // 65,536 halves are 32 embeddings of 64 x 32; write them through safetensors of one tensor row by row.
    var wide = TinyModel()
    wide.config.vocabularySize = 2048
    let folder = try TemporaryFolder()
    var tensors = try wide.tensors()
    var writer = ByteWriter()
    for value in 0...UInt16.max { writer.integer(value) }
    tensors[0].dtype = "F16"
    tensors[0].data = writer.bytes
    try wide.write(to: folder, tensors: tensors)
    let values = try ModelFiles.open(folder.path).weights.values("model.embed_tokens.weight")
    for code in 0...Int(UInt16.max) {
      let value = values[code]
      if code & 0x7C00 == 0x7C00 {
        #expect(code & 0x3FF == 0 ? value.isInfinite : value.isNaN)
        #expect(value.sign == (code & 0x8000 == 0 ? .plus : .minus))
      } else if value.bitPattern != half(UInt8(code & 255), UInt8(code >> 8)).bitPattern {
        Issue.record("half \(code) gave \(value)")
      }
    }
  }
}
