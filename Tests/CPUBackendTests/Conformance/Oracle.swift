import Foundation
import Tensors

/// The operations in double precision, written plainly from their definitions.
enum Oracle {
  static func rmsNorm(_ x: Grid, _ weight: Grid, _ epsilon: Double) -> (out: Grid, inverse: Grid) {
    let inverse = Grid(x.rows, 1) { row, _ in
      let squares = (0..<x.columns).reduce(0.0) { $0 + x[row, $1] * x[row, $1] }
      return 1 / (squares / Double(x.columns) + epsilon).squareRoot()
    }
    return (Grid(x.rows, x.columns) { x[$0, $1] * inverse[$0, 0] * weight[0, $1] }, inverse)
  }

  static func activation(_ kind: Activation, _ x: Double) -> Double {
    switch kind {
    case .silu: x / (1 + exp(-x))
    case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }
  }

  static func gated(_ kind: Activation, _ gate: Grid, _ up: Grid) -> Grid {
    Grid(gate.rows, gate.columns) { activation(kind, gate[$0, $1]) * up[$0, $1] }
  }

  static func rope(_ x: Grid, _ positions: [Int32], _ angles: [Double], heads: Int) -> Grid {
    let dimension = x.columns / heads
    let half = dimension / 2
    return Grid(x.rows, x.columns) { row, column in
      let start = column / dimension * dimension
      let pair = column % dimension % half
      let angle = Double(positions[row]) * angles[pair]
      let low = x[row, start + pair]
      let high = x[row, start + pair + half]
      return column % dimension < half ? low * cos(angle) - high * sin(angle) : high * cos(angle) + low * sin(angle)
    }
  }

  /// How attention is shaped.
  struct Heads: Sendable {
    var heads: Int
    var keyValueHeads: Int
    var dimension: Int
    var scale: Double
    var window: Int?
    var softCap: Double?
  }

  /// Attention where query row t sees the key rows `visible(t)`; also the log-sum-exps.
  static func attention(
    _ q: Grid, _ k: Grid, _ v: Grid, _ shape: Heads, visible: (Int) -> ClosedRange<Int>?
  ) -> (out: Grid, logSumExp: Grid) {
    var out = Grid(q.rows, q.columns)
    var logs = Grid(q.rows, shape.heads)
    for row in 0..<q.rows {
      guard let keys = visible(row) else { continue }
      for head in 0..<shape.heads {
        let a = head * shape.dimension
        let b = head / (shape.heads / shape.keyValueHeads) * shape.dimension
        let scores = keys.map { key in
          let dot = (0..<shape.dimension).reduce(0.0) { $0 + q[row, a + $1] * k[key, b + $1] } * shape.scale
          return shape.softCap.map { $0 * tanh(dot / $0) } ?? dot
        }
        let peak = scores.max() ?? 0
        let sum = scores.reduce(0.0) { $0 + exp($1 - peak) }
        logs[row, head] = peak + log(sum)
        for (key, score) in zip(keys, scores) {
          let p = exp(score - peak) / sum
          for d in 0..<shape.dimension { out[row, a + d] += p * v[key, b + d] }
        }
      }
    }
    return (out, logs)
  }

  static func attention(_ q: Grid, _ k: Grid, _ v: Grid, _ shape: Heads, segments: [Int32]) -> (
    out: Grid, logSumExp: Grid
  ) {
    attention(q, k, v, shape) { row in
      max(Int(segments[row]), shape.window.map { row - $0 + 1 } ?? 0)...row
    }
  }

  /// -log softmax(logits)[target] of each row that has a target, and their sum.
  static func crossEntropy(_ logits: Grid, _ targets: [Int32]) -> Double {
    (0..<logits.rows).reduce(0.0) { sum, row in
      targets[row] < 0 ? sum : sum - logProbability(logits, row, Int(targets[row]))
    }
  }

  static func logProbability(_ logits: Grid, _ row: Int, _ target: Int) -> Double {
    let values = (0..<logits.columns).map { logits[row, $0] }
    let peak = values.max() ?? 0
    return values[target] - peak - log(values.reduce(0.0) { $0 + exp($1 - peak) })
  }
}
