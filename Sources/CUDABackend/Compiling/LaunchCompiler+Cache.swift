import CCUDA
import Tensors

/// Keys and values kept between runs: appending to them, and attention over them.
extension LaunchCompiler {
  mutating func appendToCache(
    _ k: TensorView, _ v: TensorView, _ keyCache: TensorView, _ valueCache: TensorView, _ slots: TensorView,
    _ positions: TensorView, length: Int
  ) throws(TensorError) -> [Launch] {
    let keys = try resolver.floats(k, "k")
    let values = try resolver.floats(v, "v", rows: keys.rows, columns: keys.columns, like: keys)
    let keyRows = try resolver.floats(keyCache, "keyCache", columns: keys.columns, like: keys)
    let valueRows = try resolver.floats(
      valueCache, "valueCache", rows: keyRows.rows, columns: keys.columns, like: keys)
    let slotColumn = try resolver.integers(slots, "slots", rows: keys.rows)
    let positionColumn = try resolver.integers(positions, "positions", rows: keys.rows)
    let slotCount = try slotCount(keyRows.rows, length)
    guard keys.count > 0 else { return [] }
    var arguments = Arguments()
    for matrix in [keys, values, keyRows, valueRows, slotColumn, positionColumn] { arguments.add(matrix) }
    arguments.add(Int32(keys.columns))
    arguments.add(Int32(slotCount))
    arguments.add(Int32(length))
    addFaults(&arguments, IndexColumns([("slot", slots, slotCount), ("position", positions, length)]))
    return [
      try kernel(
        "cache.cu", "append_to_cache", [Self.type("X", keys.dtype), "D=1", "VEC=1"], grid: (keys.rows, 1),
        threads: Self.threads(keys.columns, 1), arguments)
    ]
  }

  mutating func attentionOverCache(
    _ q: TensorView, _ keyCache: TensorView, _ valueCache: TensorView, _ slots: TensorView, _ positions: TensorView,
    _ out: TensorView, _ shape: HeadCounts, length: Int
  ) throws(TensorError) -> [Launch] {
    let queries = try resolver.floats(q, "q")
    let result = try resolver.floats(out, "out", rows: queries.rows, columns: queries.columns, like: queries)
    let width = shape.keyValueHeads * shape.dimension
    let keys = try resolver.floats(keyCache, "keyCache", columns: width, like: queries)
    let values = try resolver.floats(valueCache, "valueCache", rows: keys.rows, columns: width, like: queries)
    let slotColumn = try resolver.integers(slots, "slots", rows: queries.rows)
    let positionColumn = try resolver.integers(positions, "positions", rows: queries.rows)
    let slotCount = try slotCount(keys.rows, length)
    guard queries.count > 0 else { return [] }
    var arguments = Arguments()
    for matrix in [queries, keys, values, slotColumn, positionColumn, result] { arguments.add(matrix) }
    arguments.add(Int32(shape.group))
    arguments.add(Int32(slotCount))
    arguments.add(Int32(length))
    arguments.add(shape.scale)
    arguments.add(Int32(shape.window))
    arguments.add(shape.softCap)
    addFaults(&arguments, IndexColumns([("slot", slots, slotCount), ("position", positions, length)]))
    return [
      try kernel(
        "cache.cu", "attention_over_cache", [Self.type("X", queries.dtype), "D=\(shape.dimension)", "VEC=1"],
        grid: (queries.rows, shape.heads), shared: (shape.dimension + 8 * (shape.dimension + 2)) * 4, arguments)
    ]
  }

  private func slotCount(_ rows: Int, _ length: Int) throws(TensorError) -> Int {
    try resolver.require(
      length > 0 && rows % length == 0, "the cache must hold whole slots of \(length) rows", "\(rows) rows")
    return rows / length
  }
}
