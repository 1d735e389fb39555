import CCUDA
import Tensors

/// The head: cross-entropy for training, log-probabilities for scoring.
extension LaunchCompiler {
  mutating func linearCrossEntropy(_ o: CrossEntropyOperands) throws(TensorError) -> [Launch] {
    let hidden = try resolver.floats(o.hidden, "hidden")
    let weight = try resolver.floats(o.weight, "weight", columns: hidden.columns)
    try resolver.require(
      weight.dtype == hidden.dtype || weight.dtype == .bf16, "weight must be bf16 or of hidden's type",
      weight.dtype.rawValue)
    let targets = try resolver.integers(o.targets, "targets", rows: hidden.rows)
    let loss = try resolver.doubles(o.loss, "loss", rows: 1)
    let logits = try resolver.floats(o.logits, "logits", columns: weight.rows, like: hidden)
    let gathered = try resolver.floats(
      o.gathered, "gathered", rows: logits.rows, columns: hidden.columns, like: hidden)
    try resolver.require(logits.rows > 0 || hidden.rows == 0, "logits must have rows", "0")
    try resolver.require(
      (1...max(1, logits.rows)).contains(o.chunk) || hidden.rows == 0, "chunk must be rows of logits", "\(o.chunk)")
    var hiddenGradient: DeviceMatrix?
    var weightGradient: DeviceMatrix?
    if let view = o.hiddenGradient {
      hiddenGradient = try resolver.floats(
        view, "hiddenGradient", rows: hidden.rows, columns: hidden.columns, like: hidden)
    }
    if let view = o.weightGradient {
      weightGradient = try resolver.floats(view, "weightGradient", rows: weight.rows, columns: weight.columns)
    }
    guard hidden.count > 0 else { return [] }
    let head = try LossHead(
      hidden: hidden, weight: weight, targets: targets, loss: loss.address, logits: logits.rows(0..<o.chunk),
      gathered: gathered.rows(0..<o.chunk), hiddenGradient: hiddenGradient, weightGradient: weightGradient,
      logitScale: o.logitScale, lists: try scratch(LossHead.bytes(hidden, weight)), compiler: self)
    var list = Arguments()
    list.add(targets)
    list.add(Int32(hidden.rows))
    list.add(Int32(weight.rows))
    list.add(head.rows)
    list.add(head.count)
    addFaults(&list, IndexColumns("target", o.targets, below: weight.rows))
    var launches = [
      try kernel("loss.cu", "list_targets", head.macros, grid: (1, 1), threads: 1024, list)
    ]
    if let clear = try head.clearing() { launches.append(clear) }
    for start in stride(from: 0, to: hidden.rows, by: o.chunk) { launches += try head.chunk(start) }
    launches.append(try head.sum())
    return launches
  }

  mutating func scoreTargets(
    _ logits: TensorView, _ targets: TensorView, _ logProbability: TensorView, _ best: TensorView
  ) throws(TensorError) -> [Launch] {
    let values = try resolver.floats(logits, "logits")
    try resolver.require(values.columns > 0, "logits must have columns", "0")
    let aims = try resolver.integers(targets, "targets", rows: values.rows)
    let scores = try resolver.doubles(logProbability, "logProbability", rows: values.rows)
    let winners = try resolver.integers(best, "best", rows: values.rows)
    let width = Self.width([values])
    var arguments = Arguments()
    arguments.add(values)
    arguments.add(Int32(values.columns))
    for matrix in [aims, scores, winners] { arguments.add(matrix) }
    addFaults(&arguments, IndexColumns("target", targets, below: values.columns))
    return [
      try kernel(
        "loss.cu", "score_targets", [Self.type("X", values.dtype), width.macro], grid: (values.rows, 1),
        threads: Self.threads(values.columns, width.elements, most: 1024), arguments)
    ]
  }
}

/// Linear head and cross-entropy over the rows that have a target, a chunk at a time.
private struct LossHead {
  let hidden: DeviceMatrix
  let weight: DeviceMatrix
  let targets: DeviceMatrix
  let loss: cc_address
  /// Rows of one chunk.
  let logits: DeviceMatrix
  let gathered: DeviceMatrix
  let hiddenGradient: DeviceMatrix?
  let weightGradient: DeviceMatrix?
  let logitScale: Float
  /// Losses (T) f64, rows (T) and their count.
  let lists: cc_address
  let compiler: LaunchCompiler
  private let width: (macro: String, elements: Int)

  init(
    hidden: DeviceMatrix, weight: DeviceMatrix, targets: DeviceMatrix, loss: cc_address, logits: DeviceMatrix,
    gathered: DeviceMatrix, hiddenGradient: DeviceMatrix?, weightGradient: DeviceMatrix?, logitScale: Float,
    lists: cc_address, compiler: LaunchCompiler
  ) throws(TensorError) {
    self.hidden = hidden
    self.weight = weight
    self.targets = targets
    self.loss = loss
    self.logits = logits
    self.gathered = gathered
    self.hiddenGradient = hiddenGradient
    self.weightGradient = weightGradient
    self.logitScale = logitScale
    self.lists = lists
    self.compiler = compiler
    width = LaunchCompiler.width([hidden, logits, gathered, hiddenGradient])
  }

  /// Bytes of the lists and of a slab of the weight.
  static func bytes(_ hidden: DeviceMatrix, _ weight: DeviceMatrix) -> Int {
    listBytes(hidden) + (weight.dtype == hidden.dtype ? 0 : slabRows(weight) * weight.columns * 4)
  }

  private static func listBytes(_ hidden: DeviceMatrix) -> Int { (hidden.rows * 12 + 127) / 64 * 64 }

  /// Rows of a bf16 weight that are widened at a time for f32 activations.
  private static func slabRows(_ weight: DeviceMatrix) -> Int {
    min(weight.rows, max(1, (64 << 20) / (weight.columns * 4)))
  }

  /// The weight in parts of rows, each with what makes it ready.
  private func slabs() throws(TensorError) -> [(rows: Range<Int>, weight: DeviceMatrix, widening: Launch?)] {
    guard weight.dtype != hidden.dtype else { return [(0..<weight.rows, weight, nil)] }
    let step = LossHead.slabRows(weight)
    var result: [(rows: Range<Int>, weight: DeviceMatrix, widening: Launch?)] = []
    for start in stride(from: 0, to: weight.rows, by: step) {
      let range = start..<min(weight.rows, start + step)
      let slab = DeviceMatrix(
        address: lists + UInt64(LossHead.listBytes(hidden)), rows: range.count, columns: weight.columns,
        stride: weight.columns, dtype: hidden.dtype)
      let macros = [LaunchCompiler.type("X", weight.dtype), LaunchCompiler.type("Y", slab.dtype)]
      let widening = try compiler.elementwise(
        "elements.cu", "scaled", [weight.rows(range), slab], macros, factor: 1)
      result.append((range, slab, widening))
    }
    return result
  }

  var losses: cc_address { lists }
  var rows: cc_address { lists + UInt64(hidden.rows * 8) }
  var count: cc_address { lists + UInt64(hidden.rows * 12 + 3) / 4 * 4 }
  var macros: [String] { [LaunchCompiler.type("X", hidden.dtype), width.macro] }
  /// `Scalars` come first.
  private var scalars: cc_address { compiler.parameters }

  private func rowThreads(_ columns: Int, most: Int = 256) -> Int {
    LaunchCompiler.threads(columns, width.elements, most: most)
  }

  func clearing() throws(TensorError) -> Launch? {
    guard let hiddenGradient else { return nil }
    var arguments = Arguments()
    arguments.add(targets)
    arguments.add(hiddenGradient)
    arguments.add(Int32(hidden.columns))
    return try compiler.kernel(
      "loss.cu", "zero_untargeted", macros, grid: (hidden.rows, 1), threads: rowThreads(hidden.columns), arguments)
  }

  func chunk(_ start: Int) throws(TensorError) -> [Launch] {
    var gather = Arguments()
    gather.add(hidden)
    gather.add(rows)
    gather.add(count)
    gather.add(Int32(start))
    gather.add(gathered)
    gather.add(Int32(hidden.columns))
    let wantsGradient = hiddenGradient != nil || weightGradient != nil
    var entropy = Arguments()
    entropy.add(logits)
    entropy.add(Int32(logits.columns))
    entropy.add(targets)
    entropy.add(rows)
    entropy.add(count)
    entropy.add(Int32(start))
    entropy.add(losses)
    entropy.add(scalars)
    entropy.add(Double(logitScale))
    entropy.add(Int32(wantsGradient ? 1 : 0))
    var launches = [
      try compiler.kernel(
        "loss.cu", "gather_targets", macros, grid: (gathered.rows, 1), threads: rowThreads(hidden.columns), gather)
    ]
    for (rows, part, widening) in try slabs() {
      if let widening { launches.append(widening) }
      launches.append(
        try compiler.product(
          gathered, transposeA: false, part, transposeB: true, logits.columns(rows), accumulate: false,
          scale: logitScale))
    }
    launches.append(
      try compiler.kernel(
        "loss.cu", "cross_entropy", macros, grid: (logits.rows, 1),
        threads: rowThreads(logits.columns, most: 1024), entropy))
    if let weightGradient {
      launches.append(
        try compiler.product(
          logits, transposeA: true, gathered, transposeB: false, weightGradient, accumulate: true))
    }
    if let hiddenGradient {
      // The gathered rows are no longer needed: their gradients take their place, then go home.
      for (rows, part, widening) in try slabs() {
        if let widening { launches.append(widening) }
        launches.append(
          try compiler.product(
            logits.columns(rows), transposeA: false, part, transposeB: false, gathered,
            accumulate: rows.lowerBound > 0))
      }
      var scatter = Arguments()
      scatter.add(hiddenGradient)
      scatter.add(rows)
      scatter.add(count)
      scatter.add(Int32(start))
      scatter.add(gathered)
      scatter.add(Int32(hidden.columns))
      launches.append(
        try compiler.kernel(
          "loss.cu", "scatter_targets", macros, grid: (gathered.rows, 1), threads: rowThreads(hidden.columns),
          scatter))
    }
    return launches
  }

  func sum() throws(TensorError) -> Launch {
    var arguments = Arguments()
    arguments.add(losses)
    arguments.add(count)
    arguments.add(scalars)
    arguments.add(loss)
    return try compiler.kernel("loss.cu", "loss_sum", macros, grid: (1, 1), arguments)
  }
}
