import Foundation
import Tensors

/// What one update by each rule does, against double precision.
extension ConformanceCase {
  static let optimizerCases: [ConformanceCase] =
    [(1, 1), (3, 17), (1, 256), (70, 257)].flatMap { rows, columns in
      [false, true].flatMap { isHalf in
        let id = "\(rows)x\(columns)-\(isHalf ? "bf16" : "f32")"
        return [
          ConformanceCase("adamw-\(id)") { try adamW($0, rows, columns, isHalf: isHalf, states: .f32) },
          ConformanceCase("adamw-bf16-states-\(id)") { try adamW($0, rows, columns, isHalf: isHalf, states: .bf16) },
          ConformanceCase("adamw-8bit-\(id)") { try adamW($0, rows, columns, isHalf: isHalf, states: .u8) },
          ConformanceCase("sgd-\(id)") { try sgd($0, rows, columns, isHalf: isHalf, momentum: nil) },
          ConformanceCase("sgd-momentum-\(id)") { try sgd($0, rows, columns, isHalf: isHalf, momentum: 0.9) },
          ConformanceCase("adafactor-\(id)") { try adafactor($0, rows, columns, isHalf: isHalf, step: 1) },
          ConformanceCase("adafactor-third-\(id)") { try adafactor($0, rows, columns, isHalf: isHalf, step: 3) },
        ]
      }
    } + [
      ConformanceCase("adafactor-vector") { try adafactor($0, 1, 97, isHalf: false, step: 2, isVector: true) },
      ConformanceCase("adafactor-rows-of-a-fused-matrix", adafactorOfRows),
      ConformanceCase("adamw-8bit-zeros", zeroBlocks),
    ]
    + [DType.f32, .bf16, .u8].flatMap { states in
      [false, true].map { isHalf in
        ConformanceCase("update-in-parts-\(states.rawValue)-\(isHalf ? "bf16" : "f32")") {
          try inParts($0, isHalf: isHalf, states: states)
        }
      }
    }

  private static let scalars = StepScalars(learningRate: 0.01, step: 3, seed: 99)
  private static let parameters = UpdateParameters(beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1)
  private static let clip = 0.75
  private static let stream = 11

  /// Weight, gradient and clip of an update.
  private struct Setting {
    var bench: Workbench
    let w: Grid
    let g: Grid
    let weight: TensorView
    let gradient: TensorView
    let clip: TensorView

    init(_ rows: Int, _ columns: Int, isHalf: Bool, step: Int = ConformanceCase.scalars.step) {
      bench = Workbench()
      bench.scalars = ConformanceCase.scalars
      bench.scalars.step = step
      w = Grid.random(rows, columns, seed: 1).map { isHalf ? Oracle.nearestHalf($0) : $0 }
      g = Grid.random(rows, columns, seed: 2)
      weight = isHalf ? bench.halves("weight", w) : bench.matrix("weight", w)
      gradient = bench.matrix("gradient", g)
      clip = bench.doubles("clip", [ConformanceCase.clip])
    }

    mutating func update(_ rule: UpdateRule, _ states: [TensorView]) {
      bench.add(
        .update(
          UpdateOperands(
            rule: rule, weight: weight, gradient: gradient, states: states, clip: clip, parameters: parameters,
            stream: stream)))
    }
  }

  private static func adamW(
    _ backend: any Backend, _ rows: Int, _ columns: Int, isHalf: Bool, states: DType
  ) throws -> [Mismatch] {
    var setting = Setting(rows, columns, isHalf: isHalf)
    var m = Grid.random(rows, columns, seed: 3)
    var v = Grid.random(rows, columns, seed: 4, in: 0...1)
    let views: [TensorView]
    switch states {
    case .u8:
      let blocks = (rows * columns + 255) / 256
      let mCodes = Grid.random(rows, columns, seed: 3, in: 0...255.99).map { $0.rounded(.down) }
      let vCodes = Grid.random(rows, columns, seed: 4, in: 0...255.99).map { $0.rounded(.down) }
      let mMaxima = Grid.random(1, blocks, seed: 5, in: 0.1...2)
      let vMaxima = Grid.random(1, blocks, seed: 6, in: 0.1...2)
      for index in m.values.indices {
        m.values[index] = Double(DynamicMap.signed[Int(mCodes.values[index])]) * mMaxima.values[index / 256]
        v.values[index] = Double(DynamicMap.unsigned[Int(vCodes.values[index])]) * vMaxima.values[index / 256]
      }
      views = [
        setting.bench.bytes("m", mCodes), setting.bench.bytes("v", vCodes), setting.bench.matrix("m's", mMaxima),
        setting.bench.matrix("v's", vMaxima),
      ]
    case .bf16:
      m = m.map(Oracle.nearestHalf)
      v = v.map(Oracle.nearestHalf)
      views = [setting.bench.halves("m", m), setting.bench.halves("v", v)]
    default: views = [setting.bench.matrix("m", m), setting.bench.matrix("v", v)]
    }
    setting.update(states == .u8 ? .adamW8bit : .adamW, views)
    let outcome = try setting.bench.run(on: backend)
    let new = Oracle.adamW(setting.w, clip * setting.g, m, v, parameters, scalars)
    var found = compare("weight", outcome.grid(setting.weight), new.w, isHalf: isHalf, purpose: 2)
    switch states {
    case .u8:
      found += compareCodes("m", outcome, views[0], views[2], new.m, DynamicMap.signed)
      found += compareCodes("v", outcome, views[1], views[3], new.v, DynamicMap.unsigned)
    default:
      found += compare("m", outcome.grid(views[0]), new.m, isHalf: states == .bf16, purpose: 3)
      found += compare("v", outcome.grid(views[1]), new.v, isHalf: states == .bf16, purpose: 4)
    }
    return found + Mismatch.equal("strays", outcome.strayWrites(except: views + [setting.weight]), 0)
  }

  private static func sgd(
    _ backend: any Backend, _ rows: Int, _ columns: Int, isHalf: Bool, momentum: Double?
  ) throws -> [Mismatch] {
    var setting = Setting(rows, columns, isHalf: isHalf)
    let b = Grid.random(rows, columns, seed: 3)
    let states = momentum == nil ? [] : [setting.bench.matrix("momentum", b)]
    setting.update(.sgd, states)
    let outcome = try setting.bench.run(on: backend)
    let slope = clip * setting.g + 0.1 * setting.w
    let step = momentum.map { $0 * b + slope } ?? slope
    return compare("weight", outcome.grid(setting.weight), setting.w + -0.01 * step, isHalf: isHalf, purpose: 2)
      + (states.first.map { Mismatch.compare("momentum", outcome.grid($0), step, tolerance: 1e-6) } ?? [])
  }

  private static func adafactor(
    _ backend: any Backend, _ rows: Int, _ columns: Int, isHalf: Bool, step: Int, isVector: Bool = false
  ) throws -> [Mismatch] {
    var setting = Setting(rows, columns, isHalf: isHalf, step: step)
    let byRow = Grid.random(rows, 1, seed: 3, in: 0.1...1)
    let byColumn = Grid.random(1, columns, seed: 4, in: 0.1...1)
    let column = setting.bench.matrix("by column", byColumn)
    let row = setting.bench.matrix("by row", byRow)
    setting.update(.adafactor, isVector ? [column] : [row, column])
    let outcome = try setting.bench.run(on: backend)
    let new = Oracle.adafactor(
      setting.w, clip * setting.g, isVector ? nil : byRow, byColumn, decay: 0.1, rate: 0.01, step: step)
    return compare(
      "weight", outcome.grid(setting.weight), new.w, isHalf: isHalf, purpose: 2, step: step)
      + Mismatch.compare("by row", outcome.grid(row), new.byRow ?? byRow, tolerance: 1e-6)
      + Mismatch.compare("by column", outcome.grid(column), new.byColumn, tolerance: 1e-6)
  }

  /// The rows of one weight in a tensor that holds several, at an index that no block begins at.
  @Sendable private static func adafactorOfRows(_ backend: any Backend) throws -> [Mismatch] {
    var bench = Workbench()
    bench.scalars = scalars
    let w = Grid.random(9, 17, seed: 1)
    let g = Grid.random(9, 17, seed: 2)
    let weight = bench.matrix("weight", w)
    let gradient = bench.matrix("gradient", g)
    let row = bench.matrix("by row", Grid(4, 1))
    let column = bench.matrix("by column", Grid(1, 17))
    let clip = bench.doubles("clip", [1])
    bench.add(
      .update(
        UpdateOperands(
          rule: .adafactor, weight: weight.rows(3..<7), gradient: gradient.rows(3..<7), states: [row, column],
          clip: clip, parameters: parameters, start: 3 * 17)))
    let outcome = try bench.run(on: backend)
    func part(_ grid: Grid) -> Grid { Grid(4, 17) { grid[$0 + 3, $1] } }
    let new = Oracle.adafactor(part(w), part(g), Grid(4, 1), Grid(1, 17), decay: 0.1, rate: 0.01, step: 3)
    return Mismatch.compare("weight", part(outcome.grid(weight)), new.w, tolerance: 1e-6)
      + outcome.untouched(except: weight.rows(3..<7), row, column)
  }

  /// Gradients of zeros leave zeros, and a negative value's code stays negative however small it is.
  @Sendable private static func zeroBlocks(_ backend: any Backend) throws -> [Mismatch] {
    var bench = Workbench()
    bench.scalars = scalars
    let w = Grid.random(2, 256, seed: 1)
    let g = Grid(2, 256) { $0 == 0 ? 0 : $1 == 0 ? 1 : $1 % 2 == 0 ? 1e-12 : -1e-12 }
    let weight = bench.matrix("weight", w)
    let m = bench.bytes("m", Grid(2, 256))
    let v = bench.bytes("v", Grid(2, 256))
    let mMaxima = bench.matrix("m's", Grid(1, 2))
    let vMaxima = bench.matrix("v's", Grid(1, 2))
    bench.add(
      .update(
        UpdateOperands(
          rule: .adamW8bit, weight: weight, gradient: bench.matrix("gradient", g), states: [m, v, mMaxima, vMaxima],
          clip: bench.doubles("clip", [1]), parameters: parameters)))
    let outcome = try bench.run(on: backend)
    let codes = outcome.grid(m)
    var found = Mismatch.equal("m of zeros", (0..<256).allSatisfy { codes[0, $0] == 127 }, true)
    found += Mismatch.equal("v of zeros", (0..<256).allSatisfy { outcome.grid(v)[0, $0] == 0 }, true)
    found += Mismatch.equal("maximum of zeros", [outcome.grid(mMaxima)[0, 0], outcome.grid(vMaxima)[0, 0]], [0, 0])
    found += Mismatch.equal("largest code", codes[1, 0], 255)
    found += Mismatch.equal(
      "signs", (1..<256).allSatisfy { codes[1, $0] == ($0 % 2 == 0 ? 127 : 126) }, true)
    return found
      + Mismatch.equal(
        "decay alone", (0..<256).allSatisfy { abs(outcome.grid(weight)[0, $0] - w[0, $0] * 0.999) < 1e-6 },
        true)
  }

  /// An update in parts leaves the bits of the whole.
  private static func inParts(_ backend: any Backend, isHalf: Bool, states: DType) throws -> [Mismatch] {
    func run(_ cuts: [Int]) throws -> [[Double]] {
      let count = 5 * 16_384 + 300
      var setting = Setting(1, count, isHalf: isHalf)
      let zeros = Grid(1, count)
      let blocks = (count + 255) / 256
      let views: [TensorView]
      switch states {
      case .u8:
        views = [
          setting.bench.bytes("m", zeros), setting.bench.bytes("v", zeros),
          setting.bench.matrix("m's", Grid(1, blocks)),
          setting.bench.matrix("v's", Grid(1, blocks)),
        ]
      case .bf16: views = [setting.bench.halves("m", zeros), setting.bench.halves("v", zeros)]
      default: views = [setting.bench.matrix("m", zeros), setting.bench.matrix("v", zeros)]
      }
      for (start, end) in zip(cuts, cuts.dropFirst() + [count]) {
        let parts = views.enumerated().map {
          $1.columns($0 < 2 ? start..<end : start / 256..<(end + 255) / 256)
        }
        setting.bench.add(
          .update(
            UpdateOperands(
              rule: states == .u8 ? .adamW8bit : .adamW, weight: setting.weight.columns(start..<end),
              gradient: setting.gradient.columns(start..<end), states: parts, clip: setting.clip,
              parameters: parameters, stream: stream, start: start)))
      }
      let outcome = try setting.bench.run(on: backend)
      return (views + [setting.weight]).map { outcome.grid($0).values }
    }
    let whole = try run([0])
    return try Mismatch.equal("pieces", run([0, 16_384, 3 * 16_384]) == whole, true)
      + Mismatch.equal("blocks", run([0, 256, 512 * 7, 40_960]) == whole, true)
  }

  /// Compares f32 values, or bf16 ones with the two that rounding by chance may give: with the one that the random
  /// bits choose, unless the choice hangs on the value's last bits.
  private static func compare(
    _ what: String, _ got: Grid, _ expected: Grid, isHalf: Bool, purpose: UInt64, step: Int = scalars.step
  ) -> [Mismatch] {
    guard isHalf else { return Mismatch.compare(what, got, expected, tolerance: 1e-6) }
    var scalars = scalars
    scalars.step = step
    for (index, x) in expected.values.enumerated() {
      let place = scalbn(1, max(Int(abs(x) > 0 ? x.exponent : -126), -126) - 7)
      let low = (abs(x) / place).rounded(.down)
      let share = abs(x) / place - low
      let words = Oracle.random(
        scalars: scalars, purpose: purpose, stream: UInt64(stream), counter: index / 128 * 16 + index % 16)
      let part = index % 128 / 16
      let noise = Double(part % 2 == 0 ? words[part / 2] & 0xFFFF : words[part / 2] >> 16)
      let margin = share * 65536 + noise - 65536
      let chosen = (low + (margin >= 0 ? 1 : 0)) * place
      let other = (low + (margin >= 0 ? 0 : 1)) * place
      let result = abs(got.values[index])
      if result == chosen || abs(margin) < 32 && result == other { continue }
      return [Mismatch(what, "element \(index) is \(got.values[index]), not ±\(chosen) of \(x)")]
    }
    return []
  }

  /// Every code is that of a nearest value, and the maxima are those of the blocks.
  private static func compareCodes(
    _ what: String, _ outcome: Outcome, _ codes: TensorView, _ maxima: TensorView, _ expected: Grid, _ map: [Float]
  ) -> [Mismatch] {
    let found = outcome.grid(codes).values
    let blocks = stride(from: 0, to: found.count, by: 256).map { start in
      expected.values[start..<min(start + 256, found.count)].reduce(0) { max($0, abs($1)) }
    }
    for (index, x) in expected.values.enumerated() {
      let scale = blocks[index / 256]
      func distance(_ code: Int) -> Double { abs(Double(map[code]) - x / scale) }
      let code = Int(found[index])
      let best = Int(DynamicMap.nearest(Float(x / scale), in: map))
      if distance(code) > distance(best) * (1 + 1e-4) + 1e-12, !(x < 0 && code == 126 && best == 127) {
        return [Mismatch(what, "code \(index) is \(code), not \(best)")]
      }
    }
    return Mismatch.compare(what + "'s maxima", outcome.grid(maxima).values, blocks, tolerance: 1e-6)
  }
}

extension Oracle {
  /// One AdamW update with decoupled decay.
  static func adamW(
    _ w: Grid, _ g: Grid, _ m: Grid, _ v: Grid, _ p: UpdateParameters, _ scalars: StepScalars
  ) -> (w: Grid, m: Grid, v: Grid) {
    let newM = p.beta1 * m + (1 - p.beta1) * g
    let newV = p.beta2 * v + (1 - p.beta2) * g.map { $0 * $0 }
    let step = Double(scalars.step)
    let newW = Grid(w.rows, w.columns) { row, column in
      let mean = newM[row, column] / (1 - pow(p.beta1, step))
      let root = (newV[row, column] / (1 - pow(p.beta2, step))).squareRoot()
      return w[row, column] * (1 - scalars.learningRate * p.weightDecay)
        - scalars.learningRate * mean / (root + p.epsilon)
    }
    return (newW, newM, newV)
  }

  /// One Adafactor update as in transformers' `Adafactor` with `scale_parameter` and `relative_step` off.
  static func adafactor(
    _ w: Grid, _ g: Grid, _ byRow: Grid?, _ byColumn: Grid, decay: Double, rate: Double, step: Int
  ) -> (w: Grid, byRow: Grid?, byColumn: Grid) {
    let beta = 1 - pow(Double(step), -0.8)
    let squares = g.map { $0 * $0 + 1e-30 }
    let columns = Grid(1, w.columns) { _, column in
      let mean = (0..<w.rows).reduce(0) { $0 + squares[$1, column] } / Double(w.rows)
      return beta * byColumn[0, column] + (1 - beta) * mean
    }
    let rows = byRow.map { old in
      Grid(w.rows, 1) { row, _ in
        let mean = (0..<w.columns).reduce(0) { $0 + squares[row, $1] } / Double(w.columns)
        return beta * old[row, 0] + (1 - beta) * mean
      }
    }
    let mean = rows.map { $0.values.reduce(0, +) / Double(w.rows) } ?? 1
    let update = Grid(w.rows, w.columns) { row, column in
      let factor = rows.map { ($0[row, 0] / mean).squareRoot() } ?? 1
      return g[row, column] / factor / columns[0, column].squareRoot()
    }
    let size = (update.dot(update) / Double(w.rows * w.columns)).squareRoot()
    return ((1 - decay * rate) * w + (-rate / max(1, size)) * update, rows, columns)
  }
}
