import CKernels
import Foundation

/// Attention of a block of query rows to a run of key rows, one tile of scores at a time: the online softmax of
/// FlashAttention (Dao et al. 2022), so that no more than `rows` x `columns` scores exist at a time.
///
/// Query row r sees key rows `first[r]..<last[r]`.
@safe struct AttentionBlock {
  /// Rows and columns of a tile.
  static let rows = 64
  static let columns = 128

  let q: Matrix<Float>
  let k: Matrix<Float>
  let v: Matrix<Float>
  let out: Matrix<Float>
  let logSumExp: Matrix<Float>?
  let first: UnsafePointer<Int32>
  let last: UnsafePointer<Int32>
  let scale: Float
  let softCap: Float

  /// Scratch of a thread: scores, maxima, totals, and the tile's bounds.
  static let scratchBytes = (rows * columns + 4 * rows) * MemoryLayout<Float>.size

  func run(_ scratch: UnsafeMutablePointer<Float>) {
    let count = q.rows
    let maximum = unsafe scratch + AttentionBlock.rows * AttentionBlock.columns
    let total = unsafe maximum + AttentionBlock.rows
    let low = unsafe UnsafeMutableRawPointer(total + AttentionBlock.rows).assumingMemoryBound(to: Int32.self)
    let high = unsafe low + AttentionBlock.rows
    var start = Int.max
    var end = 0
    for row in 0..<count {
      unsafe maximum[row] = -Float.infinity
      unsafe total[row] = 0
      start = unsafe min(start, Int(first[row]))
      end = unsafe max(end, Int(last[row]))
      unsafe memset(out.row(row), 0, out.columns * MemoryLayout<Float>.size)
    }
    while start < end {
      let width = min(AttentionBlock.columns, end - start)
      let scores = unsafe Matrix(base: scratch, rows: count, columns: width, stride: AttentionBlock.columns)
      let keys = start..<(start + width)
      Product(a: q, transposeA: false, b: k.rows(keys), transposeB: true, c: scores, scale: scale).compute()
      for row in 0..<count {
        unsafe low[row] = first[row] - Int32(start)
        unsafe high[row] = last[row] - Int32(start)
      }
      unsafe ck_softmax_tile(
        count, width, scores.base, scores.stride, low, high, softCap, maximum, total, out.base, out.stride, out.columns)
      Product(a: scores, transposeA: false, b: v.rows(keys), transposeB: false, c: out, accumulate: true).compute()
      start += width
    }
    unsafe ck_softmax_finish(
      count, maximum, total, out.base, out.stride, out.columns, logSumExp?.base, logSumExp?.stride ?? 0)
  }
}
