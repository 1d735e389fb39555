import Basics
import CKernels
import Foundation
import Tensors

/// Attention over packed segments, forward and backward.
extension StepCompiler {
  mutating func attention(_ o: AttentionOperands) throws(TensorError) -> Step.Body {
    let parts = try AttentionParts(o, resolver)
    try resolver.requireApart(o.out, "out", from: [o.q, o.k, o.v])
    reserve(shared: parts.boundsBytes, perThread: AttentionBlock.scratchBytes(parts.shape))
    return { [pool, scratch] (_: StepScalars) throws(TensorError) in
      let bounds = try unsafe parts.bounds(scratch.shared(as: Int32.self))
      pool.run(parts.shape.keyValueHeads * parts.blocks) { task, thread in
        let block = task / parts.shape.keyValueHeads
        let rows = block * AttentionBlock.rows..<min(parts.tokens, (block + 1) * AttentionBlock.rows)
        unsafe parts.forward(task % parts.shape.keyValueHeads, rows, bounds).run(scratch.part(thread))
      }
    }
  }

  mutating func attentionBackward(
    _ o: AttentionOperands, _ outGradient: TensorView, _ qGradient: TensorView, _ kGradient: TensorView,
    _ vGradient: TensorView, _ delta: TensorView
  ) throws(TensorError) -> Step.Body {
    let parts = try AttentionParts(o, resolver)
    let q = parts.q
    let k = parts.k
    let slopes = AttentionSlopes(
      out: try resolver.floats(outGradient, "outGradient", rows: q.rows, columns: q.columns),
      q: try resolver.floats(qGradient, "qGradient", rows: q.rows, columns: q.columns),
      k: try resolver.floats(kGradient, "kGradient", rows: k.rows, columns: k.columns),
      v: try resolver.floats(vGradient, "vGradient", rows: k.rows, columns: k.columns),
      delta: try resolver.floats(delta, "delta", rows: q.rows, columns: parts.shape.heads))
    for (view, role) in [(qGradient, "qGradient"), (kGradient, "kGradient"), (vGradient, "vGradient")] {
      try resolver.requireApart(view, role, from: [o.q, o.k, o.v, outGradient])
    }
    try resolver.requireApart(qGradient, "qGradient", from: [kGradient, vGradient])
    try resolver.requireApart(kGradient, "kGradient", from: [vGradient])
    reserve(shared: parts.boundsBytes, perThread: AttentionGradient.scratchBytes(parts.shape))
    return { [pool, scratch] (_: StepScalars) throws(TensorError) in
      let gradient = AttentionGradient(
        parts: parts, slopes: slopes, bounds: try unsafe parts.bounds(scratch.shared(as: Int32.self)))
      pool.pieces(parts.tokens, of: StepCompiler.rowsOfTask) { rows, _ in gradient.fillDelta(rows) }
      for diagonal in 0..<gradient.diagonals {
        pool.run(gradient.tasks(diagonal)) { task, thread in
          unsafe gradient.run(task, diagonal: diagonal, scratch.part(thread))
        }
      }
    }
  }
}

/// The operands of attention, checked.
struct AttentionParts {
  let q: Matrix<Float>
  let k: Matrix<Float>
  let v: Matrix<Float>
  let out: Matrix<Float>
  let logSumExp: Matrix<Float>
  let segments: Matrix<Int32>
  let shape: HeadShape
  private let place: String

  init(_ o: AttentionOperands, _ resolver: ViewResolver) throws(TensorError) {
    q = try resolver.floats(o.q, "q")
    shape = try HeadShape(
      width: q.columns, heads: o.heads, keyValueHeads: o.keyValueHeads, scale: o.scale, window: o.window,
      softCap: o.softCap, resolver)
    try resolver.require(
      shape.dimension == o.headDimension, "q's columns must be heads x head dimension", "\(q.columns)")
    let width = o.keyValueHeads * o.headDimension
    k = try resolver.floats(o.k, "k", rows: q.rows, columns: width)
    v = try resolver.floats(o.v, "v", rows: q.rows, columns: width)
    out = try resolver.floats(o.out, "out", rows: q.rows, columns: q.columns)
    logSumExp = try resolver.floats(o.logSumExp, "logSumExp", rows: q.rows, columns: o.heads)
    segments = try resolver.integers(o.segments, "segments", rows: q.rows)
    place = resolver.place
  }

  var tokens: Int { q.rows }
  /// Blocks of query rows.
  var blocks: Int { (tokens + AttentionBlock.rows - 1) / AttentionBlock.rows }
  /// Bytes that `bounds` fills.
  var boundsBytes: Int { 2 * tokens * MemoryLayout<Int32>.stride }

  /// Fills `memory` with the visible range of every token; refuses segments that do not start at or before it.
  func bounds(_ memory: UnsafeMutablePointer<Int32>) throws(TensorError) -> VisibleRanges {
    for token in 0..<tokens {
      let start = Int(segments[token])
      guard start >= 0, start <= token else {
        throw TensorError(
          Problem("the segment of token \(token) must start in 0...\(token)", at: place, value: "\(start)"))
      }
      let seen = shape.window > token ? 0 : token - shape.window + 1
      unsafe memory[token] = Int32(max(start, seen))
      unsafe memory[tokens + token] = Int32(token + 1)
    }
    return unsafe VisibleRanges(first: memory, last: memory + tokens)
  }

  /// The block of `rows` for the heads that share key-value head `shared`.
  func forward(_ shared: Int, _ rows: Range<Int>, _ bounds: VisibleRanges) -> AttentionBlock {
    let heads = shared * shape.group..<(shared + 1) * shape.group
    let query = heads.lowerBound * shape.dimension..<heads.upperBound * shape.dimension
    let columns = shared * shape.dimension..<(shared + 1) * shape.dimension
    return unsafe AttentionBlock(
      q: q.rows(rows).columns(query), k: k.columns(columns), v: v.columns(columns), out: out.rows(rows).columns(query),
      logSumExp: logSumExp.rows(rows).columns(heads), first: bounds.first + rows.lowerBound,
      last: bounds.last + rows.lowerBound, scale: shape.scale, softCap: shape.softCap)
  }
}

/// For every token the first key row that it sees and the one after the last.
@safe struct VisibleRanges {
  let first: UnsafePointer<Int32>
  let last: UnsafePointer<Int32>

  /// The key rows that some token of `rows` sees.
  func span(_ rows: Range<Int>) -> Range<Int> {
    var start = Int.max
    var end = 0
    for row in rows {
      start = unsafe min(start, Int(first[row]))
      end = unsafe max(end, Int(last[row]))
    }
    return start < end ? start..<end : 0..<0
  }
}
