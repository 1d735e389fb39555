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
/// backward).
///
/// The tiles of one diagonal share neither query rows nor key rows, so they run side by side; the diagonals follow
/// each other. Thus each tile is computed once, nothing is summed by two threads, and the order of every sum is fixed.
@safe struct AttentionGradient {
  let parts: AttentionParts
  let slopes: AttentionSlopes
  let bounds: VisibleRanges

  /// Rows and columns of a tile.
  static let size = 64

  /// Bytes that `run` needs: two tiles, turned keys and values, and the tile's bounds.
  static func scratchBytes(_ shape: HeadShape) -> Int {
    (2 * size * size + 2 * size * shape.dimension + 2 * size) * MemoryLayout<Float>.size
  }

  private var shape: HeadShape { parts.shape }
  private var blocks: Int { (parts.tokens + AttentionGradient.size - 1) / AttentionGradient.size }

  /// Diagonals on which some tile is visible.
  var diagonals: Int {
    (0..<blocks).reduce(0) { most, number in
      max(most, number - bounds.span(block(number)).lowerBound / AttentionGradient.size + 1)
    }
  }

  /// Tiles of a diagonal, for all key-value heads.
  func tasks(_ diagonal: Int) -> Int { (blocks - diagonal) * shape.keyValueHeads }

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

  /// Adds what one tile gives to dq, dk and dv, for the heads that share its keys in order. The first diagonal, which
  /// every token sees, overwrites.
  func run(_ task: Int, diagonal: Int, _ scratch: UnsafeMutablePointer<Float>) {
    let shared = task % shape.keyValueHeads
    let number = diagonal + task / shape.keyValueHeads
    let rows = block(number)
    let keys = block(number - diagonal)
    guard bounds.span(rows).overlaps(keys) else { return }
    let tile = unsafe Tile(rows, keys, bounds, dimension: shape.dimension, scratch)
    let columns = shared * shape.dimension..<(shared + 1) * shape.dimension
    let k = parts.k.rows(keys).columns(columns)
    let turnedK = unsafe TileOperand(k, usedBy: rows.count, turned: tile.turnedKeys)
    let turnedV = unsafe TileOperand(parts.v.rows(keys).columns(columns), usedBy: rows.count, turned: tile.turnedValues)
    for head in shared * shape.group..<(shared + 1) * shape.group {
      let q = parts.q.rows(rows).columns(shape.query(head))
      let slope = slopes.out.rows(rows).columns(shape.query(head))
      let keeps = diagonal > 0 || head % shape.group > 0
      turnedK.product(q, tile.scores, scale: shape.scale)
      turnedV.product(slope, tile.gradients)
      let logs = parts.logSumExp.rows(rows).columns(head..<(head + 1))
      let deltas = slopes.delta.rows(rows).columns(head..<(head + 1))
      unsafe ck_softmax_tile_backward(
        rows.count, keys.count, tile.scores.base, tile.gradients.base, AttentionGradient.size, tile.low, tile.high,
        shape.softCap, shape.scale, logs.base, logs.stride, deltas.base, deltas.stride)
      Product(
        a: tile.scores, transposeA: true, b: slope, transposeB: false, c: slopes.v.rows(keys).columns(columns),
        accumulate: keeps
      ).compute()
      Product(
        a: tile.gradients, transposeA: true, b: q, transposeB: false, c: slopes.k.rows(keys).columns(columns),
        accumulate: keeps
      ).compute()
      Product(
        a: tile.gradients, transposeA: false, b: k, transposeB: false,
        c: slopes.q.rows(rows).columns(shape.query(head)), accumulate: diagonal > 0
      ).compute()
    }
  }

  private func block(_ number: Int) -> Range<Int> {
    number * AttentionGradient.size..<min(parts.tokens, (number + 1) * AttentionGradient.size)
  }
}

/// A tile's places in a thread's scratch, and which of its scores are visible.
@safe private struct Tile {
  let scores: Matrix<Float>
  let gradients: Matrix<Float>
  let turnedKeys: UnsafeMutablePointer<Float>
  let turnedValues: UnsafeMutablePointer<Float>
  let low: UnsafeMutablePointer<Int32>
  let high: UnsafeMutablePointer<Int32>

  init(
    _ rows: Range<Int>, _ keys: Range<Int>, _ bounds: VisibleRanges, dimension: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let size = AttentionGradient.size
    scores = unsafe Matrix(base: scratch, rows: rows.count, columns: keys.count, stride: size)
    gradients = unsafe Matrix(base: scratch + size * size, rows: rows.count, columns: keys.count, stride: size)
    unsafe turnedKeys = scratch + 2 * size * size
    unsafe turnedValues = turnedKeys + size * dimension
    unsafe low = UnsafeMutableRawPointer(turnedValues + size * dimension).assumingMemoryBound(to: Int32.self)
    unsafe high = low + size
    for (place, row) in rows.enumerated() {
      unsafe low[place] = bounds.first[row] - Int32(keys.lowerBound)
      unsafe high[place] = bounds.last[row] - Int32(keys.lowerBound)
    }
  }
}
