import CKernels
import Foundation

/// Attention of a block of query rows to a run of key rows, one tile of scores at a time: the online softmax of
/// FlashAttention (Dao et al. 2022), so that no more than `rows` x `columns` scores exist at a time.
///
/// Query row r sees key rows `first[r]..<last[r]`. q and out hold the heads that share k and v side by side.
@safe struct AttentionBlock {
  /// Rows and columns of a tile.
  static let rows = 64
  static let columns = 128

  let q: Matrix<Float>
  let k: Matrix<Float>
  let v: Matrix<Float>
  let out: Matrix<Float>
  /// One column for each head.
  let logSumExp: Matrix<Float>?
  let first: UnsafePointer<Int32>
  let last: UnsafePointer<Int32>
  let scale: Float
  let softCap: Float

  /// Bytes that `run` needs: a tile, turned keys, the tile's bounds, and maxima and totals of each head.
  static func scratchBytes(_ shape: HeadShape) -> Int {
    (rows * columns + columns * shape.dimension + 2 * rows * (1 + shape.group)) * MemoryLayout<Float>.size
  }

  private var count: Int { q.rows }
  private var dimension: Int { k.columns }
  private var heads: Int { q.columns / k.columns }

  func run(_ scratch: UnsafeMutablePointer<Float>) {
    let turned = unsafe scratch + AttentionBlock.rows * AttentionBlock.columns
    let low = unsafe UnsafeMutableRawPointer(turned + AttentionBlock.columns * dimension)
      .assumingMemoryBound(to: Int32.self)
    let high = unsafe low + AttentionBlock.rows
    let maximum = unsafe UnsafeMutableRawPointer(high + AttentionBlock.rows).assumingMemoryBound(to: Float.self)
    let total = unsafe maximum + AttentionBlock.rows * heads
    for place in 0..<(AttentionBlock.rows * heads) {
      unsafe maximum[place] = -Float.infinity
      unsafe total[place] = 0
    }
    var start = Int.max
    var end = 0
    for row in 0..<count {
      start = unsafe min(start, Int(first[row]))
      end = unsafe max(end, Int(last[row]))
      unsafe memset(out.row(row), 0, out.columns * MemoryLayout<Float>.size)
    }
    while start < end {
      let width = min(AttentionBlock.columns, end - start)
      for row in 0..<count {
        unsafe low[row] = first[row] - Int32(start)
        unsafe high[row] = last[row] - Int32(start)
      }
      let scores = unsafe Matrix(base: scratch, rows: count, columns: width, stride: AttentionBlock.columns)
      let keys = unsafe TileOperand(k.rows(start..<(start + width)), usedBy: count, turned: turned)
      for head in 0..<heads {
        let columns = head * dimension..<(head + 1) * dimension
        let place = head * AttentionBlock.rows
        let result = out.columns(columns)
        keys.product(q.columns(columns), scores, scale: scale)
        unsafe ck_softmax_tile(
          count, width, scores.base, scores.stride, low, high, softCap, maximum + place, total + place, result.base,
          result.stride, dimension)
        Product(
          a: scores, transposeA: false, b: v.rows(start..<(start + width)), transposeB: false, c: result,
          accumulate: true
        ).compute()
      }
      start += width
    }
    for head in 0..<heads {
      let place = head * AttentionBlock.rows
      let result = out.columns(head * dimension..<(head + 1) * dimension)
      let logs = logSumExp?.columns(head..<(head + 1))
      unsafe ck_softmax_finish(
        count, maximum + place, total + place, result.base, result.stride, dimension, logs?.base, logs?.stride ?? 0)
    }
  }
}

/// The rows of a tile's keys or values, ready to be multiplied by several heads' rows.
///
/// Products with a turned matrix are the faster ones for kernels without packing, and turning is shared by the heads.
@safe struct TileOperand {
  private let matrix: Matrix<Float>
  private let isTurned: Bool

  /// `turned` has room for all of `rows`; few rows to multiply with do not repay the turning.
  init(_ rows: Matrix<Float>, usedBy count: Int, turned: UnsafeMutablePointer<Float>) {
    isTurned = count > Product.fewRows
    guard isTurned else {
      matrix = rows
      return
    }
    matrix = unsafe Matrix(base: turned, rows: rows.columns, columns: rows.rows, stride: rows.rows)
    unsafe ck_transpose(rows.rows, rows.columns, rows.base, rows.stride, turned, rows.rows)
  }

  /// out = scale * left times the rows, transposed.
  func product(_ left: Matrix<Float>, _ out: Matrix<Float>, scale: Float = 1) {
    Product(a: left, transposeA: false, b: matrix, transposeB: !isTurned, c: out, scale: scale).compute()
  }
}
