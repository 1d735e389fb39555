import Tensors

extension ConformanceCase {
  static let elementCases: [ConformanceCase] = gatedCases + arithmeticCases

  private static let shapes = [(1, 1), (3, 17), (17, 257), (70, 512), (0, 5)]

  private static let gatedCases: [ConformanceCase] = shapes.flatMap { rows, columns in
    Workbench.Layout.allCases.flatMap { layout in
      [Activation.silu, .geluTanh].flatMap { kind in
        let id = "\(kind.rawValue)-\(rows)x\(columns)-\(layout.rawValue)"
        return [
          ConformanceCase("gated-\(id)") { try gated($0, kind, rows, columns, layout) },
          ConformanceCase("gated-backward-\(id)") {
            try gatedBackward($0, kind, rows, columns, layout, inPlace: false)
          },
          ConformanceCase("gated-backward-in-place-\(id)") {
            try gatedBackward($0, kind, rows, columns, layout, inPlace: true)
          },
        ]
      }
    }
  }

  private static func gated(
    _ backend: any Backend, _ kind: Activation, _ rows: Int, _ columns: Int, _ layout: Workbench.Layout
  ) throws -> [Mismatch] {
    var bench = Workbench(layout)
    let gates = Grid.random(rows, columns, seed: 1, in: -12...12)
    let ups = Grid.random(rows, columns, seed: 2)
    let gate = bench.matrix("gate", gates)
    let up = bench.matrix("up", ups)
    let out = bench.output("out", rows, columns)
    bench.add(.gatedActivation(kind, gate: gate, up: up, out: out))
    let outcome = try bench.run(on: backend)
    return Mismatch.compare("out", outcome.grid(out), Oracle.gated(kind, gates, ups), tolerance: 1e-6)
      + outcome.untouched(except: out)
  }

  private static func gatedBackward(
    _ backend: any Backend, _ kind: Activation, _ rows: Int, _ columns: Int, _ layout: Workbench.Layout, inPlace: Bool
  ) throws -> [Mismatch] {
    var bench = Workbench(layout)
    let gates = Grid.random(rows, columns, seed: 1, in: -6...6)
    let ups = Grid.random(rows, columns, seed: 2)
    let slopes = Grid.random(rows, columns, seed: 3)
    let gate = bench.matrix("gate", gates)
    let up = bench.matrix("up", ups)
    let slope = bench.matrix("slope", slopes)
    let gateGradient = inPlace ? gate : bench.output("gateGradient", rows, columns)
    let upGradient = inPlace ? up : bench.output("upGradient", rows, columns)
    bench.add(
      .gatedActivationBackward(
        kind, gate: gate, up: up, outGradient: slope, gateGradient: gateGradient, upGradient: upGradient))
    let outcome = try bench.run(on: backend)
    return Mismatch.compare(
      "gateGradient", outcome.grid(gateGradient), gates.slope { Oracle.gated(kind, $0, ups).dot(slopes) })
      + Mismatch.compare(
        "upGradient", outcome.grid(upGradient), ups.slope { Oracle.gated(kind, gates, $0).dot(slopes) })
      + outcome.untouched(except: gateGradient, upGradient)
  }

  private static let arithmeticCases: [ConformanceCase] = shapes.flatMap { rows, columns in
    Workbench.Layout.allCases.map { layout in
      ConformanceCase("add-copy-zero-scale-\(rows)x\(columns)-\(layout.rawValue)") { backend in
        var bench = Workbench(layout)
        let first = Grid.random(rows, columns, seed: 1)
        let second = Grid.random(rows, columns, seed: 2)
        let a = bench.matrix("a", first)
        let b = bench.matrix("b", second)
        let sum = bench.output("sum", rows, columns)
        let copy = bench.output("copy", rows, columns)
        let zero = bench.output("zero", rows, columns)
        bench.add(.add(a: a, b: b, out: sum))
        bench.add(.copy(x: sum, out: copy))
        bench.add(.add(a: copy, b: b, out: copy))
        bench.add(.scale(copy, factor: -0.5))
        bench.add(.zero(zero))
        let outcome = try bench.run(on: backend)
        return Mismatch.compare("sum", outcome.grid(sum), first + second, tolerance: 1e-7)
          + Mismatch.compare("copy", outcome.grid(copy), -0.5 * (first + second + second), tolerance: 3e-7)
          + Mismatch.equal("zero", outcome.grid(zero).largest, 0)
          + outcome.untouched(except: sum, copy, zero)
      }
    }
  }
}
