import Foundation
import Tensors

extension ConformanceCase {
  static let updateCases: [ConformanceCase] =
    shapes.flatMap { rows, columns in
      Workbench.Layout.allCases.map { layout in
        ConformanceCase("update-\(rows)x\(columns)-\(layout.rawValue)") {
          try update($0, rows, columns, layout, maximum: 0.75)
        }
      }
    } + [
      ConformanceCase("update-without-clipping") { try update($0, 5, 7, .contiguous, maximum: nil) },
      ConformanceCase("update-with-non-finite-gradient", skipsNonFinite),
    ]

  private static let shapes = [(1, 1), (3, 17), (257, 257)]

  private static func update(
    _ backend: any Backend, _ rows: Int, _ columns: Int, _ layout: Workbench.Layout, maximum: Double?
  ) throws -> [Mismatch] {
    var bench = Workbench(layout)
    bench.scalars = StepScalars(learningRate: 0.01, step: 3)
    let w = Grid.random(rows, columns, seed: 1)
    let g = Grid.random(rows, columns, seed: 2)
    let m = Grid.random(rows, columns, seed: 3)
    let v = Grid.random(rows, columns, seed: 4, in: 0...1)
    let weight = bench.matrix("weight", w)
    let gradient = bench.matrix("gradient", g)
    let first = bench.matrix("m", m)
    let second = bench.matrix("v", v)
    let squares = bench.doubles("squares", [-1, 0.25])
    let norm = bench.doubles("norm", [-1])
    let clip = bench.doubles("clip", [-1])
    let parameters = UpdateParameters(beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1)
    bench.add(.sumOfSquares(x: gradient, out: squares.rows(0..<1), accumulate: false))
    bench.add(.clipFactor(squares: squares, norm: norm, clip: clip, maximum: maximum))
    bench.add(
      .update(
        UpdateOperands(
          rule: .adamW, weight: weight, gradient: gradient, states: [first, second], clip: clip,
          parameters: parameters)))
    let outcome = try bench.run(on: backend)
    let sum = g.dot(g)
    let length = (sum + 0.25).squareRoot()
    let factor = maximum.map { min(1, $0 / (length + 1e-6)) } ?? 1
    let newM = Grid(rows, columns) { 0.9 * m[$0, $1] + 0.1 * factor * g[$0, $1] }
    let newV = Grid(rows, columns) { 0.95 * v[$0, $1] + 0.05 * pow(factor * g[$0, $1], 2) }
    let newW = Grid(rows, columns) { row, column in
      let decayed = w[row, column] * (1 - 0.01 * 0.1)
      let mean = newM[row, column] / (1 - pow(0.9, 3))
      let root = (newV[row, column] / (1 - pow(0.95, 3))).squareRoot()
      return decayed - 0.01 * mean / (root + 1e-8)
    }
    return Mismatch.compare("squares", outcome.doubles(squares), [sum, 0.25], tolerance: 1e-12)
      + Mismatch.compare("norm", outcome.doubles(norm), [length], tolerance: 1e-12)
      + Mismatch.compare("clip", outcome.doubles(clip), [factor], tolerance: 1e-12)
      + Mismatch.compare("m", outcome.grid(first), newM, tolerance: 1e-6)
      + Mismatch.compare("v", outcome.grid(second), newV, tolerance: 1e-6)
      + Mismatch.compare("weight", outcome.grid(weight), newW, tolerance: 1e-6)
      + outcome.untouched(except: weight, first, second)
  }

  @Sendable private static func skipsNonFinite(_ backend: any Backend) throws -> [Mismatch] {
    var bench = Workbench()
    bench.scalars = StepScalars(learningRate: 0.01, step: 1)
    let x = Grid.random(3, 5, seed: 1)
    var bad = x
    bad[1, 1] = .infinity
    let weight = bench.matrix("weight", x)
    let gradient = bench.matrix("gradient", bad)
    let m = bench.matrix("m", x)
    let v = bench.matrix("v", x)
    let squares = bench.doubles("squares", [0])
    let norm = bench.doubles("norm", [0])
    let clip = bench.doubles("clip", [0])
    bench.add(.sumOfSquares(x: gradient, out: squares, accumulate: false))
    bench.add(.clipFactor(squares: squares, norm: norm, clip: clip, maximum: 1))
    bench.add(
      .update(
        UpdateOperands(
          rule: .adamW, weight: weight, gradient: gradient, states: [m, v], clip: clip,
          parameters: UpdateParameters(beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1))))
    let outcome = try bench.run(on: backend)
    return Mismatch.equal("norm is infinite", outcome.doubles(norm), [.infinity])
      + Mismatch.equal("clip is not a number", outcome.doubles(clip)[0].isNaN, true)
      + outcome.untouched()
  }
}
