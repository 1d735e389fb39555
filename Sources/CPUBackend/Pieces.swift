import Tensors

/// Equally shaped matrices cut into pieces of about `size` elements; the cuts follow from shapes alone.
///
/// Contiguous matrices are cut as one row, others into groups of whole rows.
struct Pieces: Sendable {
  let count: Int
  private let rows: Int
  private let columns: Int
  /// Elements of a piece when there is one row, else rows of a piece.
  private let step: Int

  /// Elements of a piece: small enough to share out, large enough that taking one costs nothing.
  private static let size = Operation.sumPiece

  init(_ matrices: [Matrix<Float>]) {
    self.init(
      rows: matrices.first?.rows ?? 0, columns: matrices.first?.columns ?? 0,
      isFlat: matrices.allSatisfy { $0.isContiguous })
  }

  /// `isFlat`: whether every matrix is contiguous.
  init(rows allRows: Int, columns allColumns: Int, isFlat: Bool) {
    rows = isFlat ? min(1, allRows) : allRows
    columns = isFlat ? allRows * allColumns : allColumns
    step = rows <= 1 ? Pieces.size : max(1, Pieces.size / max(1, columns))
    let length = rows <= 1 ? columns : rows
    count = rows == 0 || columns == 0 ? 0 : (length + step - 1) / step
  }

  /// Calls `body` with row, first column and number of elements of each run of piece `task`.
  func each(_ task: Int, _ body: (_ row: Int, _ column: Int, _ count: Int) -> Void) {
    let start = task * step
    if rows == 1 {
      body(0, start, min(step, columns - start))
    } else {
      for row in start..<min(rows, start + step) { body(row, 0, columns) }
    }
  }
}

extension WorkerPool {
  /// Runs `body` over all runs of all pieces, a piece a task.
  func run(_ pieces: Pieces, _ body: @escaping (_ row: Int, _ column: Int, _ count: Int) -> Void) {
    run(pieces.count) { task, _ in pieces.each(task, body) }
  }
}
