import CCUDA
import Tensors

/// Operations on elements, each on its own.
extension LaunchCompiler {
  func gatedActivation(
    _ kind: Activation, _ gate: TensorView, _ up: TensorView, _ out: TensorView
  ) throws(TensorError) -> [Launch] {
    let o = try resolver.floats(out, "out")
    let g = try resolver.floats(gate, "gate", rows: o.rows, columns: o.columns, like: o)
    let u = try resolver.floats(up, "up", rows: o.rows, columns: o.columns, like: o)
    return [try elementwise("gated.cu", "gated", [g, u, o], gatedMacros(kind, o))]
  }

  func gatedActivationBackward(
    _ kind: Activation, _ gate: TensorView, _ up: TensorView, _ outGradient: TensorView, _ gateGradient: TensorView,
    _ upGradient: TensorView
  ) throws(TensorError) -> [Launch] {
    let d = try resolver.floats(outGradient, "outGradient")
    let g = try resolver.floats(gate, "gate", rows: d.rows, columns: d.columns, like: d)
    let u = try resolver.floats(up, "up", rows: d.rows, columns: d.columns, like: d)
    let dg = try resolver.floats(gateGradient, "gateGradient", rows: d.rows, columns: d.columns, like: d)
    let du = try resolver.floats(upGradient, "upGradient", rows: d.rows, columns: d.columns, like: d)
    return [try elementwise("gated.cu", "gated_backward", [g, u, d, dg, du], gatedMacros(kind, d))]
  }

  private func gatedMacros(_ kind: Activation, _ matrix: DeviceMatrix) -> [String] {
    [Self.type("X", matrix.dtype)] + (kind == .geluTanh ? ["GELU"] : [])
  }

  func add(_ a: TensorView, _ b: TensorView, _ out: TensorView) throws(TensorError) -> [Launch] {
    let o = try resolver.floats(out, "out")
    let left = try resolver.floats(a, "a", rows: o.rows, columns: o.columns)
    let right = try resolver.floats(b, "b", rows: o.rows, columns: o.columns, like: left)
    return [
      try elementwise(
        "elements.cu", "add", [left, right, o], [Self.type("X", left.dtype), Self.type("Y", o.dtype)])
    ]
  }

  /// out = x · factor, in out's type where `isCast`.
  func scaled(_ x: TensorView, _ out: TensorView, factor: Float, isCast: Bool) throws(TensorError) -> [Launch] {
    let o = try resolver.floats(out, "out")
    let source = try resolver.floats(x, "x", rows: o.rows, columns: o.columns, like: isCast ? nil : o)
    return [
      try elementwise(
        "elements.cu", "scaled", [source, o], [Self.type("X", source.dtype), Self.type("Y", o.dtype)], factor: factor)
    ]
  }

  /// A kernel over matrices of one shape: their addresses and strides, rows, columns, and a factor where there is one.
  func elementwise(
    _ file: String, _ entry: String, _ matrices: [DeviceMatrix], _ macros: [String], factor: Float? = nil,
    more: (inout Arguments) -> Void = { _ in }
  ) throws(TensorError) -> Launch {
    let flat = Self.flattened(matrices)
    let width = Self.width(flat)
    var arguments = Arguments()
    for matrix in flat { arguments.add(matrix) }
    more(&arguments)
    arguments.add(Int32(flat[0].rows))
    arguments.add(Int64(flat[0].columns))
    if let factor { arguments.add(factor) }
    return try kernel(
      file, entry, macros + [width.macro], grid: Self.elementGrid(flat[0], width.elements), arguments)
  }

  func zero(_ x: TensorView) throws(TensorError) -> [Launch] {
    let values = try resolver.matrix(x, "x", DType.allCases)
    guard values.count > 0 else { return [] }
    if values.isContiguous { return [clearing(values.address, values.count * values.dtype.size)] }
    var arguments = Arguments()
    arguments.add(values.address)
    arguments.add(Int64(values.stride * values.dtype.size))
    arguments.add(Int32(values.rows))
    arguments.add(Int64(values.columns * values.dtype.size))
    let bytes = DeviceMatrix(
      address: values.address, rows: values.rows, columns: values.columns * values.dtype.size, stride: 0, dtype: .u8)
    return [
      try kernel(
        "elements.cu", "zero", ["X=float", "Y=float", "VEC=1"], grid: Self.elementGrid(bytes, 1), arguments)
    ]
  }

  private func clearing(_ address: cc_address, _ bytes: Int) -> Launch {
    let place = resolver.place
    return { [device] () throws(TensorError) in
      unsafe try device.check(
        cc_fill(device.libraries.driver, address, 0, bytes, device.compute), "clear memory", at: place)
    }
  }

  func sumOfSquares(_ x: TensorView, _ out: TensorView, accumulate: Bool) throws(TensorError) -> [Launch] {
    let given = try resolver.floats(x, "x")
    let values = given.isContiguous ? given.asRow : given
    let result = try resolver.doubles(out, "out", rows: 1)
    guard values.count > 0 else { return accumulate ? [] : [clearing(result.address, 8)] }
    let pieces = (values.count + Operation.sumPiece - 1) / Operation.sumPiece
    let width = Self.width([values])
    var arguments = Arguments()
    arguments.add(values)
    arguments.add(Int64(values.columns))
    arguments.add(Int64(values.count))
    arguments.add(try scratch(pieces * 8))
    arguments.add(device.endedBlocks)
    arguments.add(result.address)
    arguments.add(Int32(accumulate ? 1 : 0))
    return [
      try kernel(
        "reduce.cu", "sum_of_squares", [Self.type("X", values.dtype), width.macro, "PIECE=\(Operation.sumPiece)"],
        grid: (pieces, 1), arguments)
    ]
  }

  func dropout(_ x: TensorView, _ out: TensorView, _ rate: Double, _ stream: Int) throws(TensorError) -> [Launch] {
    try resolver.require((0..<1).contains(rate), "dropout's rate must be in [0, 1)", "\(rate)")
    let o = try resolver.floats(out, "out")
    let source = try resolver.floats(x, "x", rows: o.rows, columns: o.columns)
    let threshold = UInt32(min(rate * 0x1p32, 4_294_967_295).rounded())
    let macros = [Self.type("X", source.dtype), Self.type("Y", o.dtype)]
    return [
      try elementwise("elements.cu", "dropout", [source, o], macros, factor: Float(1 / (1 - rate))) {
        [parameters] arguments in
        arguments.add(parameters)
        arguments.add(UInt32(truncatingIfNeeded: stream))
        arguments.add(threshold)
      }
    ]
  }

  func dequantise(_ matrix: QuantisedMatrix, _ out: TensorView) throws(TensorError) -> [Launch] {
    let o = try resolver.floats(out, "out")
    try resolver.require(
      o.columns % QuantisedMatrix.blockSize == 0, "an NF4 matrix's columns must be a multiple of 64", "\(o.columns)")
    let codes = try resolver.matrix(matrix.codes, "codes", [.u8], rows: o.rows, columns: o.columns / 2)
    let scales = o.count / QuantisedMatrix.blockSize
    let scaleCodes = try resolver.matrix(matrix.scaleCodes, "scaleCodes", [.u8], rows: 1, columns: scales)
    let maxima = try resolver.matrix(
      matrix.scaleMaxima, "scaleMaxima", [.f32], rows: 1,
      columns: (scales + QuantisedMatrix.scaleBlockSize - 1) / QuantisedMatrix.scaleBlockSize)
    let offset = try resolver.matrix(matrix.offset, "offset", [.f32], rows: 1, columns: 1)
    var arguments = Arguments()
    arguments.add(codes)
    arguments.add(scaleCodes.address)
    arguments.add(maxima.address)
    arguments.add(offset.address)
    arguments.add(o)
    arguments.add(Int32(o.rows))
    arguments.add(Int64(o.columns))
    return [
      try kernel(
        "elements.cu", "dequantise", ["X=float", Self.type("Y", o.dtype), "VEC=1"], grid: Self.elementGrid(o, 2),
        arguments)
    ]
  }

  func clipFactor(
    _ squares: TensorView, _ norm: TensorView, _ clip: TensorView, _ maximum: Double?
  ) throws(TensorError) -> [Launch] {
    let parts = try resolver.doubles(squares, "squares")
    let length = try resolver.doubles(norm, "norm", rows: 1)
    let factor = try resolver.doubles(clip, "clip", rows: 1)
    if let maximum { try resolver.require(maximum > 0, "the largest norm must be above 0", "\(maximum)") }
    var arguments = Arguments()
    arguments.add(parts)
    arguments.add(Int32(parts.rows))
    arguments.add(length.address)
    arguments.add(factor.address)
    arguments.add(maximum ?? 0)
    return [
      try kernel(
        "reduce.cu", "clip_factor", ["X=float", "VEC=1", "PIECE=\(Operation.sumPiece)"], grid: (1, 1), threads: 32,
        arguments)
    ]
  }
}
