import CKernels
import Foundation
import Tensors

/// Operations on elements, each on its own: activations, sums, copies.
extension StepCompiler {
  func gatedActivation(
    _ kind: Activation, _ gate: TensorView, _ up: TensorView, _ out: TensorView
  ) throws(TensorError) -> Step.Body {
    let o = try resolver.floats(out, "out")
    let g = try resolver.floats(gate, "gate", rows: o.rows, columns: o.columns)
    let u = try resolver.floats(up, "up", rows: o.rows, columns: o.columns)
    let pieces = Pieces([g, u, o])
    return { [pool] _ in
      pool.run(pieces) { row, column, count in
        let left = unsafe g.row(row) + column
        let right = unsafe u.row(row) + column
        let result = unsafe o.row(row) + column
        switch kind {
        case .silu: unsafe ck_silu(count, left, right, result)
        case .geluTanh: unsafe ck_gelu(count, left, right, result)
        }
      }
    }
  }

  func gatedActivationBackward(
    _ kind: Activation, _ gate: TensorView, _ up: TensorView, _ outGradient: TensorView, _ gateGradient: TensorView,
    _ upGradient: TensorView
  ) throws(TensorError) -> Step.Body {
    let d = try resolver.floats(outGradient, "outGradient")
    let g = try resolver.floats(gate, "gate", rows: d.rows, columns: d.columns)
    let u = try resolver.floats(up, "up", rows: d.rows, columns: d.columns)
    let dg = try resolver.floats(gateGradient, "gateGradient", rows: d.rows, columns: d.columns)
    let du = try resolver.floats(upGradient, "upGradient", rows: d.rows, columns: d.columns)
    try resolver.requireApart(gateGradient, "gateGradient", from: [upGradient])
    let pieces = Pieces([g, u, d, dg, du])
    return { [pool] _ in
      pool.run(pieces) { row, column, count in
        let left = unsafe g.row(row) + column
        let right = unsafe u.row(row) + column
        let slope = unsafe d.row(row) + column
        let first = unsafe dg.row(row) + column
        let second = unsafe du.row(row) + column
        switch kind {
        case .silu: unsafe ck_silu_backward(count, left, right, slope, first, second)
        case .geluTanh: unsafe ck_gelu_backward(count, left, right, slope, first, second)
        }
      }
    }
  }

  func add(_ a: TensorView, _ b: TensorView, _ out: TensorView) throws(TensorError) -> Step.Body {
    let o = try resolver.floats(out, "out")
    let left = try resolver.floats(a, "a", rows: o.rows, columns: o.columns)
    let right = try resolver.floats(b, "b", rows: o.rows, columns: o.columns)
    let pieces = Pieces([left, right, o])
    return { [pool] _ in
      pool.run(pieces) { row, column, count in
        unsafe ck_add(count, left.row(row) + column, right.row(row) + column, o.row(row) + column)
      }
    }
  }

  func copy(_ x: TensorView, _ out: TensorView) throws(TensorError) -> Step.Body {
    let o = try resolver.floats(out, "out")
    let source = try resolver.floats(x, "x", rows: o.rows, columns: o.columns)
    let pieces = Pieces([source, o])
    return { [pool] _ in
      pool.run(pieces) { row, column, count in
        unsafe memmove(o.row(row) + column, source.row(row) + column, count * MemoryLayout<Float>.size)
      }
    }
  }

  func zero(_ x: TensorView) throws(TensorError) -> Step.Body {
    // Zero bytes are zero in every type; f64 and i32 outputs are cleared too.
    if let doubles = try? resolver.doubles(x, "x", columns: nil) {
      return { _ in
        for row in 0..<doubles.rows { unsafe memset(doubles.row(row), 0, doubles.columns * MemoryLayout<Double>.size) }
      }
    }
    let values = try resolver.floats(x, "x")
    let pieces = Pieces([values])
    return { [pool] _ in
      pool.run(pieces) { row, column, count in
        unsafe memset(values.row(row) + column, 0, count * MemoryLayout<Float>.size)
      }
    }
  }

  func scale(_ x: TensorView, _ factor: Float) throws(TensorError) -> Step.Body {
    let values = try resolver.floats(x, "x")
    let pieces = Pieces([values])
    return { [pool] _ in
      pool.run(pieces) { row, column, count in unsafe ck_scale(count, values.row(row) + column, factor) }
    }
  }

  mutating func sumOfSquares(_ x: TensorView, _ out: TensorView, accumulate: Bool) throws(TensorError) -> Step.Body {
    let values = try resolver.floats(x, "x")
    let result = try resolver.doubles(out, "out", rows: 1)
    // Pieces follow from the shape alone, so the order of the sum does too.
    let pieces = Pieces([values])
    reserve(shared: pieces.count * MemoryLayout<Double>.size)
    return { [pool, scratch] _ in
      let sums = unsafe scratch.shared(as: Double.self)
      for piece in 0..<pieces.count { unsafe sums[piece] = 0 }
      pool.run(pieces.count) { task, _ in
        pieces.each(task) { row, column, count in
          unsafe sums[task] += ck_sum_of_squares(count, values.row(row) + column)
        }
      }
      var sum = accumulate ? result[0] : 0
      for piece in 0..<pieces.count { unsafe sum += sums[piece] }
      result[0] = sum
    }
  }

  func clipFactor(
    _ squares: TensorView, _ norm: TensorView, _ clip: TensorView, _ maximum: Double?
  ) throws(TensorError) -> Step.Body {
    let parts = try resolver.doubles(squares, "squares")
    let length = try resolver.doubles(norm, "norm", rows: 1)
    let factor = try resolver.doubles(clip, "clip", rows: 1)
    if let maximum { try resolver.require(maximum > 0, "the largest norm must be above 0", "\(maximum)") }
    return { _ in
      var sum = 0.0
      for row in 0..<parts.rows { sum += parts[row] }
      let value = sum.squareRoot()
      length[0] = value
      factor[0] = value.isFinite ? maximum.map { min(1, $0 / (value + 1e-6)) } ?? 1 : Double.nan
    }
  }
}
