import Tensors

extension ConformanceCase {
  static let productCases: [ConformanceCase] =
    shapes.flatMap { shape in
      [(false, false), (false, true), (true, false), (true, true)].flatMap { transposeA, transposeB in
        Workbench.Layout.allCases.flatMap { layout in
          [(false, false), (true, false), (false, true), (true, true)].map { accumulate, bias in
            let (m, n, k) = shape
            let flags = "\(transposeA ? "t" : "n")\(transposeB ? "t" : "n")"
            let id =
              "gemm-\(m)x\(n)x\(k)-\(flags)-\(layout.rawValue)\(accumulate ? "-accumulate" : "")\(bias ? "-bias" : "")"
            return ConformanceCase(id) {
              try product($0, m, n, k, transposeA, transposeB, accumulate: accumulate, bias: bias, layout)
            }
          }
        }
      }
    } + biasCases

  private static let shapes =
    [(1, 1, 1), (1, 257, 64), (3, 17, 257), (17, 3, 1), (8, 100, 33), (9, 100, 33), (257, 257, 17), (65, 130, 257)] + [
      (3, 5, 0), (0, 4, 4), (200, 96, 64),
    ]

  private static func product(
    _ backend: any Backend, _ m: Int, _ n: Int, _ k: Int, _ transposeA: Bool, _ transposeB: Bool, accumulate: Bool,
    bias: Bool, _ layout: Workbench.Layout
  ) throws -> [Mismatch] {
    var bench = Workbench(layout)
    let lefts = Grid.random(m, k, seed: 1)
    let rights = Grid.random(k, n, seed: 2)
    let starts = Grid.random(m, n, seed: 3)
    let biases = Grid.random(1, n, seed: 4)
    let a = bench.matrix("a", transposeA ? lefts.transposed : lefts)
    let b = bench.matrix("b", transposeB ? rights.transposed : rights)
    let c = accumulate ? bench.matrix("c", starts) : bench.output("c", m, n)
    let row = bias ? bench.matrix("bias", biases) : nil
    bench.add(
      .gemm(a: a, transposeA: transposeA, b: b, transposeB: transposeB, c: c, accumulate: accumulate, bias: row))
    let outcome = try bench.run(on: backend)
    var expected = lefts * rights
    if accumulate { expected = expected + starts }
    if bias { expected = expected + Grid(m, n) { biases[0, $1] } }
    return Mismatch.compare("c", outcome.grid(c), expected, tolerance: 3e-6) + outcome.untouched(except: c)
  }

  private static let biasCases: [ConformanceCase] = [(1, 1), (17, 257), (0, 3)].flatMap { rows, columns in
    Workbench.Layout.allCases.map { layout in
      ConformanceCase("bias-backward-\(rows)x\(columns)-\(layout.rawValue)") { backend in
        var bench = Workbench(layout)
        let slopes = Grid.random(rows, columns, seed: 1)
        let starts = Grid.random(1, columns, seed: 2)
        let slope = bench.matrix("slope", slopes)
        let bias = bench.matrix("bias", starts)
        bench.add(.biasBackward(outGradient: slope, biasGradient: bias))
        let outcome = try bench.run(on: backend)
        let sums = Grid(1, columns) { _, c in (0..<rows).reduce(starts[0, c]) { $0 + slopes[$1, c] } }
        return Mismatch.compare("bias", outcome.grid(bias), sums, tolerance: 2e-6) + outcome.untouched(except: bias)
      }
    }
  }
}
