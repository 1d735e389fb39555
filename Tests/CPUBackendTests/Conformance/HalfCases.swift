import Tensors

extension ConformanceCase {
  /// What backends meet that compute in bf16: inputs that bf16 holds, results within its error.
  package static let halves: [ConformanceCase] = halfAttention + halfProducts + halfRows + halfLoss

  /// Rounding a result to bf16 costs up to 2^-9 of it; probabilities and slopes are rounded on their way too.
  private static let once = 6e-3
  private static let chained = 2e-2

  private struct Packed: Sendable {
    var id: String
    var segments: [Int]
    var heads: Int
    var keyValueHeads: Int
    var dimension: Int
    var window: Int?
    var softCap: Double?

    init(
      _ id: String, _ segments: [Int], _ heads: Int, _ keyValueHeads: Int, _ dimension: Int, window: Int? = nil,
      softCap: Double? = nil
    ) {
      self.id = id
      self.segments = segments
      self.heads = heads
      self.keyValueHeads = keyValueHeads
      self.dimension = dimension
      self.window = window
      self.softCap = softCap
    }

    var tokens: Int { segments.reduce(0, +) }
    var shape: Oracle.Heads {
      Oracle.Heads(
        heads: heads, keyValueHeads: keyValueHeads, dimension: dimension,
        scale: Double(Float(1 / Double(dimension).squareRoot())), window: window, softCap: softCap)
    }
    var starts: [Int32] {
      var result: [Int32] = []
      for length in segments { result += [Int32](repeating: Int32(result.count), count: length) }
      return result
    }
  }

  private static let halfAttention: [ConformanceCase] = [
    Packed("64", [1], 2, 1, 64), Packed("64-packed", [5, 1, 130, 64, 63], 4, 2, 64), Packed("64-long", [390], 2, 2, 64),
    Packed("64-window", [200, 50], 2, 1, 64, window: 40), Packed("128-packed", [70, 3, 129], 4, 1, 128),
    Packed("128-window", [140], 1, 1, 128, window: 33), Packed("32", [70], 2, 1, 32),
    Packed("cap", [70], 2, 1, 64, softCap: 2),
  ].map { setting in ConformanceCase("bf16-attention-\(setting.id)") { try attention($0, setting) } }

  private static func attention(_ backend: any Backend, _ s: Packed) throws -> [Mismatch] {
    var bench = Workbench()
    let width = s.keyValueHeads * s.dimension
    // Sharp and flat rows both: the keys' numbers are large in places.
    let q = random(s.tokens, s.heads * s.dimension, 1, 3)
    let k = random(s.tokens, width, 2, 1)
    let v = random(s.tokens, width, 3, 1)
    let slopes = random(s.tokens, q.columns, 4, 1)
    // As models have them: side by side in one tensor.
    let together = bench.halves(
      "qkv",
      Grid(s.tokens, q.columns + 2 * width) { row, column in
        column < q.columns
          ? q[row, column]
          : column < q.columns + width ? k[row, column - q.columns] : v[row, column - q.columns - width]
      })
    let gradients = bench.halves("gradients", Grid(s.tokens, together.columns))
    let o = AttentionOperands(
      q: together.columns(0..<q.columns), k: together.columns(q.columns..<q.columns + width),
      v: together.columns(q.columns + width..<q.columns + 2 * width),
      out: bench.halves("out", Grid(s.tokens, q.columns)), logSumExp: bench.output("logs", s.tokens, s.heads),
      segments: bench.column("segments", s.starts), heads: s.heads, keyValueHeads: s.keyValueHeads,
      headDimension: s.dimension, scale: Float(s.shape.scale), window: s.window, softCap: s.softCap.map { Float($0) })
    let parts = [0..<q.columns, q.columns..<q.columns + width, q.columns + width..<q.columns + 2 * width]
      .map { gradients.columns($0) }
    bench.add(.attention(o))
    bench.add(
      .attentionBackward(
        o, outGradient: bench.halves("slope", slopes), qGradient: parts[0], kGradient: parts[1], vGradient: parts[2],
        delta: bench.output("delta", s.tokens, s.heads)))
    let outcome = try bench.run(on: backend)
    let expected = Oracle.attention(q, k, v, s.shape, segments: s.starts)
    func loss(_ q: Grid, _ k: Grid, _ v: Grid) -> Double {
      Oracle.attention(q, k, v, s.shape, segments: s.starts).out.dot(slopes)
    }
    let samples = 12
    return Mismatch.compare("out", outcome.grid(o.out), expected.out, tolerance: chained)
      + Mismatch.compare("logSumExp", outcome.grid(o.logSumExp), expected.logSumExp, tolerance: once)
      + Mismatch.compare(
        "dq", outcome.grid(parts[0]), q.slope(samples: samples) { loss($0, k, v) }, tolerance: chained)
      + Mismatch.compare(
        "dk", outcome.grid(parts[1]), k.slope(samples: samples) { loss(q, $0, v) }, tolerance: chained)
      + Mismatch.compare(
        "dv", outcome.grid(parts[2]), v.slope(samples: samples) { loss(q, k, $0) }, tolerance: chained)
  }

  private static let halfProducts: [ConformanceCase] = [(3, 17, 5), (64, 128, 96), (257, 130, 64)].flatMap { m, n, k in
    [(false, true, false, true), (false, false, false, false), (true, false, true, false)].map {
      transposeA, transposeB, accumulate, bias in
      let flags = "\(transposeA ? "t" : "n")\(transposeB ? "t" : "n")"
      return ConformanceCase("bf16-gemm-\(m)x\(n)x\(k)-\(flags)") { backend in
        var bench = Workbench()
        let left = random(m, k, 1, 1)
        let right = random(k, n, 2, 1)
        let start = random(m, n, 3, 1)
        let row = Grid.random(1, n, seed: 4)
        let c = bench.halves("c", start)
        bench.add(
          .gemm(
            a: bench.halves("a", transposeA ? left.transposed : left), transposeA: transposeA,
            b: bench.halves("b", transposeB ? right.transposed : right), transposeB: transposeB, c: c,
            accumulate: accumulate, bias: bias ? bench.matrix("bias", row) : nil))
        let outcome = try bench.run(on: backend)
        let product = left * right
        let expected = Grid(m, n) {
          product[$0, $1] + (accumulate ? start[$0, $1] : 0) + (bias ? row[0, $1] : 0)
        }
        return Mismatch.compare("c", outcome.grid(c), expected, tolerance: once)
      }
    }
  }

  private static let halfRows: [ConformanceCase] = [(3, 17), (40, 576), (300, 2048)].map { rows, columns in
    ConformanceCase("bf16-norm-\(rows)x\(columns)") { backend in
      var bench = Workbench()
      let x = random(rows, columns, 1, 1)
      let weight = Grid.random(1, columns, seed: 2)
      let slope = random(rows, columns, 3, 1)
      let source = bench.halves("x", x)
      let row = bench.matrix("weight", weight)
      let out = bench.halves("out", Grid(rows, columns))
      let inverse = bench.output("inverse", rows, 1)
      let dx = bench.halves("dx", Grid(rows, columns))
      let dw = bench.matrix("dw", Grid(1, columns))
      bench.add(.rmsNorm(x: source, weight: row, out: out, inverse: inverse, epsilon: 1e-5))
      bench.add(
        .rmsNormBackward(
          x: source, weight: row, inverse: inverse, outGradient: bench.halves("slope", slope), xGradient: dx,
          weightGradient: dw, accumulate: false))
      let outcome = try bench.run(on: backend)
      let expected = Oracle.rmsNorm(x, weight, 1e-5)
      return Mismatch.compare("out", outcome.grid(out), expected.out, tolerance: once)
        + Mismatch.compare("inverse", outcome.grid(inverse), expected.inverse, tolerance: 1e-6)
        + Mismatch.compare(
          "dx", outcome.grid(dx), x.slope(samples: 8) { Oracle.rmsNorm($0, weight, 1e-5).out.dot(slope) },
          tolerance: chained)
        + Mismatch.compare(
          "dw", outcome.grid(dw), weight.slope(samples: 8) { Oracle.rmsNorm(x, $0, 1e-5).out.dot(slope) },
          tolerance: 1e-4)
    }
  }

  private static let halfLoss: [ConformanceCase] = [(20, 24, 50), (64, 64, 520)].map { tokens, width, vocabulary in
    ConformanceCase("bf16-cross-entropy-\(tokens)x\(width)x\(vocabulary)") { backend in
      var bench = Workbench()
      let x = random(tokens, width, 1, 1)
      let w = random(vocabulary, width, 2, 1)
      let targets = (0..<tokens).map { $0 % 5 == 2 ? Int32(-100) : Int32($0 * 13 % vocabulary) }
      bench.scalars.inverseTargetCount = 1.0 / 16
      let loss = bench.doubles("loss", [0])
      let dx = bench.halves("dx", Grid(tokens, width))
      let dw = bench.halves("dw", Grid(vocabulary, width))
      bench.add(
        .linearCrossEntropy(
          CrossEntropyOperands(
            hidden: bench.halves("hidden", x), weight: bench.halves("weight", w),
            targets: bench.column("targets", targets), loss: loss, logits: bench.halves("logits", Grid(16, vocabulary)),
            gathered: bench.halves("gathered", Grid(16, width)), hiddenGradient: dx, weightGradient: dw)))
      let outcome = try bench.run(on: backend)
      func total(_ x: Grid, _ w: Grid) -> Double { Oracle.crossEntropy(x * w.transposed, targets) / 16 }
      return Mismatch.compare("loss", outcome.doubles(loss), [total(x, w)], tolerance: 3e-3)
        + Mismatch.compare("dx", outcome.grid(dx), x.slope(samples: 8) { total($0, w) }, tolerance: chained)
        + Mismatch.compare("dw", outcome.grid(dw), w.slope(samples: 8) { total(x, $0) }, tolerance: chained)
    }
  }

  /// Numbers that bf16 holds exactly.
  private static func random(_ rows: Int, _ columns: Int, _ seed: UInt64, _ size: Double) -> Grid {
    Grid.random(rows, columns, seed: seed, in: -size...size).map {
      Double(Float(bitPattern: Float($0).bitPattern & 0xFFFF_0000))
    }
  }
}
