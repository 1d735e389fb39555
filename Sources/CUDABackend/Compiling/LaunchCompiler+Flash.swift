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
        "flash.cu", "flash", flashMacros(parts), grid: (parts.shape.heads, (parts.tokens + 127) / 128),
        threads: parts.shape.dimension == 64 ? 128 : 256, shared: 384 * parts.shape.dimension * 2, arguments),
    ]
  }

  mutating func flashBackward(
    _ parts: AttentionMatrices, _ segments: TensorView, slope: DeviceMatrix, dq: DeviceMatrix, dk: DeviceMatrix,
    dv: DeviceMatrix, delta: DeviceMatrix
  ) throws(TensorError) -> [Launch] {
    let shape = parts.shape
    let rows = shape.dimension == 64 ? 128 : 64
    let blocks = (parts.tokens + rows - 1) / rows
    // Few blocks of unequal length leave multiprocessors idle: then query heads are done apart and summed afterwards.
    let isSplit = shape.group > 1 && blocks * shape.keyValueHeads < Self.fewBlocks
    let pieces = parts.tokens * shape.heads * shape.dimension / 8
    let bounds = try keyBounds(parts, segments, more: isSplit ? pieces * 64 : 0)
    let shares = isSplit ? bounds.firsts + UInt64(bounds.bytes) : 0
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
    let macros = flashMacros(parts)
    third.add(shares)
    addHeads(&second, parts)
    addHeads(&third, parts)
    let shared = (2 * rows + 4 * 32) * shape.dimension * 2
    var launches = [
      bounds.launch,
      try kernel("flash.cu", "flash_delta", macros, grid: ((pieces + 255) / 256, 1), first),
      try kernel(
        "flash.cu", "flash_kv_backward", macros, grid: (isSplit ? shape.heads : shape.keyValueHeads, blocks),
        threads: 128, shared: shared, third),
      try kernel(
        "flash.cu", "flash_q_backward", macros, grid: (shape.heads, blocks), threads: 128, shared: shared, second),
    ]
    if isSplit {
      var sum = Arguments()
      sum.add(shares)
      sum.add(dk)
      sum.add(dv)
      sum.add(Int32(shape.keyValueHeads))
      addHeads(&sum, parts)
      let items = pieces / shape.group
      launches.append(try kernel("flash.cu", "flash_kv_sum", macros, grid: ((items + 255) / 256, 1), sum))
    }
    return launches
  }

  /// Blocks that fill a large card three times.
  private static let fewBlocks = 800

  private func flashMacros(_ parts: AttentionMatrices) -> [String] { ["D=\(parts.shape.dimension)", "VEC=8"] }

  /// The first key that each token sees, and the least of each 64 tokens; room for `more` begins `bytes` later.
  private mutating func keyBounds(
    _ parts: AttentionMatrices, _ segments: TensorView, more: Int = 0
  ) throws(TensorError) -> (firsts: cc_address, lows: cc_address, bytes: Int, launch: Launch) {
    let tiles = (parts.tokens + 63) / 64
    let bytes = (parts.tokens + tiles + 63) / 64 * 256
    let firsts = try scratch(bytes + more)
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
    return (firsts, lows, bytes, launch)
  }
}
