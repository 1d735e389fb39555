import CKernels
import COpenBLAS

/// op(a) op(b) with sizes fixed.
@safe struct Product {
  let a: Matrix<Float>
  let transposeA: Bool
  let b: Matrix<Float>
  let transposeB: Bool
  let c: Matrix<Float>
  var scale: Float = 1
  var accumulate = false

  /// Shape: c is (m,n), the sums are over k.
  var m: Int { c.rows }
  var n: Int { c.columns }
  var k: Int { transposeA ? a.rows : a.columns }

  /// The part of this product that fills `rows` and `columns` of c.
  func part(rows: Range<Int>, columns: Range<Int>) -> Product {
    Product(
      a: transposeA ? a.columns(rows) : a.rows(rows), transposeA: transposeA,
      b: transposeB ? b.rows(columns) : b.columns(columns), transposeB: transposeB,
      c: c.rows(rows).columns(columns), scale: scale, accumulate: accumulate)
  }

  /// Rows of c up to which each row of b is better read once by dot products than packed: measured on AVX-512, where
  /// OpenBLAS draws level at about 32 rows.
  static let fewRows = 16

  var isFewRows: Bool { !transposeA && transposeB && m <= Product.fewRows }

  /// Computes all of c on the calling thread.
  func compute() {
    guard m > 0, n > 0 else { return }
    if isFewRows {
      unsafe ck_product_nt(m, n, k, scale, a.base, a.stride, b.base, b.stride, c.base, c.stride, accumulate)
      return
    }
    // A leading dimension must be at least the row's length even when there is one row.
    unsafe cblas_sgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, Int32(m),
      Int32(n), Int32(k), scale, a.base, Int32(max(1, a.stride, a.columns)), b.base,
      Int32(max(1, b.stride, b.columns)), accumulate ? 1 : 0, c.base, Int32(max(1, c.stride, c.columns)))
  }
}

extension WorkerPool {
  /// Computes a product in slabs of c, one task each; adds `bias` to every row at the end.
  ///
  /// The slabs follow from the shape and the number of threads, so the result is the same every time.
  func compute(_ product: Product, bias: Matrix<Float>? = nil) {
    let grid = SlabGrid(product, threads: threads)
    run(grid.count) { task, _ in
      let (rows, columns) = grid.slab(task)
      let part = product.part(rows: rows, columns: columns)
      part.compute()
      guard let bias else { return }
      let values = bias.columns(columns)
      for row in 0..<part.m { unsafe ck_add(part.n, part.c.row(row), values.base, part.c.row(row)) }
    }
  }
}

/// How a product is divided: `down` x `across` slabs, a few for each thread.
struct SlabGrid {
  private let rows: Int
  private let columns: Int
  private let rowStep: Int
  private let columnStep: Int
  private let across: Int
  let count: Int

  /// Slab edges are multiples of this, so that kernels meet whole blocks.
  private static let unit = 32
  /// Products below this many multiplications are not worth dividing.
  private static let least = 1 << 16
  /// Larger slabs are divided further, which bounds the memory for packing and evens out the threads.
  private static let most = 1 << 30
  /// Elements of b that one task reads when there are few rows: such products wait for memory, and small tasks even
  /// out the threads.
  private static let fewRowsElements = 1 << 16

  init(_ product: Product, threads: Int) {
    rows = product.m
    columns = product.n
    let depth = max(1, product.k)
    if product.isFewRows {
      rowStep = max(1, rows)
      columnStep = max(SlabGrid.unit, SlabGrid.fewRowsElements / depth / SlabGrid.unit * SlabGrid.unit)
    } else {
      let work = rows * columns * depth
      let rounds = (work / SlabGrid.most + threads) / threads
      let parts = work < SlabGrid.least ? 1 : threads * rounds
      var best = (down: 1, across: 1, cost: Int.max)
      for down in 1...parts where parts % down == 0 {
        let across = parts / down
        let height = SlabGrid.step(rows, down)
        let width = SlabGrid.step(columns, across)
        // The largest slab's work, then what its operands weigh.
        let cost = height * width * 64 + (height + width)
        if cost < best.cost { best = (down, across, cost) }
      }
      rowStep = SlabGrid.step(rows, best.down)
      columnStep = SlabGrid.step(columns, best.across)
    }
    across = (columns + columnStep - 1) / columnStep
    count = (rows + rowStep - 1) / rowStep * across
  }

  func slab(_ task: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let row = task / across * rowStep
    let column = task % across * columnStep
    return (row..<min(rows, row + rowStep), column..<min(columns, column + columnStep))
  }

  private static func step(_ size: Int, _ parts: Int) -> Int {
    let even = (size + parts - 1) / parts
    return max(1, parts == 1 ? even : (even + unit - 1) / unit * unit)
  }
}
