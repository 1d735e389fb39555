import Tensors

extension ConformanceCase {
  static let lossCases: [ConformanceCase] =
    settings.flatMap { setting in
      Workbench.Layout.allCases.map { layout in
        ConformanceCase("cross-entropy-\(setting.id)-\(layout.rawValue)") { try crossEntropy($0, setting, layout) }
      }
    } + halfCases + scoreCases

  private struct Setting: Sendable {
    var id: String
    var tokens: Int
    var width: Int
    var vocabulary: Int
    var chunk: Int
    var targets: [Int32]
    var hasGradients = true
    var logitScale: Double = 1
  }

  private static func every(_ step: Int, _ tokens: Int, _ vocabulary: Int) -> [Int32] {
    (0..<tokens).map { $0 % step == 0 ? Int32($0 * 13 % vocabulary) : -100 }
  }

  /// Weights in bf16, hidden states in f32.
  private static let halfCases: [ConformanceCase] =
    (settings.filter { ["chunks", "sparse", "scaled", "loss-only"].contains($0.id) } + [wide]).map { setting in
      ConformanceCase("cross-entropy-\(setting.id)-bf16") { try crossEntropy($0, setting, .strided, isHalf: true) }
    }

  /// A bf16 weight of this width is widened in several slabs.
  private static let wide = Setting(
    id: "slabs", tokens: 3, width: 4096, vocabulary: 300, chunk: 2, targets: [7, 299, 128], logitScale: 0.02)

  private static let settings = [
    Setting(id: "one", tokens: 1, width: 1, vocabulary: 3, chunk: 1, targets: [1]),
    Setting(id: "none", tokens: 5, width: 3, vocabulary: 7, chunk: 2, targets: every(100, 6, 7).dropFirst().map { $0 }),
    Setting(id: "all", tokens: 17, width: 17, vocabulary: 257, chunk: 17, targets: every(1, 17, 257)),
    Setting(id: "chunks", tokens: 40, width: 33, vocabulary: 257, chunk: 7, targets: every(1, 40, 257)),
    Setting(id: "sparse", tokens: 70, width: 24, vocabulary: 100, chunk: 16, targets: every(3, 70, 100)),
    Setting(
      id: "scaled", tokens: 20, width: 24, vocabulary: 50, chunk: 6, targets: every(2, 20, 50), logitScale: 0.25),
    Setting(
      id: "loss-only", tokens: 20, width: 24, vocabulary: 50, chunk: 6, targets: every(2, 20, 50), hasGradients: false),
  ]

  private static func crossEntropy(
    _ backend: any Backend, _ s: Setting, _ layout: Workbench.Layout, isHalf: Bool = false
  ) throws -> [Mismatch] {
    var bench = Workbench(layout)
    let inverse = 1.0 / 32
    bench.scalars.inverseTargetCount = inverse
    let x = Grid.random(s.tokens, s.width, seed: 1)
    let w = Grid.random(s.vocabulary, s.width, seed: 2, in: -2...2).map { isHalf ? Oracle.nearestHalf($0) : $0 }
    let start = Grid.random(s.vocabulary, s.width, seed: 3)
    let hidden = bench.matrix("hidden", x)
    let weight = isHalf ? bench.halves("weight", w) : bench.matrix("weight", w)
    let loss = bench.doubles("loss", [0.5])
    let logits = bench.output("logits", s.chunk, s.vocabulary)
    let gathered = bench.output("gathered", s.chunk, s.width)
    let dx = bench.output("dx", s.tokens, s.width)
    let dw = bench.matrix("dw", start)
    bench.add(
      .linearCrossEntropy(
        CrossEntropyOperands(
          hidden: hidden, weight: weight, targets: bench.column("targets", s.targets), loss: loss, logits: logits,
          gathered: gathered, hiddenGradient: s.hasGradients ? dx : nil, weightGradient: s.hasGradients ? dw : nil,
          logitScale: Float(s.logitScale))))
    let outcome = try bench.run(on: backend)
    func total(_ x: Grid, _ w: Grid) -> Double {
      inverse * Oracle.crossEntropy(s.logitScale * (x * w.transposed), s.targets)
    }
    var found = Mismatch.compare("loss", outcome.doubles(loss), [0.5 + total(x, w)])
    if s.hasGradients {
      found += Mismatch.compare("dx", outcome.grid(dx), x.slope { total($0, w) })
      found += Mismatch.compare("dw", outcome.grid(dw), w.slope { total(x, $0) }, plus: start)
      for row in 0..<s.tokens where s.targets[row] < 0 {
        found += Mismatch.equal(
          "dx of a row without a target", (0..<s.width).allSatisfy { outcome.grid(dx)[row, $0] == 0 }, true)
      }
    }
    return found
      + outcome.untouched(except: logits, gathered, s.hasGradients ? dx : logits, s.hasGradients ? dw : logits)
  }

  private static let scoreCases: [ConformanceCase] = [(1, 1), (3, 17), (17, 257)].flatMap { rows, vocabulary in
    Workbench.Layout.allCases.map { layout in
      ConformanceCase("score-\(rows)x\(vocabulary)-\(layout.rawValue)") { backend in
        var bench = Workbench(layout)
        var values = Grid.random(rows, vocabulary, seed: 1, in: -20...20)
        // A tie in every row: the lower id wins.
        for row in 0..<rows {
          values[row, vocabulary - 1] = 25
          values[row, vocabulary / 2] = 25
        }
        let targets = every(2, rows, vocabulary)
        let logits = bench.matrix("logits", values)
        let scores = bench.doubles("scores", [Double](repeating: 9, count: rows))
        let best = bench.column("best", [Int32](repeating: 9, count: rows))
        bench.add(
          .scoreTargets(
            logits: logits, targets: bench.column("targets", targets), logProbability: scores, best: best))
        let outcome = try bench.run(on: backend)
        let expected = (0..<rows).map {
          targets[$0] < 0 ? 0 : Oracle.logProbability(values, $0, Int(targets[$0]))
        }
        return Mismatch.compare("scores", outcome.doubles(scores), expected)
          + Mismatch.equal("best", outcome.integers(best), [Int32](repeating: Int32(vocabulary / 2), count: rows))
          + outcome.untouched()
      }
    }
  }
}
