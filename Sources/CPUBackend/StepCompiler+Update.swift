import CKernels
import Foundation
import Tensors

/// The optimizers' updates.
extension StepCompiler {
  func update(_ o: UpdateOperands) throws(TensorError) -> Step.Body {
    switch o.rule {
    case .adamW: return try adamW(o)
    case .adamW8bit, .sgd, .adafactor:
      throw resolver.refuse("the processor has no update of this kind", o.rule.rawValue)
    }
  }

  private func adamW(_ o: UpdateOperands) throws(TensorError) -> Step.Body {
    try resolver.require(o.states.count == 2, "AdamW has two states", "\(o.states.count)")
    let w = try resolver.floats(o.weight, "weight")
    let g = try resolver.floats(o.gradient, "gradient", rows: w.rows, columns: w.columns)
    let first = try resolver.floats(o.states[0], "m", rows: w.rows, columns: w.columns)
    let second = try resolver.floats(o.states[1], "v", rows: w.rows, columns: w.columns)
    let factor = try resolver.doubles(o.clip, "clip", rows: 1)
    let pieces = Pieces([w, g, first, second])
    return { [pool] scalars in
      let clip = factor[0]
      guard !clip.isNaN else { return }
      let fixed = ck_adamw_numbers(o.parameters, UpdateTime(scalars, isDeferred: o.isDeferred), clip: clip)
      pool.run(pieces) { row, column, count in
        var numbers = fixed
        unsafe ck_adamw(
          count, w.row(row) + column, g.row(row) + column, first.row(row) + column, second.row(row) + column, &numbers)
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
