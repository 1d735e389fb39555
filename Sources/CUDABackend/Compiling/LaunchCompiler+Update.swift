import CCUDA
import Foundation
import Tensors

/// The numbers of an update, as the kernels have them: each worked out in f64 and rounded once.
struct UpdateNumbers: BitwiseCopyable {
  var keep: Float
  var beta1: Float
  var rest1: Float
  var beta2: Float
  var rest2: Float
  var rate: Float
  var correction: Float
  var epsilon: Float
  var seed: UInt64
  var step: UInt32
  var stream: UInt32

  init(_ o: UpdateOperands, _ scalars: StepScalars) {
    let learningRate = o.isDeferred ? scalars.deferredLearningRate : scalars.learningRate
    let count = o.isDeferred ? scalars.deferredStep : scalars.step
    let parameters = o.parameters
    keep = Float(1 - learningRate * parameters.weightDecay)
    beta1 = Float(parameters.beta1)
    rest1 = Float(1 - parameters.beta1)
    beta2 = Float(parameters.beta2)
    rest2 = Float(1 - parameters.beta2)
    rate = Float(learningRate / (1 - pow(parameters.beta1, Double(count))))
    correction = Float(1 / (1 - pow(parameters.beta2, Double(count))).squareRoot())
    epsilon = Float(parameters.epsilon)
    seed = scalars.seed
    step = UInt32(truncatingIfNeeded: count)
    stream = UInt32(truncatingIfNeeded: o.stream)
    if o.rule == .adafactor { rate = Float(learningRate) }
    if o.rule == .sgd {
      // As the kernel has them: the rate alone, and the decay where the second moment's factor is otherwise.
      rate = Float(learningRate)
      beta2 = Float(parameters.weightDecay)
    }
  }
}

/// The optimizers' updates.
extension LaunchCompiler {
  mutating func update(_ o: UpdateOperands) throws(TensorError) -> [Launch] {
    switch o.rule {
    case .adamW: return try elementwiseUpdate(o, "adamw", states: 2...2)
    case .sgd: return try elementwiseUpdate(o, "sgd", states: 0...1)
    case .adamW8bit: return try blockwiseUpdate(o)
    case .adafactor: return try adafactor(o)
    }
  }

  private mutating func elementwiseUpdate(
    _ o: UpdateOperands, _ entry: String, states: ClosedRange<Int>
  ) throws(TensorError) -> [Launch] {
    try resolver.require(
      states.contains(o.states.count), "\(o.rule.rawValue) has other states", "\(o.states.count)")
    let w = try resolver.floats(o.weight, "weight")
    let g = try resolver.floats(o.gradient, "gradient", rows: w.rows, columns: w.columns)
    var moments: [DeviceMatrix] = []
    for (view, name) in zip(o.states, ["m", "v"]) {
      moments.append(try resolver.floats(view, name, rows: w.rows, columns: w.columns, like: moments.first))
    }
    let clip = try resolver.doubles(o.clip, "clip", rows: 1)
    let flat = Self.flattened([w, g] + moments)
    let width = Self.width(flat)
    var arguments = Arguments()
    for matrix in flat { arguments.add(matrix) }
    if moments.isEmpty { arguments.add(Optional<DeviceMatrix>.none) }
    arguments.add(clip.address)
    arguments.add(addNumbers(o))
    arguments.add(Int64(o.start))
    arguments.add(Int32(flat[0].rows))
    arguments.add(Int64(flat[0].columns))
    let isBlocked = width.elements == 8 && flat[0].rows == 1 && o.start % 128 == 0
    let macros = updateMacros(w, g, moments.first, width.macro) + (isBlocked ? ["BLOCKS"] : [])
    return [
      try kernel("update.cu", entry, macros, grid: Self.elementGrid(flat[0], width.elements), arguments)
    ]
  }

  private mutating func blockwiseUpdate(_ o: UpdateOperands) throws(TensorError) -> [Launch] {
    try resolver.require(o.states.count == 4, "8-bit AdamW has four states", "\(o.states.count)")
    let w = try resolver.floats(o.weight, "weight")
    let g = try resolver.floats(o.gradient, "gradient", rows: w.rows, columns: w.columns)
    let blocks = (w.count + UpdateOperands.blockSize - 1) / UpdateOperands.blockSize
    let m = try resolver.matrix(o.states[0], "codes of m", [.u8], rows: w.rows, columns: w.columns)
    let v = try resolver.matrix(o.states[1], "codes of v", [.u8], rows: w.rows, columns: w.columns)
    let mMaxima = try resolver.matrix(o.states[2], "maxima of m", [.f32], rows: 1, columns: blocks)
    let vMaxima = try resolver.matrix(o.states[3], "maxima of v", [.f32], rows: 1, columns: blocks)
    let clip = try resolver.doubles(o.clip, "clip", rows: 1)
    for matrix in [w, g, m, v] {
      try resolver.require(matrix.isContiguous, "8-bit states need whole rows", "stride \(matrix.stride)")
    }
    guard w.count > 0 else { return [] }
    let width = Self.width([w.asRow, g.asRow])
    var arguments = Arguments()
    for matrix in [w, g, m, v, mMaxima, vMaxima, clip] { arguments.add(matrix.address) }
    arguments.add(addNumbers(o))
    arguments.add(Int64(o.start))
    arguments.add(Int64(w.count))
    let macros = updateMacros(w, g, nil, width.macro) + (width.elements == 8 && o.start % 128 == 0 ? ["BLOCKS"] : [])
    return [
      try kernel("update.cu", "adamw_blocks", macros, grid: (min((blocks + 7) / 8, 8192), 1), arguments)
    ]
  }

  /// States: means of squared gradients by row (R,1) and by column (1,C), or of every element (1,C) of a vector.
  private mutating func adafactor(_ o: UpdateOperands) throws(TensorError) -> [Launch] {
    let w = try resolver.floats(o.weight, "weight")
    try resolver.require(
      o.states.count == 2 || o.states.count == 1 && w.rows == 1, "Adafactor has two states, a vector's one",
      "\(o.states.count)")
    let g = try resolver.floats(o.gradient, "gradient", rows: w.rows, columns: w.columns)
    let clip = try resolver.doubles(o.clip, "clip", rows: 1).address
    var byRow: DeviceMatrix?
    if o.states.count == 2 { byRow = try resolver.matrix(o.states[0], "row means", [.f32], rows: w.rows, columns: 1) }
    let byColumn = try resolver.matrix(
      o.states[o.states.count - 1], "column means", [.f32], rows: 1, columns: w.columns)
    guard w.count > 0 else { return [] }
    let sizes = try scratch(w.rows * 12 + w.columns * 4)
    let rowFactors = sizes + UInt64(w.rows * 8)
    let factors = rowFactors + UInt64(w.rows * 4)
    let numbers = addNumbers(o)
    let macros = updateMacros(w, g, nil, "VEC=1")
    func launch(
      _ entry: String, _ blocks: Int, _ build: (inout Arguments) -> Void
    ) throws(TensorError) -> Launch {
      var arguments = Arguments()
      build(&arguments)
      return try kernel("adafactor.cu", entry, macros, grid: (blocks, 1), arguments)
    }
    var launches = [
      try launch("adafactor_columns", (w.columns + 31) / 32) {
        $0.add(g)
        $0.add(Int32(w.rows))
        $0.add(Int32(w.columns))
        for address in [byColumn.address, factors, clip, numbers] { $0.add(address) }
      }
    ]
    if let byRow {
      launches.append(
        try launch("adafactor_rows", w.rows) {
          $0.add(g)
          $0.add(Int32(w.columns))
          $0.add(byRow)
          for address in [clip, numbers] { $0.add(address) }
        })
    }
    launches.append(
      try launch("adafactor_factors", 1) {
        $0.add(byRow)
        $0.add(Int32(w.rows))
        for address in [rowFactors, clip] { $0.add(address) }
      })
    launches.append(
      try launch("adafactor_sizes", w.rows) {
        $0.add(g)
        $0.add(Int32(w.columns))
        for address in [factors, rowFactors, sizes, clip] { $0.add(address) }
      })
    launches.append(
      try launch("adafactor_rates", 1) {
        $0.add(sizes)
        $0.add(Int32(w.rows))
        $0.add(Int32(w.columns))
        for address in [rowFactors, clip, numbers] { $0.add(address) }
      })
    launches.append(
      try launch("adafactor_step", w.rows) {
        $0.add(w)
        $0.add(g)
        $0.add(Int32(w.columns))
        for address in [factors, rowFactors, clip, numbers] { $0.add(address) }
        $0.add(Int64(o.start))
      })
    return launches
  }

  private func updateMacros(
    _ w: DeviceMatrix, _ g: DeviceMatrix, _ state: DeviceMatrix?, _ width: String
  ) -> [String] {
    [Self.type("W", w.dtype), Self.type("G", g.dtype), Self.type("S", state?.dtype ?? .f32), width]
  }

  /// Where the card finds an update's numbers.
  private mutating func addNumbers(_ o: UpdateOperands) -> cc_address {
    numbers.append { UpdateNumbers(o, $0) }
    return parameters + UInt64(Self.scalarsBytes + (numbers.count - 1) * MemoryLayout<UpdateNumbers>.stride)
  }
}
