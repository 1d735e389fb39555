import Basics
import Models

/// What a full training will take, from a rehearsal's measurements and the training's own plan.
package struct Forecast: Sendable, Equatable {
  /// A number with the range that the measurements leave open.
  package struct Interval: Sendable, Equatable {
    package let low: Double
    package let estimate: Double
    package let high: Double

    package var json: JSON { ["low": JSON(low), "estimate": JSON(estimate), "high": JSON(high)] }
  }

  package let seconds: Interval
  /// Bytes.
  package let peakMemory: Interval
  package let steps: Int
  package let tokens: Int
  /// What the forecast rests on, in words.
  package let basis: String

  package var hours: Double { seconds.estimate / 3600 }

  package var json: JSON {
    [
      "hours": JSON(hours), "seconds": seconds.json, "peak_memory": peakMemory.json, "steps": JSON(steps),
      "tokens": JSON(tokens), "basis": JSON(basis),
    ]
  }

  /// Forecasts the training of `plan`.
  ///
  /// Seconds of an update are taken as a fixed part (norm, update) and a part that grows with the arithmetic; the two
  /// are told apart where rungs of the same model ran at different lengths, else all of it is taken to grow, which
  /// overestimates accumulation. The range is twice the spread of the measured updates, at least a tenth, and half as
  /// much again where no rung ran this model.
  package init(_ rungs: [RungResult], plan: TrainingPlan) throws(TrainingError) {
    let same = rungs.filter { $0.config == plan.config }
    guard let last = same.last ?? rungs.last else {
      throw TrainingError("there are no measurements to forecast from")
    }
    let fit = CostFit(same.isEmpty ? [last] : same)
    let work = plan.workload
    var estimate = Double(plan.schedule.totalSteps) * fit.fixed
    let perToken = CostFit.operations(plan.config, length: work.positions)
    estimate += fit.rate * perToken * Double(work.paddedTokens) * plan.slowdown
    let evaluations = plan.options.evalSteps > 0 ? 1 + plan.schedule.totalSteps / plan.options.evalSteps : 1
    estimate += fit.rate * perToken / 3 * Double(work.validationTotal * evaluations)
    if plan.options.saveSteps > 0 {
      let trained =
        plan.options.adapter.map { plan.config.adapterParameters($0).reduce(0) { $0 + $1.count } }
        ?? plan.config.parameterCount
      let bytes = Double(trained * 3 * MemoryLayout<Float>.stride)
      estimate += Double(plan.schedule.totalSteps / plan.options.saveSteps) * bytes / Forecast.savedBytesPerSecond
    }
    let width = min(0.9, max(0.1, 2 * fit.spread) + (same.isEmpty ? 0.5 : 0))
    seconds = Interval(low: estimate * (1 - width), estimate: estimate, high: estimate * (1 + width))

    let predicted = Double(plan.predictedPeak)
    let measured = predicted + Double(last.measuredPeak - last.predictedPeak)
    peakMemory = Interval(
      low: min(predicted, measured), estimate: max(measured, 0), high: max(predicted, measured))
    steps = plan.schedule.totalSteps
    tokens = work.tokens
    let count = (same.isEmpty ? [last] : same).reduce(0) { $0 + $1.settled.count }
    basis =
      same.isEmpty
      ? "\(count) updates of another model (\(last.name)), scaled by its arithmetic"
      : "\(count) updates of this model at up to \(last.maxSequenceLength) tokens"
  }

  /// A cautious figure for writing and checking a checkpoint.
  private static let savedBytesPerSecond = 4e8
}

/// Seconds of an update as `fixed + rate · operations`, fitted to measured updates.
struct CostFit {
  let fixed: Double
  let rate: Double
  /// Relative deviation of the measured updates from the fit.
  let spread: Double

  init(_ rungs: [RungResult]) {
    var points: [(work: Double, seconds: Double)] = []
    for rung in rungs {
      let perToken = CostFit.operations(rung.config, length: rung.maxSequenceLength) * rung.slowdown
      points += rung.settled.map { (work: Double($0.tokens) * perToken, seconds: $0.seconds) }
    }
    let count = Double(max(points.count, 1))
    let meanWork = points.reduce(0) { $0 + $1.work } / count
    let meanSeconds = points.reduce(0) { $0 + $1.seconds } / count
    let variance = points.reduce(0) { $0 + ($1.work - meanWork) * ($1.work - meanWork) }
    let shared = points.reduce(0) { $0 + ($1.work - meanWork) * ($1.seconds - meanSeconds) }
    var rate = meanWork > 0 ? meanSeconds / meanWork : 0
    var fixed = 0.0
    // Lengths must differ enough for the slope to mean something.
    if variance > 0.01 * meanWork * meanWork * count {
      let slope = shared / variance
      let rest = meanSeconds - slope * meanWork
      if slope > 0, rest > 0 { (rate, fixed) = (slope, rest) }
    }
    self.rate = rate
    self.fixed = fixed
    let errors = points.map { ($0.seconds - fixed - rate * $0.work) / max(fixed + rate * $0.work, 1e-12) }
    spread = (errors.reduce(0) { $0 + $1 * $1 } / count).squareRoot()
  }

  /// Arithmetic operations of training one token: six for every parameter, and attention over half of `length` tokens.
  static func operations(_ config: ModelConfig, length: Int) -> Double {
    let products = 6 * Double(config.parameterCount - (config.tieWordEmbeddings ? 0 : config.embeddingCount / 2))
    return products + 6 * Double(config.layerCount * config.queryWidth * length)
  }
}
