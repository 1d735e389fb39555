import Basics
import Foundation

/// A matrix in double precision: what the oracle computes with.
package struct Grid: Sendable, Equatable {
  package var rows: Int
  package var columns: Int
  package var values: [Double]

  package init(_ rows: Int, _ columns: Int, _ values: [Double]? = nil) {
    self.rows = rows
    self.columns = columns
    self.values = values ?? [Double](repeating: 0, count: rows * columns)
  }

  package init(_ rows: Int, _ columns: Int, _ value: (Int, Int) -> Double) {
    self.init(rows, columns)
    for row in 0..<rows { for column in 0..<columns { self[row, column] = value(row, column) } }
  }

  /// Uniform numbers in `range` that f32 holds exactly.
  package static func random(_ rows: Int, _ columns: Int, seed: UInt64, in range: ClosedRange<Double> = -1...1) -> Grid
  {
    var generator = SeededGenerator(seed: seed, stream: UInt64(rows * 1000 + columns))
    return Grid(rows, columns) { _, _ in
      Double(Float(range.lowerBound + generator.uniform() * (range.upperBound - range.lowerBound)))
    }
  }

  package subscript(row: Int, column: Int) -> Double {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  package var transposed: Grid { Grid(columns, rows) { self[$1, $0] } }
  package var largest: Double { values.reduce(0) { max($0, abs($1)) } }

  package func columns(_ range: Range<Int>) -> Grid { Grid(rows, range.count) { self[$0, range.lowerBound + $1] } }
  package func map(_ change: (Double) -> Double) -> Grid { Grid(rows, columns, values.map(change)) }

  /// The sum of products of elements.
  package func dot(_ other: Grid) -> Double { zip(values, other.values).reduce(0) { $0 + $1.0 * $1.1 } }

  package static func + (a: Grid, b: Grid) -> Grid { Grid(a.rows, a.columns, zip(a.values, b.values).map { $0 + $1 }) }
  package static func * (a: Double, b: Grid) -> Grid { b.map { a * $0 } }

  /// The matrix product.
  package static func * (a: Grid, b: Grid) -> Grid {
    var result = Grid(a.rows, b.columns)
    for i in 0..<a.rows {
      for p in 0..<a.columns {
        let left = a[i, p]
        for j in 0..<b.columns { result.values[i * b.columns + j] += left * b.values[p * b.columns + j] }
      }
    }
    return result
  }

  /// The gradient of `function` at this point by central differences: `samples` evenly spread elements of it.
  package func slope(samples: Int = 24, of function: (Grid) -> Double) -> [(index: Int, slope: Double)] {
    let step = max(1, values.count / samples)
    return Swift.stride(from: 0, to: values.count, by: step).map { start in
      let index = min(values.count - 1, start + start / step % step)
      let h = 1e-4
      var up = self
      var down = self
      up.values[index] += h
      down.values[index] -= h
      return (index, (function(up) - function(down)) / (2 * h))
    }
  }
}
