/// A view resolved to memory: rows of `columns` elements, `stride` elements apart.
///
/// Made by `ViewResolver`, which has checked that every element lies in the arena.
@safe struct Matrix<Element: BitwiseCopyable> {
  let base: UnsafeMutablePointer<Element>
  let rows: Int
  let columns: Int
  let stride: Int

  var count: Int { rows * columns }
  var isContiguous: Bool { stride == columns || rows <= 1 }

  /// The start of a row.
  func row(_ row: Int) -> UnsafeMutablePointer<Element> { unsafe base + row * stride }

  /// Element `row` of a one-column matrix.
  subscript(row: Int) -> Element {
    get { unsafe base[row * stride] }
    nonmutating set { unsafe base[row * stride] = newValue }
  }

  /// Columns `range` of this matrix.
  func columns(_ range: Range<Int>) -> Matrix {
    unsafe Matrix(base: base + range.lowerBound, rows: rows, columns: range.count, stride: stride)
  }

  /// Rows `range` of this matrix.
  func rows(_ range: Range<Int>) -> Matrix {
    unsafe Matrix(base: base + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
  }
}
