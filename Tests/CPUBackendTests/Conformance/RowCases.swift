import Foundation
import Tensors

extension ConformanceCase {
  static let rowCases: [ConformanceCase] = lookupCases + normCases + ropeCases

  private static let lookupCases: [ConformanceCase] = [(1, 1, 1), (3, 17, 5), (40, 257, 3)].flatMap {
    tokens, width, vocabulary in
    Workbench.Layout.allCases.map { layout in
      ConformanceCase("embed-gather-\(tokens)x\(width)-\(layout.rawValue)") { backend in
        var bench = Workbench(layout)
        let ids = (0..<tokens).map { Int32($0 * 7 % vocabulary) }
        let rows = (0..<(tokens + 2)).map { $0 % 3 == 1 ? Int32(-1) : Int32($0 * 5 % tokens) }
        let tables = Grid.random(vocabulary, width, seed: 1)
        let slopes = Grid.random(tokens, width, seed: 2)
        let before = Grid.random(vocabulary, width, seed: 3)
        let idView = bench.column("ids", ids)
        let rowView = bench.column("rows", rows)
        let table = bench.matrix("table", tables)
        let out = bench.output("out", tokens, width)
        let slope = bench.matrix("slope", slopes)
        let gradient = bench.matrix("gradient", before)
        let gathered = bench.output("gathered", rows.count, width)
        bench.add(.embed(ids: idView, table: table, out: out))
        bench.add(.embedBackward(ids: idView, outGradient: slope, tableGradient: gradient))
        bench.add(.gatherRows(x: out, rows: rowView, out: gathered))
        let outcome = try bench.run(on: backend)
        let looked = Grid(tokens, width) { tables[Int(ids[$0]), $1] }
        var summed = before
        for token in 0..<tokens { for c in 0..<width { summed[Int(ids[token]), c] += slopes[token, c] } }
        return Mismatch.compare("out", outcome.grid(out), looked, tolerance: 0)
          + Mismatch.compare("gradient", outcome.grid(gradient), summed, tolerance: 1e-6)
          + Mismatch.compare(
            "gathered", outcome.grid(gathered),
            Grid(rows.count, width) { rows[$0] < 0 ? 0 : looked[Int(rows[$0]), $1] }, tolerance: 0)
          + outcome.untouched(except: out, gradient, gathered)
      }
    }
  }

  private static let normCases: [ConformanceCase] = [(1, 1), (3, 17), (17, 257), (40, 576)].flatMap { rows, columns in
    Workbench.Layout.allCases.flatMap { layout in
      [
        ConformanceCase("rms-norm-\(rows)x\(columns)-\(layout.rawValue)") { try norm($0, rows, columns, layout) },
        ConformanceCase("rms-norm-backward-\(rows)x\(columns)-\(layout.rawValue)") {
          try normBackward($0, rows, columns, layout, accumulate: false)
        },
        ConformanceCase("rms-norm-backward-accumulate-\(rows)x\(columns)-\(layout.rawValue)") {
          try normBackward($0, rows, columns, layout, accumulate: true)
        },
      ]
    }
  }

  private static let epsilon = 1e-5

  private static func norm(
    _ backend: any Backend, _ rows: Int, _ columns: Int, _ layout: Workbench.Layout
  ) throws -> [Mismatch] {
    var bench = Workbench(layout)
    let xs = Grid.random(rows, columns, seed: 1)
    let deltas = Grid.random(rows, columns, seed: 2)
    let weights = Grid.random(1, columns, seed: 3)
    let x = bench.matrix("x", xs)
    let residual = bench.matrix("residual", xs)
    let delta = bench.matrix("delta", deltas)
    let weight = bench.matrix("weight", weights)
    let out = bench.output("out", rows, columns)
    let inverse = bench.output("inverse", rows, 1)
    let sumOut = bench.output("sumOut", rows, columns)
    let sumInverse = bench.output("sumInverse", rows, 1)
    bench.add(.rmsNorm(x: x, weight: weight, out: out, inverse: inverse, epsilon: epsilon))
    bench.add(
      .addRMSNorm(
        x: residual, delta: delta, sum: residual, weight: weight, out: sumOut, inverse: sumInverse, epsilon: epsilon))
    let outcome = try bench.run(on: backend)
    let plain = Oracle.rmsNorm(xs, weights, epsilon)
    let summed = Oracle.rmsNorm((xs + deltas).map { Double(Float($0)) }, weights, epsilon)
    return Mismatch.compare("out", outcome.grid(out), plain.out, tolerance: 1e-6)
      + Mismatch.compare("inverse", outcome.grid(inverse), plain.inverse, tolerance: 1e-6)
      + Mismatch.compare("sum", outcome.grid(residual), xs + deltas, tolerance: 1e-6)
      + Mismatch.compare("sum's out", outcome.grid(sumOut), summed.out, tolerance: 1e-6)
      + Mismatch.compare("sum's inverse", outcome.grid(sumInverse), summed.inverse, tolerance: 1e-6)
      + outcome.untouched(except: out, inverse, residual, sumOut, sumInverse)
  }

  private static func normBackward(
    _ backend: any Backend, _ rows: Int, _ columns: Int, _ layout: Workbench.Layout, accumulate: Bool
  ) throws -> [Mismatch] {
    var bench = Workbench(layout)
    let xs = Grid.random(rows, columns, seed: 1, in: 0.1...1)
    let weights = Grid.random(1, columns, seed: 3)
    let slopes = Grid.random(rows, columns, seed: 4)
    let startX = Grid.random(rows, columns, seed: 5)
    let startW = Grid.random(1, columns, seed: 6)
    let x = bench.matrix("x", xs)
    let weight = bench.matrix("weight", weights)
    let inverse = bench.matrix("inverse", Oracle.rmsNorm(xs, weights, epsilon).inverse)
    let slope = bench.matrix("slope", slopes)
    let dx = bench.matrix("dx", startX)
    let dw = bench.matrix("dw", startW)
    let frozen = bench.matrix("frozen dx", startX)
    for (result, sum) in [(dx, dw), (frozen, nil)] {
      bench.add(
        .rmsNormBackward(
          x: x, weight: weight, inverse: inverse, outGradient: slope, xGradient: result, weightGradient: sum,
          accumulate: accumulate))
    }
    let outcome = try bench.run(on: backend)
    return Mismatch.compare(
      "dx", outcome.grid(dx), xs.slope { Oracle.rmsNorm($0, weights, epsilon).out.dot(slopes) },
      plus: accumulate ? startX : nil)
      + Mismatch.compare(
        "dw", outcome.grid(dw), weights.slope { Oracle.rmsNorm(xs, $0, epsilon).out.dot(slopes) }, plus: startW)
      + Mismatch.compare("frozen dx", outcome.grid(frozen), outcome.grid(dx), tolerance: 0)
      + outcome.untouched(except: dx, dw, frozen)
  }

  private static let ropeCases: [ConformanceCase] = [(1, 1, 2), (17, 3, 6), (40, 2, 64)].flatMap {
    tokens, heads, dimension in
    Workbench.Layout.allCases.map { layout in
      ConformanceCase("rope-\(tokens)x\(heads)x\(dimension)-\(layout.rawValue)") { backend in
        var bench = Workbench(layout)
        let angles = (0..<(dimension / 2)).map { pow(100.0, -Double($0) / Double(dimension / 2)) }
        let positions = (0..<tokens).map { Int32($0 * 3 % (tokens + 1)) }
        let xs = Grid.random(tokens, heads * dimension, seed: 1)
        let x = bench.matrix("x", xs)
        let there = bench.matrix("there and back", xs)
        let place = bench.column("positions", positions)
        let cosine = bench.matrix("cosine", Grid(tokens + 1, dimension / 2) { cos(Double($0) * angles[$1]) })
        let sine = bench.matrix("sine", Grid(tokens + 1, dimension / 2) { sin(Double($0) * angles[$1]) })
        bench.add(.rope(x: x, positions: place, cosine: cosine, sine: sine, heads: heads, inverse: false))
        for inverse in [false, true] {
          bench.add(.rope(x: there, positions: place, cosine: cosine, sine: sine, heads: heads, inverse: inverse))
        }
        let outcome = try bench.run(on: backend)
        return Mismatch.compare(
          "x", outcome.grid(x), Oracle.rope(xs, positions, angles, heads: heads), tolerance: 1e-6)
          + Mismatch.compare("there and back", outcome.grid(there), xs, tolerance: 1e-6)
          + outcome.untouched(except: x, there)
      }
    }
  }
}
