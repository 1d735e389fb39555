import CKernels
import Foundation
import Tensors

/// The optimizers' updates.
extension StepCompiler {
  mutating func update(_ o: UpdateOperands) throws(TensorError) -> Step.Body {
    let weight = try RoundedMatrix(o.weight, "weight", .weight, of: o, resolver)
    let gradient = try resolver.floats(o.gradient, "gradient", rows: weight.rows, columns: weight.columns)
    let clip = try resolver.doubles(o.clip, "clip", rows: 1)
    try resolver.require(
      o.start >= 0 && o.start % UpdateOperands.blockSize == 0 || o.rule == .adafactor,
      "a part of a weight must start at a multiple of \(UpdateOperands.blockSize) elements", "\(o.start)")
    switch o.rule {
    case .adamW: return try adamW(o, weight, gradient, clip)
    case .adamW8bit: return try adamWBlocks(o, weight, gradient, clip)
    case .sgd: return try sgd(o, weight, gradient, clip)
    case .adafactor: return try adafactor(o, weight, gradient, clip)
    }
  }

  private func adamW(
    _ o: UpdateOperands, _ weight: RoundedMatrix, _ gradient: Matrix<Float>, _ clip: Matrix<Double>
  ) throws(TensorError) -> Step.Body {
    try resolver.require(o.states.count == 2, "AdamW has two states", "\(o.states.count)")
    let m = try RoundedMatrix(
      o.states[0], "m", rows: weight.rows, columns: weight.columns, .firstMoment, of: o, resolver)
    let v = try RoundedMatrix(
      o.states[1], "v", rows: weight.rows, columns: weight.columns, .secondMoment, of: o, resolver)
    return unsafe elementwise(o, [weight, m, v], gradient, clip) { time, clip in
      let fixed = ck_adamw_numbers(o.parameters, time, clip: clip)
      return { row, column, count, values in
        var numbers = fixed
        unsafe ck_adamw(count, values[0], gradient.row(row) + column, values[1], values[2], &numbers)
      }
    }
  }

  private func adamWBlocks(
    _ o: UpdateOperands, _ weight: RoundedMatrix, _ gradient: Matrix<Float>, _ clip: Matrix<Double>
  ) throws(TensorError) -> Step.Body {
    try resolver.require(o.states.count == 4, "8-bit AdamW has four states", "\(o.states.count)")
    let m = try resolver.codes(o.states[0], "m", rows: weight.rows, columns: weight.columns)
    let v = try resolver.codes(o.states[1], "v", rows: weight.rows, columns: weight.columns)
    let size = UpdateOperands.blockSize
    let blocks = (weight.rows * weight.columns + size - 1) / size
    let mMaxima = try resolver.floats(o.states[2], "maxima of m", rows: 1, columns: blocks)
    let vMaxima = try resolver.floats(o.states[3], "maxima of v", rows: 1, columns: blocks)
    try resolver.require(
      weight.isContiguous && gradient.isContiguous && m.isContiguous && v.isContiguous,
      "8-bit states need contiguous operands", "'\(resolver.name(o.weight))'")
    return unsafe elementwise(o, [weight], gradient, clip) { time, clip in
      let fixed = ck_adamw_numbers(o.parameters, time, clip: clip)
      return { row, column, count, values in
        var numbers = fixed
        // Contiguous matrices are cut as one row, so that `column` is the element's index.
        unsafe ck_adamw_blocks(
          count, values[0], gradient.base + column, m.base + column, v.base + column, mMaxima.base + column / size,
          vMaxima.base + column / size, DynamicMap.signed, DynamicMap.unsigned, &numbers)
      }
    }
  }

  private func sgd(
    _ o: UpdateOperands, _ weight: RoundedMatrix, _ gradient: Matrix<Float>, _ clip: Matrix<Double>
  ) throws(TensorError) -> Step.Body {
    try resolver.require(o.states.count <= 1, "gradient descent has at most one state", "\(o.states.count)")
    var operands = [weight]
    if let state = o.states.first {
      operands.append(
        try RoundedMatrix(
          state, "momentum", rows: weight.rows, columns: weight.columns, .firstMoment, of: o, resolver))
    }
    return unsafe elementwise(o, operands, gradient, clip) { time, clip in
      let fixed = ck_sgd_numbers(
        clip: Float(clip), rate: Float(time.learningRate), decay: Float(o.parameters.weightDecay),
        momentum: Float(o.parameters.beta1))
      return { row, column, count, values in
        var numbers = fixed
        unsafe ck_sgd(
          count, values[0], gradient.row(row) + column, values.count > 1 ? values[1] : nil, &numbers)
      }
    }
  }

  /// What changes `count` elements from (row, column) on; `values` are those of the rounded operands, as f32.
  private typealias Change = (
    _ row: Int, _ column: Int, _ count: Int, _ values: [UnsafeMutablePointer<Float>]
  ) -> Void

  /// An update that treats elements each on its own. `operands` are the weight, then states of its shape.
  private func elementwise(
    _ o: UpdateOperands, _ operands: [RoundedMatrix], _ gradient: Matrix<Float>, _ clip: Matrix<Double>,
    _ change: @escaping (UpdateTime, Double) -> Change
  ) -> Step.Body {
    let pieces = Pieces(
      rows: gradient.rows, columns: gradient.columns,
      isFlat: gradient.isContiguous && operands.allSatisfy { $0.isContiguous })
    let isPlain = operands.allSatisfy { $0.isFloat }
    return { [pool] scalars in
      let factor = clip[0]
      guard !factor.isNaN else { return }
      let time = UpdateTime(scalars, isDeferred: o.isDeferred)
      let change = unsafe change(time, factor)
      pool.run(pieces) { row, column, count in
        let room = isPlain ? 0 : RoundedMatrix.chunk
        unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: room * operands.count + 1) { memory in
          guard let base = memory.baseAddress else { return }
          let step = isPlain ? max(1, count) : room
          var values: [UnsafeMutablePointer<Float>] = unsafe []
          for start in stride(from: 0, to: count, by: step) {
            let size = min(step, count - start)
            unsafe values.removeAll(keepingCapacity: true)
            for (place, operand) in operands.enumerated() {
              unsafe values.append(operand.open(row, column + start, size, base + place * room))
            }
            unsafe change(row, column + start, size, values)
            for (place, operand) in operands.enumerated() {
              unsafe operand.close(
                row, column + start, size, base + place * room, step: time.step, seed: scalars.seed)
            }
          }
        }
      }
    }
  }
}

/// Learning rate and number of an update.
struct UpdateTime {
  let learningRate: Double
  let step: Int

  init(_ scalars: StepScalars, isDeferred: Bool) {
    learningRate = isDeferred ? scalars.deferredLearningRate : scalars.learningRate
    step = isDeferred ? scalars.deferredStep : scalars.step
  }
}

extension ck_adamw_numbers {
  /// The update's factors, each worked out in f64 and rounded once.
  init(_ parameters: UpdateParameters, _ time: UpdateTime, clip: Double) {
    let step = Double(time.step)
    self.init(
      clip: Float(clip),
      keep: Float(1 - time.learningRate * parameters.weightDecay),
      beta1: Float(parameters.beta1), rest1: Float(1 - parameters.beta1),
      beta2: Float(parameters.beta2), rest2: Float(1 - parameters.beta2),
      rate: Float(time.learningRate / (1 - pow(parameters.beta1, step))),
      correction: Float(1 / (1 - pow(parameters.beta2, step)).squareRoot()),
      epsilon: Float(parameters.epsilon))
  }
}
