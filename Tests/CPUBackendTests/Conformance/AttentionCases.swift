import Tensors

extension ConformanceCase {
  static let attentionCases: [ConformanceCase] = settings.flatMap { setting in
    Workbench.Layout.allCases.flatMap { layout in
      [
        ConformanceCase("attention-\(setting.id)-\(layout.rawValue)") { try forward($0, setting, layout) },
        ConformanceCase("attention-backward-\(setting.id)-\(layout.rawValue)") { try backward($0, setting, layout) },
      ]
    }
  }

  private struct Setting: Sendable {
    var id: String
    /// Lengths of the packed segments.
    var segments: [Int]
    var shape: Oracle.Heads

    init(
      _ id: String, _ segments: [Int], _ heads: Int, _ keyValueHeads: Int, _ dimension: Int, window: Int? = nil,
      softCap: Double? = nil, scale: Double? = nil
    ) {
      self.id = id
      self.segments = segments
      shape = Oracle.Heads(
        heads: heads, keyValueHeads: keyValueHeads, dimension: dimension,
        scale: scale ?? Double(Float(1 / Double(dimension).squareRoot())), window: window, softCap: softCap)
    }

    var tokens: Int { segments.reduce(0, +) }

    var starts: [Int32] {
      var result: [Int32] = []
      for length in segments { result += [Int32](repeating: Int32(result.count), count: length) }
      return result
    }
  }

  private static let settings = [
    Setting("one-token", [1], 1, 1, 2),
    Setting("no-token", [], 2, 1, 4),
    Setting("three-tokens", [3], 3, 1, 17),
    Setting("grouped", [17], 6, 2, 8),
    Setting("all-alone", [1, 1, 1, 1, 1], 2, 2, 4),
    Setting("packed", [5, 1, 60, 3, 70, 0, 2], 4, 2, 16),
    Setting("long", [257], 2, 1, 64),
    Setting("window", [100, 40], 2, 1, 8, window: 7),
    Setting("window-of-one", [20], 1, 1, 4, window: 1),
    Setting("wide-window", [150], 2, 2, 8, window: 130),
    Setting("soft-cap", [90], 2, 1, 8, softCap: 1.5, scale: 2),
    Setting("window-and-cap", [33, 50], 4, 2, 8, window: 20, softCap: 3, scale: 1),
  ]

  private static func operands(_ bench: inout Workbench, _ s: Setting, _ q: Grid, _ k: Grid, _ v: Grid)
    -> AttentionOperands
  {
    AttentionOperands(
      q: bench.matrix("q", q), k: bench.matrix("k", k), v: bench.matrix("v", v),
      out: bench.output("out", q.rows, q.columns), logSumExp: bench.output("logSumExp", q.rows, s.shape.heads),
      segments: bench.column("segments", s.starts), heads: s.shape.heads, keyValueHeads: s.shape.keyValueHeads,
      headDimension: s.shape.dimension, scale: Float(s.shape.scale), window: s.shape.window,
      softCap: s.shape.softCap.map { Float($0) })
  }

  private static func inputs(_ s: Setting) -> (q: Grid, k: Grid, v: Grid) {
    let width = s.shape.keyValueHeads * s.shape.dimension
    return (
      Grid.random(s.tokens, s.shape.heads * s.shape.dimension, seed: 1),
      Grid.random(s.tokens, width, seed: 2), Grid.random(s.tokens, width, seed: 3)
    )
  }

  private static func forward(_ backend: any Backend, _ s: Setting, _ layout: Workbench.Layout) throws -> [Mismatch] {
    var bench = Workbench(layout)
    let (q, k, v) = inputs(s)
    let o = operands(&bench, s, q, k, v)
    bench.add(.attention(o))
    let outcome = try bench.run(on: backend)
    let expected = Oracle.attention(q, k, v, s.shape, segments: s.starts)
    return Mismatch.compare("out", outcome.grid(o.out), expected.out, tolerance: 3e-6)
      + Mismatch.compare("logSumExp", outcome.grid(o.logSumExp), expected.logSumExp, tolerance: 3e-6)
      + outcome.untouched(except: o.out, o.logSumExp)
  }

  private static func backward(_ backend: any Backend, _ s: Setting, _ layout: Workbench.Layout) throws -> [Mismatch] {
    var bench = Workbench(layout)
    let (q, k, v) = inputs(s)
    let slopes = Grid.random(s.tokens, q.columns, seed: 4)
    let o = operands(&bench, s, q, k, v)
    let slope = bench.matrix("slope", slopes)
    let dq = bench.output("dq", q.rows, q.columns)
    let dk = bench.output("dk", k.rows, k.columns)
    let dv = bench.output("dv", v.rows, v.columns)
    let delta = bench.output("delta", q.rows, s.shape.heads)
    bench.add(.attention(o))
    bench.add(.attentionBackward(o, outGradient: slope, qGradient: dq, kGradient: dk, vGradient: dv, delta: delta))
    let outcome = try bench.run(on: backend)
    func loss(_ q: Grid, _ k: Grid, _ v: Grid) -> Double {
      Oracle.attention(q, k, v, s.shape, segments: s.starts).out.dot(slopes)
    }
    let samples = s.tokens > 100 ? 6 : 16
    return Mismatch.compare("dq", outcome.grid(dq), q.slope(samples: samples) { loss($0, k, v) })
      + Mismatch.compare("dk", outcome.grid(dk), k.slope(samples: samples) { loss(q, $0, v) })
      + Mismatch.compare("dv", outcome.grid(dv), v.slope(samples: samples) { loss(q, k, $0) })
      + outcome.untouched(except: o.out, o.logSumExp, dq, dk, dv, delta)
  }
}
