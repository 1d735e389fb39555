import Basics
import CKernels
import Foundation
import Tensors

/// Keys and values kept between runs: appending to them, and attention over them.
extension StepCompiler {
  func appendToCache(
    _ k: TensorView, _ v: TensorView, _ keyCache: TensorView, _ valueCache: TensorView, _ slots: TensorView,
    _ positions: TensorView, length: Int
  ) throws(TensorError) -> Step.Body {
    let keys = try resolver.floats(k, "k")
    let values = try resolver.floats(v, "v", rows: keys.rows, columns: keys.columns)
    let keyRows = try resolver.floats(keyCache, "keyCache", columns: keys.columns)
    let valueRows = try resolver.floats(valueCache, "valueCache", rows: keyRows.rows, columns: keys.columns)
    let rows = try CacheRows(slots, positions, tokens: keys.rows, cacheRows: keyRows.rows, length: length, resolver)
    return { [pool] (_: StepScalars) throws(TensorError) in
      try rows.check()
      pool.pieces(keys.rows, of: StepCompiler.rowsOfTask) { range, _ in
        let bytes = keys.columns * MemoryLayout<Float>.size
        for token in range where rows.slots[token] >= 0 {
          let row = rows.start(token) + Int(rows.positions[token])
          unsafe memcpy(keyRows.row(row), keys.row(token), bytes)
          unsafe memcpy(valueRows.row(row), values.row(token), bytes)
        }
      }
    }
  }

  mutating func attentionOverCache(
    _ q: TensorView, _ keyCache: TensorView, _ valueCache: TensorView, _ slots: TensorView, _ positions: TensorView,
    _ out: TensorView, _ shape: HeadShape, length: Int
  ) throws(TensorError) -> Step.Body {
    let queries = try resolver.floats(q, "q")
    let result = try resolver.floats(out, "out", rows: queries.rows, columns: queries.columns)
    let width = shape.keyValueHeads * shape.dimension
    let keys = try resolver.floats(keyCache, "keyCache", columns: width)
    let values = try resolver.floats(valueCache, "valueCache", rows: keys.rows, columns: width)
    let rows = try CacheRows(slots, positions, tokens: queries.rows, cacheRows: keys.rows, length: length, resolver)
    try resolver.requireApart(out, "out", from: [q, keyCache, valueCache])
    let cached = CachedAttention(
      q: queries, k: keys, v: values, out: result, rows: rows, shape: shape)
    reserve(
      shared: max(2 * shape.group, 2) * queries.rows * MemoryLayout<Int32>.stride,
      perThread: AttentionBlock.scratchBytes(shape))
    return { [pool, scratch] (_: StepScalars) throws(TensorError) in
      try rows.check()
      let tasks = unsafe cached.tasks(scratch.shared(as: Int32.self))
      pool.run(tasks.count) { task, thread in unsafe cached.run(tasks[task], scratch.part(thread)) }
    }
  }
}

/// Where tokens lie in a cache of slots of `length` rows.
struct CacheRows {
  let slots: Matrix<Int32>
  let positions: Matrix<Int32>
  private let length: Int
  private let slotCount: Int
  private let place: String

  init(
    _ slots: TensorView, _ positions: TensorView, tokens: Int, cacheRows: Int, length: Int, _ resolver: ViewResolver
  ) throws(TensorError) {
    self.slots = try resolver.integers(slots, "slots", rows: tokens)
    self.positions = try resolver.integers(positions, "positions", rows: tokens)
    try resolver.require(
      length > 0 && cacheRows % length == 0, "the cache must hold whole slots of \(length) rows", "\(cacheRows) rows")
    self.length = length
    slotCount = cacheRows / length
    place = resolver.place
  }

  func check() throws(TensorError) {
    try checkIndices(slots, "slot", below: slotCount, negative: .only(-1), place)
    for token in 0..<slots.rows where slots[token] >= 0 {
      let position = Int(positions[token])
      guard position >= 0, position < length else {
        throw TensorError(
          Problem("position out of range in row \(token): a slot has \(length) rows", at: place, value: "\(position)"))
      }
    }
  }

  /// The first row of a token's slot.
  func start(_ token: Int) -> Int { Int(slots[token]) * length }
}

/// Attention of new tokens to what their slots hold.
@safe struct CachedAttention {
  let q: Matrix<Float>
  let k: Matrix<Float>
  let v: Matrix<Float>
  let out: Matrix<Float>
  let rows: CacheRows
  let shape: HeadShape

  /// Part of the work: some tokens of one slot, or one token, for the heads that share a key-value head.
  enum Task {
    case padding(token: Int)
    case tokens(Range<Int>, keyValueHead: Int, bounds: Bounds)
    case token(Int, keyValueHead: Int, bounds: Bounds)
  }

  /// The rows of the slot that each query row sees.
  @safe struct Bounds {
    let first: UnsafePointer<Int32>
    let last: UnsafePointer<Int32>
  }

  /// Divides the tokens; the bounds are written to `memory`, which has room for two numbers a token and group head.
  func tasks(_ memory: UnsafeMutablePointer<Int32>) -> [Task] {
    var tasks: [Task] = []
    var free = unsafe memory
    var token = 0
    while token < q.rows {
      if rows.slots[token] < 0 {
        tasks.append(.padding(token: token))
        token += 1
        continue
      }
      let run = token..<endOfRun(token)
      let repeats = run.count == 1 ? shape.group : 1
      let size = run.count * repeats
      let bounds = unsafe Bounds(first: free, last: free + size)
      for place in 0..<size {
        let position = Int(rows.positions[run.count == 1 ? token : token + place])
        unsafe free[place] = Int32(shape.window > position ? 0 : position - shape.window + 1)
        unsafe free[size + place] = Int32(position + 1)
      }
      unsafe free += 2 * size
      for shared in 0..<shape.keyValueHeads {
        tasks.append(
          run.count == 1
            ? .token(token, keyValueHead: shared, bounds: bounds)
            : .tokens(run, keyValueHead: shared, bounds: bounds))
      }
      token = run.upperBound
    }
    return tasks
  }

  func run(_ task: Task, _ scratch: UnsafeMutablePointer<Float>) {
    switch task {
    case .padding(let token):
      unsafe memset(out.row(token), 0, out.columns * MemoryLayout<Float>.size)
    case .tokens(let tokens, let shared, let bounds):
      let columns = shared * shape.group * shape.dimension..<(shared + 1) * shape.group * shape.dimension
      unsafe block(
        q.rows(tokens).columns(columns), out.rows(tokens).columns(columns), start: rows.start(tokens.lowerBound),
        shared, bounds
      ).run(scratch)
    case .token(let token, let shared, let bounds):
      unsafe block(heads(q, token, shared), heads(out, token, shared), start: rows.start(token), shared, bounds)
        .run(scratch)
    }
  }

  /// The first token after `token` that is not the next one of its slot, within a block.
  private func endOfRun(_ token: Int) -> Int {
    var end = token + 1
    while end < q.rows, end - token < AttentionBlock.rows, rows.slots[end] == rows.slots[token],
      rows.positions[end] == rows.positions[end - 1] + 1
    {
      end += 1
    }
    return end
  }

  private func block(
    _ q: Matrix<Float>, _ out: Matrix<Float>, start: Int, _ shared: Int, _ bounds: Bounds
  ) -> AttentionBlock {
    let slot = start..<k.rows
    let columns = shared * shape.dimension..<(shared + 1) * shape.dimension
    return unsafe AttentionBlock(
      q: q, k: k.rows(slot).columns(columns), v: v.rows(slot).columns(columns), out: out, logSumExp: nil,
      first: bounds.first, last: bounds.last, scale: shape.scale, softCap: shape.softCap)
  }

  /// The heads of a group of one token, as rows.
  private func heads(_ x: Matrix<Float>, _ token: Int, _ shared: Int) -> Matrix<Float> {
    unsafe Matrix(
      base: x.row(token) + shared * shape.group * shape.dimension, rows: shape.group, columns: shape.dimension,
      stride: shape.dimension)
  }
}
