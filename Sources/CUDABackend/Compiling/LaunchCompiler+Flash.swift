import CCUDA
import Tensors

/// Attention on tensor cores, where the operands are such that it can be used.
extension LaunchCompiler {
  func isFlash(_ parts: AttentionMatrices, _ others: [DeviceMatrix]) -> Bool {
    let operands = [parts.q, parts.k, parts.v, parts.out] + others
    return parts.q.dtype == .bf16 && [64, 128].contains(parts.shape.dimension) && parts.shape.softCap == 0
      && device.architecture >= 80 && operands.allSatisfy(\.isAligned)
  }

  mutating func flash(_ parts: AttentionMatrices, _ segments: TensorView) throws(TensorError) -> [Launch] {
    let bounds = try keyBounds(parts, segments)
    var arguments = Arguments()
    for matrix in [parts.q, parts.k, parts.v, parts.out, parts.logSumExp] { arguments.add(matrix) }
    arguments.add(bounds.firsts)
    arguments.add(bounds.lows)
    addHeads(&arguments, parts)
    return [
      bounds.launch,
      try kernel(
        "flash.cu", "flash", flashMacros(parts), grid: ((parts.tokens + 127) / 128, parts.shape.heads),
        shared: 384 * parts.shape.dimension * 2, arguments),
    ]
  }

  mutating func flashBackward(
    _ parts: AttentionMatrices, _ segments: TensorView, slope: DeviceMatrix, dq: DeviceMatrix, dk: DeviceMatrix,
    dv: DeviceMatrix, delta: DeviceMatrix
  ) throws(TensorError) -> [Launch] {
    let bounds = try keyBounds(parts, segments)
    let shape = parts.shape
    var first = Arguments()
    for matrix in [parts.out, slope, delta] { first.add(matrix) }
    first.add(Int32(parts.tokens))
    first.add(Int32(shape.heads))
    var second = Arguments()
    var third = Arguments()
    for matrix in [parts.q, parts.k, parts.v, parts.logSumExp, slope, delta] {
      second.add(matrix)
      third.add(matrix)
    }
    second.add(dq)
    third.add(dk)
    third.add(dv)
    for address in [bounds.firsts, bounds.lows] {
      second.add(address)
      third.add(address)
    }
    addHeads(&second, parts)
    addHeads(&third, parts)
    let macros = flashMacros(parts)
    let blocks = (parts.tokens + 63) / 64
    let others = shape.dimension == 64 ? 64 : 32
    let shared = (128 + 4 * others) * shape.dimension * 2
    let pieces = parts.tokens * shape.heads * shape.dimension / 8
    return [
      bounds.launch,
      try kernel("flash.cu", "flash_delta", macros, grid: ((pieces + 255) / 256, 1), first),
      try kernel(
        "flash.cu", "flash_kv_backward", macros, grid: (blocks, shape.keyValueHeads), threads: 128, shared: shared,
        third),
      try kernel(
        "flash.cu", "flash_q_backward", macros, grid: (blocks, shape.heads), threads: 128, shared: shared, second),
    ]
  }

  private func flashMacros(_ parts: AttentionMatrices) -> [String] { ["D=\(parts.shape.dimension)", "VEC=8"] }

  /// The first key that each token sees, and the least of each 64 tokens.
  private mutating func keyBounds(
    _ parts: AttentionMatrices, _ segments: TensorView
  ) throws(TensorError) -> (firsts: cc_address, lows: cc_address, launch: Launch) {
    let tiles = (parts.tokens + 63) / 64
    let firsts = try scratch((parts.tokens + tiles) * 4)
    let lows = firsts + UInt64(parts.tokens * 4)
    var arguments = Arguments()
    arguments.add(parts.segments)
    arguments.add(Int32(parts.tokens))
    arguments.add(Int32(parts.shape.window))
    arguments.add(firsts)
    arguments.add(lows)
    addFaults(&arguments, IndexColumns("segment", segments, below: 0))
    let launch = try kernel(
      "flash.cu", "first_keys", flashMacros(parts), grid: (tiles, 1), threads: 64, arguments)
    return (firsts, lows, launch)
  }
}
