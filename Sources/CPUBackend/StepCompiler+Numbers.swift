import CKernels
import Foundation
import Tensors

/// Changes of element types, and elements dropped by chance.
extension StepCompiler {
  func cast(_ x: TensorView, _ out: TensorView) throws(TensorError) -> Step.Body {
    if resolver.dtype(out) == .bf16 {
      let result = try resolver.halves(out, "out")
      let source = try resolver.floats(x, "x", rows: result.rows, columns: result.columns)
      let pieces = Pieces(
        rows: result.rows, columns: result.columns, isFlat: result.isContiguous && source.isContiguous)
      return { [pool] _ in
        pool.run(pieces) { row, column, count in
          unsafe ck_narrow(count, source.row(row) + column, result.row(row) + column)
        }
      }
    }
    let result = try resolver.floats(out, "out")
    let source = try resolver.halves(x, "x", rows: result.rows, columns: result.columns)
    let pieces = Pieces(rows: result.rows, columns: result.columns, isFlat: result.isContiguous && source.isContiguous)
    return { [pool] _ in
      pool.run(pieces) { row, column, count in
        unsafe ck_widen(count, source.row(row) + column, result.row(row) + column)
      }
    }
  }

  func dequantise(_ matrix: QuantisedMatrix, _ out: TensorView) throws(TensorError) -> Step.Body {
    let result = try resolver.floats(out, "out")
    let blocks = result.columns / QuantisedMatrix.blockSize
    try resolver.require(
      blocks * QuantisedMatrix.blockSize == result.columns, "an NF4 matrix's columns must be a multiple of 64",
      "\(result.columns)")
    let codes = try resolver.codes(matrix.codes, "codes", rows: result.rows, columns: result.columns / 2)
    let scales = result.rows * blocks
    let scaleCodes = try resolver.codes(matrix.scaleCodes, "scaleCodes", rows: 1, columns: scales)
    let maxima = try resolver.floats(
      matrix.scaleMaxima, "scaleMaxima", rows: 1,
      columns: (scales + QuantisedMatrix.scaleBlockSize - 1) / QuantisedMatrix.scaleBlockSize)
    let offset = try resolver.floats(matrix.offset, "offset", rows: 1, columns: 1)
    return { [pool] _ in
      pool.pieces(result.rows, of: StepCompiler.rowsOfTask) { rows, _ in
        for row in rows {
          unsafe ck_dequantise_nf4(
            blocks, codes.row(row), scaleCodes.base, row * blocks, maxima.base, offset[0], QuantisedMatrix.levels,
            DynamicMap.signed, result.row(row))
        }
      }
    }
  }

  func dropout(_ x: TensorView, _ out: TensorView, _ rate: Double, _ stream: Int) throws(TensorError) -> Step.Body {
    try resolver.require((0..<1).contains(rate), "dropout's rate must be in [0, 1)", "\(rate)")
    let result = try resolver.floats(out, "out")
    let source = try resolver.floats(x, "x", rows: result.rows, columns: result.columns)
    let pieces = Pieces([source, result])
    let threshold = UInt32(min(rate * 0x1p32, 4_294_967_295).rounded())
    let factor = Float(1 / (1 - rate))
    return { [pool] scalars in
      let key = ck_random(.dropout, stream: stream, step: scalars.step, seed: scalars.seed)
      pool.run(pieces) { row, column, count in
        var key = key
        unsafe ck_dropout(
          count, UInt64(row * result.columns + column), &key, threshold, factor, source.row(row) + column,
          result.row(row) + column)
      }
    }
  }
}

/// What random numbers are for: draws of different purposes are independent.
enum RandomPurpose: UInt32 {
  case dropout = 1
  case weight, firstMoment, secondMoment
}

extension ck_random {
  init(_ purpose: RandomPurpose, stream: Int, step: Int, seed: UInt64) {
    self.init(
      seed: seed, step: UInt32(truncatingIfNeeded: step), stream: UInt32(truncatingIfNeeded: stream),
      purpose: purpose.rawValue)
  }
}
