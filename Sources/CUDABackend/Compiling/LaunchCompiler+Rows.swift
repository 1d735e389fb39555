import CCUDA
import Tensors

/// Operations on rows: lookups, norms, rotation, column sums.
extension LaunchCompiler {
  mutating func embed(_ ids: TensorView, _ table: TensorView, _ out: TensorView) throws(TensorError) -> [Launch] {
    let result = try resolver.floats(out, "out")
    let rows = try resolver.integers(ids, "ids", rows: result.rows)
    let values = try resolver.floats(table, "table", columns: result.columns)
    let width = Self.width([values, result])
    var arguments = Arguments()
    arguments.add(rows)
    arguments.add(values)
    arguments.add(result)
    arguments.add(Int32(result.columns))
    arguments.add(Int32(values.rows))
    addFaults(&arguments, IndexColumns("token id", ids, below: values.rows))
    return [
      try kernel(
        "embedding.cu", "embed", [Self.type("X", result.dtype), Self.type("W", values.dtype), width.macro],
        grid: (result.rows, 1), threads: Self.threads(result.columns, width.elements), arguments)
    ]
  }

  mutating func embedBackward(
    _ ids: TensorView, _ outGradient: TensorView, _ tableGradient: TensorView
  ) throws(TensorError) -> [Launch] {
    let slope = try resolver.floats(outGradient, "outGradient")
    let rows = try resolver.integers(ids, "ids", rows: slope.rows)
    let table = try resolver.floats(tableGradient, "tableGradient", columns: slope.columns)
    let width = Self.width([slope, table])
    var arguments = Arguments()
    arguments.add(rows)
    arguments.add(slope)
    arguments.add(table)
    arguments.add(Int32(slope.rows))
    arguments.add(Int32(slope.columns))
    arguments.add(Int32(table.rows))
    addFaults(&arguments, IndexColumns("token id", ids, below: table.rows))
    return [
      try kernel(
        "embedding.cu", "embed_backward", [Self.type("X", slope.dtype), Self.type("W", table.dtype), width.macro],
        grid: (slope.rows, 1), arguments)
    ]
  }

  mutating func gatherRows(_ x: TensorView, _ rows: TensorView, _ out: TensorView) throws(TensorError) -> [Launch] {
    let result = try resolver.floats(out, "out")
    let places = try resolver.integers(rows, "rows", rows: result.rows)
    let source = try resolver.floats(x, "x", columns: result.columns)
    let width = Self.width([source, result])
    var arguments = Arguments()
    arguments.add(source)
    arguments.add(places)
    arguments.add(result)
    arguments.add(Int32(result.columns))
    arguments.add(Int32(source.rows))
    addFaults(&arguments, IndexColumns("row", rows, below: source.rows))
    return [
      try kernel(
        "rows.cu", "gather_rows", [Self.type("X", source.dtype), Self.type("Y", result.dtype), width.macro],
        grid: (result.rows, 1), threads: Self.threads(result.columns, width.elements), arguments)
    ]
  }

  func biasBackward(_ outGradient: TensorView, _ biasGradient: TensorView) throws(TensorError) -> [Launch] {
    let slope = try resolver.floats(outGradient, "outGradient")
    let sums = try resolver.floats(biasGradient, "biasGradient", rows: 1, columns: slope.columns)
    var arguments = Arguments()
    arguments.add(slope)
    arguments.add(Int32(slope.rows))
    arguments.add(Int32(slope.columns))
    arguments.add(sums.address)
    return [
      try kernel(
        "rows.cu", "bias_backward", [Self.type("X", slope.dtype), Self.type("Y", sums.dtype), "VEC=1"],
        grid: ((slope.columns + 31) / 32, 1), arguments)
    ]
  }

  /// `rmsNorm`, and with `delta` and `sum` `addRMSNorm`.
  func rmsNorm(
    _ x: TensorView, _ delta: TensorView?, _ sum: TensorView?, _ weight: TensorView, _ out: TensorView,
    _ inverse: TensorView, _ epsilon: Double
  ) throws(TensorError) -> [Launch] {
    let result = try resolver.floats(out, "out")
    let source = try resolver.floats(x, "x", rows: result.rows, columns: result.columns, like: result)
    let w = try resolver.floats(weight, "weight", rows: 1, columns: result.columns)
    let factors = try resolver.matrix(inverse, "inverse", [.f32], rows: result.rows, columns: 1)
    var added: DeviceMatrix?
    var total: DeviceMatrix?
    if let delta, let sum {
      added = try resolver.floats(delta, "delta", rows: result.rows, columns: result.columns, like: result)
      total = try resolver.floats(sum, "sum", rows: result.rows, columns: result.columns, like: result)
    }
    let width = Self.width([source, added, total, w, result])
    var arguments = Arguments()
    arguments.add(source)
    arguments.add(added)
    arguments.add(total)
    arguments.add(w.address)
    arguments.add(result)
    arguments.add(factors)
    arguments.add(Int32(result.columns))
    arguments.add(epsilon)
    return [
      try kernel(
        "norm.cu", "rms_norm", normMacros(result, w, width.macro), grid: (result.rows, 1),
        threads: Self.threads(result.columns, width.elements), arguments)
    ]
  }

  private func normMacros(_ x: DeviceMatrix, _ weight: DeviceMatrix, _ width: String, y: DType = .f32) -> [String] {
    [Self.type("X", x.dtype), Self.type("W", weight.dtype), Self.type("Y", y), width]
  }

  func rmsNormBackward(
    _ x: TensorView, _ weight: TensorView, _ inverse: TensorView, _ outGradient: TensorView, _ xGradient: TensorView,
    _ weightGradient: TensorView?, accumulate: Bool
  ) throws(TensorError) -> [Launch] {
    let source = try resolver.floats(x, "x")
    let slope = try resolver.floats(
      outGradient, "outGradient", rows: source.rows, columns: source.columns, like: source)
    let result = try resolver.floats(xGradient, "xGradient", rows: source.rows, columns: source.columns, like: source)
    let w = try resolver.floats(weight, "weight", rows: 1, columns: source.columns)
    var dw: DeviceMatrix?
    if let weightGradient {
      dw = try resolver.floats(weightGradient, "weightGradient", rows: 1, columns: source.columns)
    }
    let factors = try resolver.matrix(inverse, "inverse", [.f32], rows: source.rows, columns: 1)
    guard source.count > 0 else { return [] }
    // The number of blocks follows from the shape alone, so the order of the sum does too.
    let blocks = min(source.rows, 256)
    let parts = try scratch(blocks * source.columns * 4)
    let width = Self.width([source, slope, result, w])
    var arguments = Arguments()
    arguments.add(source)
    arguments.add(w.address)
    arguments.add(factors)
    arguments.add(slope)
    arguments.add(result)
    arguments.add(parts)
    arguments.add(Int32(source.rows))
    arguments.add(Int32(source.columns))
    arguments.add(Int32(accumulate ? 1 : 0))
    let macros = normMacros(source, w, width.macro, y: dw?.dtype ?? .f32)
    var launches = [
      try kernel(
        "norm.cu", "rms_norm_backward", macros, grid: (blocks, 1),
        threads: Self.threads(source.columns, width.elements), shared: source.columns * 4, arguments)
    ]
    if let dw {
      var sums = Arguments()
      sums.add(parts)
      sums.add(Int32(blocks))
      sums.add(Int32(source.columns))
      sums.add(dw.address)
      launches.append(
        try kernel("norm.cu", "norm_weight_gradient", macros, grid: ((source.columns + 31) / 32, 1), sums))
    }
    return launches
  }

  mutating func rope(
    _ x: TensorView, _ positions: TensorView, _ cosine: TensorView, _ sine: TensorView, heads: Int, inverse: Bool
  ) throws(TensorError) -> [Launch] {
    let values = try resolver.floats(x, "x")
    try resolver.require(
      heads > 0 && values.columns % (2 * heads) == 0, "x must hold \(heads) heads of an even dimension",
      "\(values.columns) columns")
    let half = values.columns / heads / 2
    let places = try resolver.integers(positions, "positions", rows: values.rows)
    let c = try resolver.matrix(cosine, "cosine", [.f32], columns: half)
    let s = try resolver.matrix(sine, "sine", [.f32], rows: c.rows, columns: half)
    let width = half % 8 == 0 ? Self.width([values, c, s]) : ("VEC=1", 1)
    var arguments = Arguments()
    arguments.add(values)
    arguments.add(places)
    arguments.add(c)
    arguments.add(s)
    arguments.add(Int32(heads))
    arguments.add(Int32(half))
    arguments.add(Int32(c.rows))
    arguments.add(Float(inverse ? -1 : 1))
    addFaults(&arguments, IndexColumns("position", positions, below: c.rows))
    return [
      try kernel(
        "rope.cu", "rope", [Self.type("X", values.dtype), width.0], grid: (values.rows, 1),
        threads: Self.threads(values.columns / 2, width.1), arguments)
    ]
  }
}
