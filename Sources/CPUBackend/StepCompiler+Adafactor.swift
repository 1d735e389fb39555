import CKernels
import Foundation
import Tensors

/// Adafactor (Shazeer and Stern, 2018) as Hugging Face's trainer sets it: no relative steps, no scaling by the
/// parameter, no momentum.
extension StepCompiler {
  private static let decayRate = -0.8
  private static let epsilon = 1e-30
  private static let clipThreshold = 1.0

  /// `states`: means of squared gradients by row (R,1) and by column (1,C), or of every element (1,C) of a vector.
  mutating func adafactor(
    _ o: UpdateOperands, _ weight: RoundedMatrix, _ gradient: Matrix<Float>, _ clip: Matrix<Double>
  ) throws(TensorError) -> Step.Body {
    try resolver.require(
      o.states.count == 2 || o.states.count == 1 && weight.rows == 1,
      "Adafactor has two states, a vector's one", "\(o.states.count)")
    let isFactored = o.states.count == 2
    let rows = weight.rows
    let columns = weight.columns
    var byRow: Matrix<Float>?
    if isFactored { byRow = try resolver.floats(o.states[0], "row means", rows: rows, columns: 1) }
    let byColumn = try resolver.floats(o.states[isFactored ? 1 : 0], "column means", rows: 1, columns: columns)
    // Sums by row, sums by column, factors of the columns.
    reserve(shared: (rows + columns) * MemoryLayout<Double>.size + columns * MemoryLayout<Float>.size)
    return { [pool, scratch, byRow] scalars in
      guard !clip[0].isNaN, rows > 0, columns > 0 else { return }
      let factor = Float(clip[0])
      let time = UpdateTime(scalars, isDeferred: o.isDeferred)
      let rest = pow(Double(time.step), StepCompiler.decayRate)
      let keep = 1 - rest
      let sums = unsafe scratch.shared(as: Double.self)
      let columnSums = unsafe sums + rows
      let factors = unsafe UnsafeMutableRawPointer(columnSums + columns).assumingMemoryBound(to: Float.self)

      pool.pieces(columns, of: StepCompiler.columnsOfTask) { range, _ in
        let part = gradient.columns(range)
        for column in range { unsafe columnSums[column] = 0 }
        for row in 0..<rows {
          unsafe ck_add_squares(
            range.count, part.row(row), factor, StepCompiler.epsilon, columnSums + range.lowerBound)
        }
      }
      for column in 0..<columns {
        let mean = unsafe columnSums[column] / Double(rows)
        let value = unsafe Float(keep * Double(byColumn.base[column]) + rest * mean)
        unsafe byColumn.base[column] = value
        unsafe factors[column] = Float(1 / Double(value).squareRoot())
      }
      var rowMean = 1.0
      if let byRow {
        pool.pieces(rows, of: StepCompiler.rowsOfTask) { range, _ in
          for row in range {
            let sum = unsafe ck_sum_plus(columns, gradient.row(row), factor, StepCompiler.epsilon)
            byRow[row] = Float(keep * Double(byRow[row]) + rest * sum / Double(columns))
          }
        }
        rowMean = (0..<rows).reduce(0.0) { $0 + Double(byRow[$1]) } / Double(rows)
      }
      let mean = rowMean
      func rowFactor(_ row: Int) -> Float {
        byRow.map { Float((mean / Double($0[row])).squareRoot()) * factor } ?? factor
      }
      pool.pieces(rows, of: StepCompiler.rowsOfTask) { range, _ in
        for row in range {
          unsafe sums[row] = ck_sum_scaled(columns, gradient.row(row), factors, rowFactor(row))
        }
      }
      var squares = 0.0
      for row in 0..<rows { unsafe squares += sums[row] }
      let size = (squares / Double(rows * columns)).squareRoot()
      let rate = Float(time.learningRate / max(1, size / StepCompiler.clipThreshold))
      let decay = Float(1 - time.learningRate * o.parameters.weightDecay)
      pool.pieces(rows, of: StepCompiler.rowsOfTask) { range, _ in
        unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: RoundedMatrix.chunk) { memory in
          guard let base = memory.baseAddress else { return }
          for row in range {
            for start in stride(from: 0, to: columns, by: RoundedMatrix.chunk) {
              let count = min(RoundedMatrix.chunk, columns - start)
              unsafe ck_step_scaled(
                count, weight.open(row, start, count, base), gradient.row(row) + start, factors + start,
                rowFactor(row) * rate, decay)
              unsafe weight.close(row, start, count, base, step: time.step, seed: scalars.seed)
            }
          }
        }
      }
    }
  }
}
