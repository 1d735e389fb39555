import Tensors

extension ConformanceCase {
  static let cacheCases: [ConformanceCase] = Workbench.Layout.allCases.flatMap { layout in
    [
      ConformanceCase("cache-prefill-then-decode-\(layout.rawValue)") { try sequence($0, layout, window: nil) },
      ConformanceCase("cache-window-\(layout.rawValue)") { try sequence($0, layout, window: 5) },
      ConformanceCase("cache-mixed-batch-\(layout.rawValue)") { try mixed($0, layout, softCap: nil) },
      ConformanceCase("cache-soft-cap-\(layout.rawValue)") { try mixed($0, layout, softCap: 2) },
    ]
  }

  /// A prompt of 70 tokens and three single ones after it equal attention over all of them at once.
  private static func sequence(
    _ backend: any Backend, _ layout: Workbench.Layout, window: Int?
  ) throws -> [Mismatch] {
    let shape = Oracle.Heads(heads: 6, keyValueHeads: 2, dimension: 8, scale: 0.5, window: window)
    let total = 73
    let length = 80
    let q = Grid.random(total, 48, seed: 1)
    let k = Grid.random(total, 16, seed: 2)
    let v = Grid.random(total, 16, seed: 3)
    var bench = Workbench(layout)
    let qView = bench.matrix("q", q)
    let kView = bench.matrix("k", k)
    let vView = bench.matrix("v", v)
    let out = bench.output("out", total, 48)
    let keys = bench.matrix("keys", Grid(2 * length, 16))
    let values = bench.matrix("values", Grid(2 * length, 16))
    let slots = bench.column("slots", [Int32](repeating: 1, count: total))
    let positions = bench.column("positions", (0..<total).map { Int32($0) })
    for range in [0..<70, 70..<71, 71..<72, 72..<73] {
      bench.add(
        .appendToCache(
          k: kView.rows(range), v: vView.rows(range), keyCache: keys, valueCache: values, slots: slots.rows(range),
          positions: positions.rows(range), length: length))
      bench.add(
        .attentionOverCache(
          q: qView.rows(range), keyCache: keys, valueCache: values, slots: slots.rows(range),
          positions: positions.rows(range), out: out.rows(range), heads: 6, keyValueHeads: 2, length: length,
          scale: 0.5, window: window, softCap: nil))
    }
    let outcome = try bench.run(on: backend)
    let expected = Oracle.attention(q, k, v, shape, segments: [Int32](repeating: 0, count: total))
    return Mismatch.compare("out", outcome.grid(out), expected.out, tolerance: 3e-6)
      + outcome.untouched(except: out, keys, values)
  }

  /// Tokens of several slots in one batch, with padding: single ones, runs, and out of order.
  private static func mixed(
    _ backend: any Backend, _ layout: Workbench.Layout, softCap: Double?
  ) throws -> [Mismatch] {
    let shape = Oracle.Heads(heads: 4, keyValueHeads: 2, dimension: 8, scale: 1, softCap: softCap)
    let length = 9
    let slotIDs: [Int32] = [2, -1, 0, 0, 0, 1, -1, 2, 3]
    let places: [Int32] = [4, 0, 0, 1, 2, 8, 77, 1, 0]
    let q = Grid.random(slotIDs.count, 32, seed: 1)
    let k = Grid.random(slotIDs.count, 16, seed: 2)
    let v = Grid.random(slotIDs.count, 16, seed: 3)
    let keysBefore = Grid.random(4 * length, 16, seed: 4)
    let valuesBefore = Grid.random(4 * length, 16, seed: 5)
    var bench = Workbench(layout)
    let qView = bench.matrix("q", q)
    let kView = bench.matrix("k", k)
    let vView = bench.matrix("v", v)
    let out = bench.output("out", slotIDs.count, 32)
    let keys = bench.matrix("keys", keysBefore)
    let values = bench.matrix("values", valuesBefore)
    let slots = bench.column("slots", slotIDs)
    let positions = bench.column("positions", places)
    bench.add(
      .appendToCache(
        k: kView, v: vView, keyCache: keys, valueCache: values, slots: slots, positions: positions, length: length))
    bench.add(
      .attentionOverCache(
        q: qView, keyCache: keys, valueCache: values, slots: slots, positions: positions, out: out, heads: 4,
        keyValueHeads: 2, length: length, scale: 1, window: nil, softCap: softCap.map { Float($0) }))
    let outcome = try bench.run(on: backend)
    var keysAfter = keysBefore
    var valuesAfter = valuesBefore
    for (token, slot) in slotIDs.enumerated() where slot >= 0 {
      for column in 0..<16 {
        keysAfter[Int(slot) * length + Int(places[token]), column] = k[token, column]
        valuesAfter[Int(slot) * length + Int(places[token]), column] = v[token, column]
      }
    }
    let expected = Oracle.attention(q, keysAfter, valuesAfter, shape) { token in
      let start = Int(slotIDs[token]) * length
      return slotIDs[token] < 0 ? nil : start...(start + Int(places[token]))
    }
    return Mismatch.compare("keys", outcome.grid(keys), keysAfter, tolerance: 0)
      + Mismatch.compare("values", outcome.grid(values), valuesAfter, tolerance: 0)
      + Mismatch.compare("out", outcome.grid(out), expected.out, tolerance: 3e-6)
      + outcome.untouched(except: out, keys, values)
  }
}
