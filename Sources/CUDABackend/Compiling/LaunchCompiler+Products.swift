import Basics
import CCUDA
import Tensors

/// Matrix products.
extension LaunchCompiler {
  func gemm(
    _ a: TensorView, _ transposeA: Bool, _ b: TensorView, _ transposeB: Bool, _ c: TensorView, _ accumulate: Bool,
    _ bias: TensorView?
  ) throws(TensorError) -> [Launch] {
    let result = try resolver.floats(c, "c")
    let left = try resolver.floats(
      a, "a", rows: transposeA ? nil : result.rows, columns: transposeA ? result.rows : nil)
    let depth = transposeA ? left.rows : left.columns
    let right = try resolver.floats(
      b, "b", rows: transposeB ? result.columns : depth, columns: transposeB ? depth : result.columns, like: left)
    var row: DeviceMatrix?
    if let bias { row = try resolver.floats(bias, "bias", rows: 1, columns: result.columns) }
    if result.count == 0 { return [] }
    if depth == 0 { return [try addingBias(result, row, accumulate: accumulate)] }
    // The library adds a bias of the result's own type.
    let isFused = row?.dtype == result.dtype
    let main = try product(
      left, transposeA: transposeA, right, transposeB: transposeB, result, accumulate: accumulate,
      bias: isFused ? row : nil)
    guard let row, !isFused else { return [main] }
    return [main, try addingBias(result, row, accumulate: true)]
  }

  private func addingBias(
    _ result: DeviceMatrix, _ bias: DeviceMatrix?, accumulate: Bool
  ) throws(TensorError) -> Launch {
    var arguments = Arguments()
    arguments.add(result)
    arguments.add(bias?.address ?? 0)
    arguments.add(Int32(result.rows))
    arguments.add(Int64(result.columns))
    arguments.add(Int32(accumulate ? 1 : 0))
    return try kernel(
      "elements.cu", "bias_rows", [Self.type("X", bias?.dtype ?? .f32), Self.type("Y", result.dtype), "VEC=1"],
      grid: Self.elementGrid(result, 1), arguments)
  }

  /// c = scale · op(a) op(b) [+ c] [+ bias]; no side is empty.
  ///
  /// cuBLASLt has columns side by side: a row-major c is its transpose there, so the operands change places.
  func product(
    _ a: DeviceMatrix, transposeA: Bool, _ b: DeviceMatrix, transposeB: Bool, _ c: DeviceMatrix, accumulate: Bool,
    bias: DeviceMatrix? = nil, scale: Float = 1
  ) throws(TensorError) -> Launch {
    func type(_ matrix: DeviceMatrix) -> Int32 {
      Int32(matrix.dtype == .bf16 ? CC_BF16 : CC_F32)
    }
    func alignment(_ matrix: DeviceMatrix) -> UInt32 { UInt32(1 << min(8, matrix.address.trailingZeroBitCount)) }
    var shape = cc_product_shape()
    shape.type_a = type(b)
    shape.type_b = type(a)
    shape.type_c = type(c)
    shape.transpose_a = transposeB ? 1 : 0
    shape.transpose_b = transposeA ? 1 : 0
    shape.m = UInt64(c.columns)
    shape.n = UInt64(c.rows)
    shape.k = UInt64(transposeA ? a.rows : a.columns)
    shape.lead_a = Int64(b.stride)
    shape.lead_b = Int64(a.stride)
    shape.lead_c = Int64(c.stride)
    shape.align_a = alignment(b)
    shape.align_b = alignment(a)
    shape.align_c = alignment(c)
    shape.bias = bias?.address ?? 0
    shape.type_bias = bias.map(type) ?? 0
    shape.workspace = CUDADevice.workspaceBytes
    device.use()
    let product = try Product(shape, device: device, at: resolver.place)
    let place = resolver.place
    let (first, second, third) = (b.address, a.address, c.address)
    return { [device] () throws(TensorError) in
      try device.check(
        product.run(first, second, third, alpha: scale, beta: accumulate ? 1 : 0), "start a product", at: place)
    }
  }
}
