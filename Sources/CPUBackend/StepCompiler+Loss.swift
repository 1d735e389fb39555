import CKernels
import Foundation
import Tensors

/// The head: cross-entropy for training, log-probabilities for scoring.
extension StepCompiler {
  mutating func linearCrossEntropy(_ o: CrossEntropyOperands) throws(TensorError) -> Step.Body {
    let hidden = try resolver.floats(o.hidden, "hidden")
    let weight = try HeadWeight(o.weight, columns: hidden.columns, resolver)
    let targets = try resolver.integers(o.targets, "targets", rows: hidden.rows)
    let loss = try resolver.doubles(o.loss, "loss", rows: 1)
    let logits = try resolver.floats(o.logits, "logits", columns: weight.rows)
    let gathered = try resolver.floats(o.gathered, "gathered", rows: logits.rows, columns: hidden.columns)
    try resolver.require(logits.rows > 0 || hidden.rows == 0, "logits must have rows", "0")
    try resolver.require(
      (1...max(1, logits.rows)).contains(o.chunk) || hidden.rows == 0, "chunk must be rows of logits", "\(o.chunk)")
    try resolver.requireApart(o.logits, "logits", from: [o.hidden, o.weight, o.gathered])
    var hiddenGradient: Matrix<Float>?
    var weightGradient: Matrix<Float>?
    if let view = o.hiddenGradient {
      hiddenGradient = try resolver.floats(view, "hiddenGradient", rows: hidden.rows, columns: hidden.columns)
      try resolver.requireApart(view, "hiddenGradient", from: [o.hidden, o.weight, o.logits, o.gathered])
    }
    if let view = o.weightGradient {
      weightGradient = try resolver.floats(view, "weightGradient", rows: weight.rows, columns: weight.columns)
      try resolver.requireApart(view, "weightGradient", from: [o.hidden, o.weight, o.logits, o.gathered])
    }
    // Rows with a target in order, then the losses of a chunk.
    let list = MemoryLayout<Int32>.stride * hidden.rows
    let losses = (list + 15) / 16 * 16
    let slab = (losses + MemoryLayout<Double>.stride * logits.rows + 63) / 64 * 64
    reserve(shared: slab + weight.slabBytes)
    let head = CrossEntropy(
      hidden: hidden, weight: weight, targets: targets, logits: logits, gathered: gathered,
      hiddenGradient: hiddenGradient, weightGradient: weightGradient, logitScale: o.logitScale, chunkRows: o.chunk,
      pool: pool)
    let place = resolver.place
    return { [scratch] (scalars: StepScalars) throws(TensorError) in
      try checkIndices(targets, "target", below: weight.rows, negative: .only(ignoredTarget), place)
      let memory = unsafe scratch.shared(as: UInt8.self)
      let sum = unsafe head.run(
        rows: UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Int32.self),
        losses: UnsafeMutableRawPointer(memory + losses).assumingMemoryBound(to: Double.self),
        slab: UnsafeMutableRawPointer(memory + slab).assumingMemoryBound(to: Float.self),
        inverseCount: scalars.inverseTargetCount)
      loss[0] += sum * scalars.inverseTargetCount
    }
  }

  mutating func scoreTargets(
    _ logits: TensorView, _ targets: TensorView, _ logProbability: TensorView, _ best: TensorView
  ) throws(TensorError) -> Step.Body {
    let values = try resolver.floats(logits, "logits")
    try resolver.require(values.columns > 0, "logits must have columns", "0")
    let aims = try resolver.integers(targets, "targets", rows: values.rows)
    let scores = try resolver.doubles(logProbability, "logProbability", rows: values.rows)
    let winners = try resolver.integers(best, "best", rows: values.rows)
    let place = resolver.place
    return { [pool] (_: StepScalars) throws(TensorError) in
      try checkIndices(aims, "target", below: values.columns, negative: .only(ignoredTarget), place)
      pool.run(values.rows) { row, _ in
        var winner: Int32 = 0
        scores[row] = unsafe ck_score(values.columns, values.row(row), Int(aims[row]), &winner)
        winners[row] = winner
      }
    }
  }
}

/// Linear head and cross-entropy over the rows that have a target, `chunkRows` at a time.
struct CrossEntropy {
  let hidden: Matrix<Float>
  let weight: HeadWeight
  let targets: Matrix<Int32>
  let logits: Matrix<Float>
  let gathered: Matrix<Float>
  let hiddenGradient: Matrix<Float>?
  let weightGradient: Matrix<Float>?
  let logitScale: Float
  let chunkRows: Int
  let pool: WorkerPool

  /// The sum of losses in f64, row by row; fills the gradients. `rows` has room for every row of hidden, `losses` for
  /// every row of logits, `slab` for the weight's slabs.
  func run(
    rows: UnsafeMutablePointer<Int32>, losses: UnsafeMutablePointer<Double>, slab: UnsafeMutablePointer<Float>,
    inverseCount: Double
  ) -> Double {
    var count = 0
    for row in 0..<hidden.rows where targets[row] >= 0 {
      unsafe rows[count] = Int32(row)
      count += 1
    }
    if let hiddenGradient {
      for row in 0..<hidden.rows where targets[row] < 0 {
        unsafe memset(hiddenGradient.row(row), 0, hidden.columns * MemoryLayout<Float>.size)
      }
    }
    var sum = 0.0
    var start = 0
    while start < count {
      let size = min(chunkRows, count - start)
      // With room for all rows every chunk has its own.
      let workspace = logits.rows >= hidden.rows ? start..<start + size : 0..<size
      unsafe chunk(rows + start, workspace, losses, slab, inverseCount)
      for row in 0..<size { unsafe sum += losses[row] }
      start += size
    }
    return sum
  }

  private func chunk(
    _ rows: UnsafeMutablePointer<Int32>, _ workspace: Range<Int>, _ losses: UnsafeMutablePointer<Double>,
    _ slab: UnsafeMutablePointer<Float>, _ inverseCount: Double
  ) {
    let size = workspace.count
    let x = gathered.rows(workspace)
    let y = logits.rows(workspace)
    let bytes = hidden.columns * MemoryLayout<Float>.size
    pool.pieces(size, of: StepCompiler.rowsOfTask) { [hidden] range, _ in
      for row in range { unsafe memcpy(x.row(row), hidden.row(Int(rows[row])), bytes) }
    }
    unsafe weight.each(slab, pool) { range, weight in
      pool.compute(
        Product(a: x, transposeA: false, b: weight, transposeB: true, c: y.columns(range), scale: logitScale))
    }
    let wantsGradient = hiddenGradient != nil || weightGradient != nil
    let factor = Float(inverseCount * Double(logitScale))
    pool.run(size) { [targets] row, _ in
      let target = unsafe Int(targets[Int(rows[row])])
      unsafe losses[row] = ck_cross_entropy(y.columns, y.row(row), target, factor, wantsGradient)
    }
    if let weightGradient {
      pool.compute(Product(a: y, transposeA: true, b: x, transposeB: false, c: weightGradient, accumulate: true))
    }
    if let hiddenGradient {
      // The gathered rows are no longer needed: their gradients take their place, then go home.
      unsafe weight.each(slab, pool) { range, weight in
        pool.compute(
          Product(
            a: y.columns(range), transposeA: false, b: weight, transposeB: false, c: x,
            accumulate: range.lowerBound > 0))
      }
      pool.pieces(size, of: StepCompiler.rowsOfTask) { range, _ in
        for row in range { unsafe memcpy(hiddenGradient.row(Int(rows[row])), x.row(row), bytes) }
      }
    }
  }
}

/// The head's matrix (V,H): f32, or bf16 that is widened some rows at a time.
struct HeadWeight {
  private let floats: Matrix<Float>?
  private let halves: Matrix<UInt16>?
  let rows: Int
  let columns: Int
  /// Rows of a slab; follow from the shape alone.
  private let slabRows: Int

  /// Bytes of a slab: few enough for the cache.
  private static let bytes = 2 << 20

  init(_ view: TensorView, columns: Int, _ resolver: ViewResolver) throws(TensorError) {
    if resolver.dtype(view) == .bf16 {
      halves = try resolver.halves(view, "weight", columns: columns)
      floats = nil
    } else {
      floats = try resolver.floats(view, "weight", columns: columns)
      halves = nil
    }
    rows = view.rows
    self.columns = columns
    slabRows = max(32, HeadWeight.bytes / max(1, columns * MemoryLayout<Float>.size) / 32 * 32)
  }

  var slabBytes: Int { halves == nil ? 0 : min(slabRows, rows) * columns * MemoryLayout<Float>.size }

  /// Calls `body` with ranges of rows and their values, in order; `memory` has room for `slabBytes`.
  func each(
    _ memory: UnsafeMutablePointer<Float>, _ pool: WorkerPool, _ body: (Range<Int>, Matrix<Float>) -> Void
  ) {
    if let floats { return body(0..<rows, floats) }
    guard let halves else { return }
    for start in stride(from: 0, to: rows, by: slabRows) {
      let range = start..<min(rows, start + slabRows)
      let slab = unsafe Matrix(base: memory, rows: range.count, columns: columns, stride: columns)
      pool.pieces(range.count, of: StepCompiler.rowsOfTask) { [columns] part, _ in
        for row in part { unsafe ck_widen(columns, halves.row(start + row), slab.row(row)) }
      }
      body(range, slab)
    }
  }
}
