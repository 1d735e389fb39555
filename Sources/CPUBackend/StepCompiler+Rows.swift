import CKernels
import Foundation
import Tensors

/// Operations on rows: lookups, products, norms, rotation.
extension StepCompiler {
  /// Rows that one task takes.
  static let rowsOfTask = 16
  /// Columns that one task takes where rows are summed in order.
  static let columnsOfTask = 64

  func embed(_ ids: TensorView, _ table: TensorView, _ out: TensorView) throws(TensorError) -> Step.Body {
    let result = try resolver.floats(out, "out")
    let rows = try resolver.integers(ids, "ids", rows: result.rows)
    let place = resolver.place
    if resolver.dtype(table) == .bf16 {
      let values = try resolver.halves(table, "table", columns: result.columns)
      return { [pool] (_: StepScalars) throws(TensorError) in
        try checkIndices(rows, "token id", below: values.rows, place)
        pool.pieces(result.rows, of: StepCompiler.rowsOfTask) { range, _ in
          for row in range {
            unsafe ck_widen(result.columns, values.row(Int(rows[row])), result.row(row))
          }
        }
      }
    }
    let values = try resolver.floats(table, "table", columns: result.columns)
    return { [pool] (_: StepScalars) throws(TensorError) in
      try checkIndices(rows, "token id", below: values.rows, place)
      pool.pieces(result.rows, of: StepCompiler.rowsOfTask) { range, _ in
        for row in range {
          unsafe memcpy(result.row(row), values.row(Int(rows[row])), result.columns * MemoryLayout<Float>.size)
        }
      }
    }
  }

  func embedBackward(
    _ ids: TensorView, _ outGradient: TensorView, _ tableGradient: TensorView
  ) throws(TensorError) -> Step.Body {
    let slope = try resolver.floats(outGradient, "outGradient")
    let rows = try resolver.integers(ids, "ids", rows: slope.rows)
    let table = try resolver.floats(tableGradient, "tableGradient", columns: slope.columns)
    try resolver.requireApart(tableGradient, "tableGradient", from: [outGradient])
    let place = resolver.place
    return { [pool] (_: StepScalars) throws(TensorError) in
      try checkIndices(rows, "token id", below: table.rows, place)
      // A task owns columns, so that tokens of equal id add up in token order.
      pool.pieces(slope.columns, of: StepCompiler.columnsOfTask) { columns, _ in
        for row in 0..<slope.rows {
          let target = unsafe table.row(Int(rows[row])) + columns.lowerBound
          unsafe ck_add(columns.count, target, slope.row(row) + columns.lowerBound, target)
        }
      }
    }
  }

  func gatherRows(_ x: TensorView, _ rows: TensorView, _ out: TensorView) throws(TensorError) -> Step.Body {
    let result = try resolver.floats(out, "out")
    let places = try resolver.integers(rows, "rows", rows: result.rows)
    let source = try resolver.floats(x, "x", columns: result.columns)
    try resolver.requireApart(out, "out", from: [x])
    let place = resolver.place
    return { [pool] (_: StepScalars) throws(TensorError) in
      try checkIndices(places, "row", below: source.rows, negative: .none, place)
      pool.pieces(result.rows, of: StepCompiler.rowsOfTask) { range, _ in
        let bytes = result.columns * MemoryLayout<Float>.size
        for row in range {
          let from = Int(places[row])
          if from < 0 {
            unsafe memset(result.row(row), 0, bytes)
          } else {
            unsafe memcpy(result.row(row), source.row(from), bytes)
          }
        }
      }
    }
  }

  func gemm(
    _ a: TensorView, _ transposeA: Bool, _ b: TensorView, _ transposeB: Bool, _ c: TensorView, _ accumulate: Bool,
    _ bias: TensorView?
  ) throws(TensorError) -> Step.Body {
    let result = try resolver.floats(c, "c")
    let left = try resolver.floats(
      a, "a", rows: transposeA ? nil : result.rows, columns: transposeA ? result.rows : nil)
    let depth = transposeA ? left.rows : left.columns
    let right = try resolver.floats(
      b, "b", rows: transposeB ? result.columns : depth, columns: transposeB ? depth : result.columns)
    var row: Matrix<Float>?
    if let bias { row = try resolver.floats(bias, "bias", rows: 1, columns: result.columns) }
    let added = row
    try resolver.requireApart(c, "c", from: [a, b] + (bias.map { [$0] } ?? []))
    let product = Product(
      a: left, transposeA: transposeA, b: right, transposeB: transposeB, c: result, accumulate: accumulate)
    return { [pool] _ in pool.compute(product, bias: added) }
  }

  func biasBackward(_ outGradient: TensorView, _ biasGradient: TensorView) throws(TensorError) -> Step.Body {
    let slope = try resolver.floats(outGradient, "outGradient")
    let sums = try resolver.floats(biasGradient, "biasGradient", rows: 1, columns: slope.columns)
    return { [pool] _ in
      pool.pieces(slope.columns, of: StepCompiler.columnsOfTask) { columns, _ in
        let part = slope.columns(columns)
        unsafe ck_column_sums(part.rows, part.columns, part.base, part.stride, sums.columns(columns).base)
      }
    }
  }

  /// `rmsNorm`, and with `delta` and `sum` `addRMSNorm`.
  func rmsNorm(
    _ x: TensorView, _ delta: TensorView?, _ sum: TensorView?, _ weight: TensorView, _ out: TensorView,
    _ inverse: TensorView, _ epsilon: Double
  ) throws(TensorError) -> Step.Body {
    let result = try resolver.floats(out, "out")
    let source = try resolver.floats(x, "x", rows: result.rows, columns: result.columns)
    let w = try resolver.floats(weight, "weight", rows: 1, columns: result.columns)
    let factors = try resolver.floats(inverse, "inverse", rows: result.rows, columns: 1)
    guard let delta, let sum else {
      return { [pool] _ in
        pool.pieces(result.rows, of: StepCompiler.rowsOfTask) { rows, _ in
          let start = rows.lowerBound
          unsafe ck_rms_norm(
            rows.count, result.columns, source.row(start), source.stride, w.base, result.row(start), result.stride,
            factors.row(start), factors.stride, epsilon)
        }
      }
    }
    let added = try resolver.floats(delta, "delta", rows: result.rows, columns: result.columns)
    let total = try resolver.floats(sum, "sum", rows: result.rows, columns: result.columns)
    try resolver.requireApart(out, "out", from: [sum])
    return { [pool] _ in
      pool.pieces(result.rows, of: StepCompiler.rowsOfTask) { rows, _ in
        let start = rows.lowerBound
        unsafe ck_add_rms_norm(
          rows.count, result.columns, source.row(start), source.stride, added.row(start), added.stride,
          total.row(start), total.stride, w.base, result.row(start), result.stride, factors.row(start),
          factors.stride, epsilon)
      }
    }
  }

  func rmsNormBackward(
    _ x: TensorView, _ weight: TensorView, _ inverse: TensorView, _ outGradient: TensorView, _ xGradient: TensorView,
    _ weightGradient: TensorView?, accumulate: Bool
  ) throws(TensorError) -> Step.Body {
    let source = try resolver.floats(x, "x")
    let slope = try resolver.floats(outGradient, "outGradient", rows: source.rows, columns: source.columns)
    let result = try resolver.floats(xGradient, "xGradient", rows: source.rows, columns: source.columns)
    let w = try resolver.floats(weight, "weight", rows: 1, columns: source.columns)
    var sum: Matrix<Float>?
    if let weightGradient {
      sum = try resolver.floats(weightGradient, "weightGradient", rows: 1, columns: source.columns)
      try resolver.requireApart(weightGradient, "weightGradient", from: [x, outGradient, weight])
    }
    let factors = try resolver.floats(inverse, "inverse", rows: source.rows, columns: 1)
    return { [pool, sum] _ in
      // The weight's gradient first: xGradient may lie where outGradient does.
      if let sum {
        pool.pieces(source.columns, of: StepCompiler.columnsOfTask) { columns, _ in
          let from = source.columns(columns)
          let back = slope.columns(columns)
          unsafe ck_rms_norm_weight_backward(
            from.rows, from.columns, from.base, from.stride, factors.base, factors.stride, back.base, back.stride,
            sum.columns(columns).base)
        }
      }
      pool.pieces(source.rows, of: StepCompiler.rowsOfTask) { rows, _ in
        let start = rows.lowerBound
        unsafe ck_rms_norm_backward(
          rows.count, source.columns, source.row(start), source.stride, w.base, factors.row(start), factors.stride,
          slope.row(start), slope.stride, result.row(start), result.stride, accumulate)
      }
    }
  }

  func rope(
    _ x: TensorView, _ positions: TensorView, _ cosine: TensorView, _ sine: TensorView, heads: Int, inverse: Bool
  ) throws(TensorError) -> Step.Body {
    let values = try resolver.floats(x, "x")
    try resolver.require(
      heads > 0 && values.columns % (2 * heads) == 0, "x must hold \(heads) heads of an even dimension",
      "\(values.columns) columns")
    let dimension = values.columns / heads
    let places = try resolver.integers(positions, "positions", rows: values.rows)
    let c = try resolver.floats(cosine, "cosine", columns: dimension / 2)
    let s = try resolver.floats(sine, "sine", rows: c.rows, columns: dimension / 2)
    let place = resolver.place
    let sign: Float = inverse ? -1 : 1
    return { [pool] (_: StepScalars) throws(TensorError) in
      try checkIndices(places, "position", below: c.rows, place)
      pool.pieces(values.rows, of: StepCompiler.rowsOfTask) { rows, _ in
        for row in rows {
          let position = Int(places[row])
          unsafe ck_rope(heads, dimension, values.row(row), c.row(position), s.row(position), sign)
        }
      }
    }
  }
}
