import CKernels
import Foundation

/// Gradients of attention's operands.
struct AttentionSlopes {
  let out: Matrix<Float>
  let q: Matrix<Float>
  let k: Matrix<Float>
  let v: Matrix<Float>
  let delta: Matrix<Float>
}

/// The backward pass of attention by tiles: scores are computed again from the log-sum-exps (FlashAttention's
/// backward). Tasks over query rows write dq, tasks over key rows write dk and dv, so that no sum is shared.
@safe struct AttentionGradient {
  let parts: AttentionParts
  let slopes: AttentionSlopes
  let bounds: VisibleRanges

  /// Rows and columns of a tile.
  private static let rows = 64
  private static let columns = 64

  /// Scratch of a thread: two tiles and the tile's bounds.
  static let scratchBytes = (2 * rows * columns + 2 * rows) * MemoryLayout<Float>.size

  private var shape: HeadShape { parts.shape }
  private var rowBlocks: Int { (parts.tokens + AttentionGradient.rows - 1) / AttentionGradient.rows }
  private var columnBlocks: Int { (parts.tokens + AttentionGradient.columns - 1) / AttentionGradient.columns }

  var queryTasks: Int { shape.heads * rowBlocks }
  var keyTasks: Int { shape.keyValueHeads * columnBlocks }

  /// delta (t,h) = the sum of out * outGradient over head h.
  func fillDelta(_ rows: Range<Int>) {
    for row in rows {
      for head in 0..<shape.heads {
        let start = head * shape.dimension
        unsafe slopes.delta.row(row)[head] = ck_dot(
          shape.dimension, parts.out.row(row) + start, slopes.out.row(row) + start)
      }
    }
  }

  /// dq of one head and block of rows.
  func queries(_ task: Int, _ scratch: UnsafeMutablePointer<Float>) {
    let head = task % shape.heads
    let rows = block(task / shape.heads, AttentionGradient.rows)
    let span = bounds.span(rows)
    let result = slopes.q.rows(rows).columns(shape.query(head))
    var start = span.lowerBound
    while start < span.upperBound {
      let keys = start..<min(span.upperBound, start + AttentionGradient.columns)
      let tile = unsafe tile(head, rows, keys, scratch)
      Product(
        a: tile.gradients, transposeA: false, b: parts.k.rows(keys).columns(shape.keyValue(head)), transposeB: false,
        c: result, accumulate: start > span.lowerBound
      ).compute()
      start = keys.upperBound
    }
  }

  /// dk and dv of one key-value head and block of key rows, over the heads of its group and then the query rows.
  func keys(_ task: Int, _ scratch: UnsafeMutablePointer<Float>) {
    let shared = task % shape.keyValueHeads
    let keys = block(task / shape.keyValueHeads, AttentionGradient.columns)
    let columns = shared * shape.dimension..<(shared + 1) * shape.dimension
    let dk = slopes.k.rows(keys).columns(columns)
    let dv = slopes.v.rows(keys).columns(columns)
    var isFirst = true
    for head in shared * shape.group..<(shared + 1) * shape.group {
      // Rows before the keys never see them.
      for number in keys.lowerBound / AttentionGradient.rows..<rowBlocks {
        let rows = block(number, AttentionGradient.rows)
        guard bounds.span(rows).overlaps(keys) else { continue }
        let tile = unsafe tile(head, rows, keys, scratch)
        Product(
          a: tile.scores, transposeA: true, b: slopes.out.rows(rows).columns(shape.query(head)), transposeB: false,
          c: dv, accumulate: !isFirst
        ).compute()
        Product(
          a: tile.gradients, transposeA: true, b: parts.q.rows(rows).columns(shape.query(head)), transposeB: false,
          c: dk, accumulate: !isFirst
        ).compute()
        isFirst = false
      }
    }
  }

  /// Probabilities and the gradients of scores (times the scale) of one tile.
  private func tile(
    _ head: Int, _ rows: Range<Int>, _ keys: Range<Int>, _ scratch: UnsafeMutablePointer<Float>
  ) -> (scores: Matrix<Float>, gradients: Matrix<Float>) {
    let size = AttentionGradient.rows * AttentionGradient.columns
    let low = unsafe UnsafeMutableRawPointer(scratch + 2 * size).assumingMemoryBound(to: Int32.self)
    let high = unsafe low + AttentionGradient.rows
    let scores = unsafe Matrix(
      base: scratch, rows: rows.count, columns: keys.count, stride: AttentionGradient.columns)
    let gradients = unsafe Matrix(
      base: scratch + size, rows: rows.count, columns: keys.count, stride: AttentionGradient.columns)
    for (place, row) in rows.enumerated() {
      unsafe low[place] = bounds.first[row] - Int32(keys.lowerBound)
      unsafe high[place] = bounds.last[row] - Int32(keys.lowerBound)
    }
    let query = shape.query(head)
    let shared = shape.keyValue(head)
    Product(
      a: parts.q.rows(rows).columns(query), transposeA: false, b: parts.k.rows(keys).columns(shared),
      transposeB: true, c: scores, scale: shape.scale
    ).compute()
    Product(
      a: slopes.out.rows(rows).columns(query), transposeA: false, b: parts.v.rows(keys).columns(shared),
      transposeB: true, c: gradients
    ).compute()
    let logs = parts.logSumExp.rows(rows).columns(head..<(head + 1))
    let deltas = slopes.delta.rows(rows).columns(head..<(head + 1))
    unsafe ck_softmax_tile_backward(
      rows.count, keys.count, scores.base, gradients.base, AttentionGradient.columns, low, high, shape.softCap,
      shape.scale, logs.base, logs.stride, deltas.base, deltas.stride)
    return (scores, gradients)
  }

  private func block(_ number: Int, _ size: Int) -> Range<Int> {
    number * size..<min(parts.tokens, (number + 1) * size)
  }
}
