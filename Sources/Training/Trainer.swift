import Basics
import Foundation
import Models
import Tensors

/// Full fine-tuning of a decoder: the loop over updates, with logging, validation, checkpoints and an orderly stop.
///
/// A training that goes on from a checkpoint ends in the same bits as one that was never stopped.
package final class Trainer {
  package let plan: TrainingPlan
  private let data: any TrainingData
  private let validation: (any TrainingData)?
  private let weights: any WeightSource
  private let adapters: (any WeightSource)?
  private let checkpoints: CheckpointFolder?
  private let engine: TrainingEngine
  private var state = TrainingState()
  private var notices: [String] = []
  /// The epoch's order, kept from step to step.
  private var order: (epoch: Int, examples: [Int]) = (-1, [])

  private var options: TrainerOptions { plan.options }

  /// Takes memory for `plan`, which must have been made for the same data.
  ///
  /// `checkpoints` is a folder that belongs to this training alone; nil: nothing is saved. `identity` tells apart
  /// trainings that the folder might hold by mistake, beside the model's shape, the options and the data's sizes.
  /// `adapters` are the adapters' first weights, where such are trained; seeded ones when nil.
  package init(
    plan: TrainingPlan, weights: any WeightSource, adapters: (any WeightSource)? = nil, data: any TrainingData,
    validation: (any TrainingData)? = nil, backend: any Backend, checkpoints: FilePath? = nil, identity: String = ""
  ) throws(TrainingError) {
    self.plan = plan
    self.weights = weights
    self.adapters =
      adapters
      ?? plan.options.adapter.map { InitialAdapters(config: plan.config, options: $0, seed: plan.options.seed) }
    self.data = data
    self.validation = validation.flatMap { $0.count > 0 ? $0 : nil }
    self.checkpoints = checkpoints.map {
      CheckpointFolder(path: $0, identity: plan.identity(with: identity))
    }
    engine = try TrainingEngine(plan: plan, backend: backend)
  }

  /// The trained weights as they stand, under their names: those of the model, or of its adapters.
  package var trainedWeights: TrainedWeights { TrainedWeights(memory: engine.memory, slots: engine.trained) }

  /// Trains to the end, or until `progress` asks to stop, from the newest checkpoint if there is one.
  package func run(
    progress: ProgressHandler = { _ in .goOn }, log: (MetricRow) -> Void = { _ in }
  ) throws(TrainingError) -> TrainingReport {
    let resumedFrom = try begin()
    var interrupted = false
    while state.step < plan.schedule.totalSteps {
      let row = try advance()
      if let row { log(row) }
      let isLast = state.step == plan.schedule.totalSteps
      let reply = progress(event())
      if reply == .stop, !isLast {
        try save()
        interrupted = true
        break
      }
      if options.saveSteps > 0, state.step % options.saveSteps == 0, !isLast { try save() }
    }
    try engine.settle()
    let evalLoss = interrupted ? nil : try validationLoss()
    return report(interrupted: interrupted, resumedFrom: resumedFrom, evalLoss: evalLoss)
  }

  /// The mean loss over all validation targets with the weights as they stand; nil without validation data.
  package func validationLoss() throws(TrainingError) -> Double? {
    guard let validation else { return nil }
    try engine.settle()
    var batches = ValidationBatches(data: validation, tokens: plan.workload.validationTokens)
    var sum = 0.0
    var targets = 0
    while let examples = try batches.next() {
      let batch = try MicroBatch(examples, vocabularySize: plan.config.vocabularySize)
      targets += batch.targetCount
      if batch.targetCount > 0 { sum += try engine.lossSum(batch) }
    }
    return targets > 0 ? sum / Double(targets) : nil
  }

  /// Sets weights and state: from a checkpoint, or from the beginning. Returns the step it goes on from.
  private func begin() throws(TrainingError) -> Int {
    if adapters != nil {
      try rethrowing { try engine.memory.loadWeights(from: weights, into: engine.weights) }
      try rethrowing { try engine.memory.loadQuantised(from: weights, into: engine.quantised) }
    }
    if let checkpoints, let found = try checkpoints.restore(into: engine, notice: { notices.append($0) }) {
      state = found
      return found.step
    }
    try rethrowing { try engine.memory.loadWeights(from: adapters ?? weights, into: engine.trained) }
    try rethrowing { for state in engine.stateTensors { try engine.memory.zero(state) } }
    state = TrainingState()
    return 0
  }

  private func save() throws(TrainingError) {
    guard let checkpoints else { return }
    try engine.settle()
    try checkpoints.save(state, engine: engine)
  }

  /// One update; a metrics row where one is due.
  private func advance() throws(TrainingError) -> MetricRow? {
    let clock = ContinuousClock()
    let start = clock.now
    let batches = try microBatches(of: state.step)
    let rate = plan.rates.rate(step: state.step)
    let outcome = try engine.step(batches, rate: rate, updates: state.updates)
    let seconds = (clock.now - start).inSeconds
    let tokens = batches.reduce(0) { $0 + $1.tokenCount }
    state.step += 1
    state.tokens += tokens
    state.seconds += seconds
    state.rowTokens += tokens
    state.rowSeconds += seconds
    if let tensor = outcome.nonFinite {
      try skip(tensor)
    } else {
      state.updates += 1
      state.skippedInARow = 0
      state.trainedTokens += batches.reduce(0) { $0 + $1.targetCount }
      state.lossSum += outcome.loss
      state.lossCount += 1
      state.rowLossSum += outcome.loss
      state.rowLossCount += 1
    }
    let evalIsDue =
      options.evalSteps > 0 && state.step % options.evalSteps == 0 && state.step < plan.schedule.totalSteps
    let evalLoss = evalIsDue ? try validationLoss() : nil
    let rowIsDue =
      state.step % options.loggingSteps == 0 || state.step == plan.schedule.totalSteps || outcome.nonFinite != nil
    guard rowIsDue || evalLoss != nil else { return nil }
    return closeRow(outcome, rate: rate, evalLoss: evalLoss)
  }

  private func skip(_ tensor: String) throws(TrainingError) {
    state.skipped += 1
    state.skippedInARow += 1
    notices.append("step \(state.step) was skipped: the gradient of \(tensor) is not finite")
    guard state.skippedInARow < options.maxSkippedSteps else {
      throw TrainingError(
        "\(state.skippedInARow) updates in a row had gradients that are not finite",
        at: "step \(state.step), \(tensor)",
        remedy: "lower learning_rate, or set max_grad_norm")
    }
  }

  private func closeRow(_ outcome: TrainingEngine.Outcome, rate: Double, evalLoss: Double?) -> MetricRow {
    var row = MetricRow(
      step: state.step, epoch: plan.schedule.epochs(after: state.step),
      loss: state.rowLossCount > 0 ? state.rowLossSum / Double(state.rowLossCount) : outcome.loss,
      gradientNorm: outcome.gradientNorm, learningRate: rate, skipped: outcome.nonFinite)
    row.tokensPerSecond = state.rowSeconds > 0 ? Double(state.rowTokens) / state.rowSeconds : 0
    row.seconds = state.seconds
    row.resident = ProcessMemory.current
    row.evalLoss = evalLoss
    state.rows.append(row)
    state.rowLossSum = 0
    state.rowLossCount = 0
    state.rowTokens = 0
    state.rowSeconds = 0
    return row
  }

  /// The micro-batches of update `step`.
  private func microBatches(of step: Int) throws(TrainingError) -> [MicroBatch] {
    let place = plan.schedule.place(of: step)
    if order.epoch != place.epoch { order = (place.epoch, plan.schedule.order(epoch: place.epoch)) }
    var result: [MicroBatch] = []
    for indices in plan.schedule.microBatches(update: place.update, order: order.examples) {
      let examples = try rethrowing { try indices.map { try data.example($0) } }
      result.append(try MicroBatch(examples, vocabularySize: plan.config.vocabularySize))
    }
    return result
  }

  private func event() -> ProgressEvent {
    let done = Double(state.step)
    let rate = state.seconds > 0 ? Double(state.tokens) / state.seconds : 0
    let left = state.seconds / max(done, 1) * (Double(plan.schedule.totalSteps) - done)
    return ProgressEvent(
      unit: "step", done: state.step, total: plan.schedule.totalSteps,
      figures: [
        ("loss", state.rows.last?.loss ?? .nan), ("tokens/s", rate), ("eta", left),
        ("memory", Double(ProcessMemory.current)), ("plan", Double(plan.predictedPeak)),
      ])
  }

  private func report(interrupted: Bool, resumedFrom: Int, evalLoss: Double?) -> TrainingReport {
    TrainingReport(
      steps: state.step, totalSteps: plan.schedule.totalSteps, interrupted: interrupted, resumedFrom: resumedFrom,
      rows: state.rows, trainLoss: state.lossCount > 0 ? state.lossSum / Double(state.lossCount) : .nan,
      evalLoss: evalLoss, trainedTokens: state.trainedTokens, tokens: state.tokens, seconds: state.seconds,
      skippedSteps: state.skipped, predictedSeconds: plan.estimatedSeconds, predictedPeak: plan.predictedPeak,
      measuredPeak: ProcessMemory.peak,
      budget: options.memoryBudget, notices: notices)
  }
}

extension Duration {
  /// The duration in seconds.
  var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

/// The weights of a trainer as a source, read from its memory piece by piece.
package struct TrainedWeights: WeightSource {
  let memory: any LoadedProgram
  let slots: [WeightSlot]
  private let places: [String: Int]

  init(memory: any LoadedProgram, slots: [WeightSlot]) {
    self.memory = memory
    self.slots = slots
    places = Dictionary(uniqueKeysWithValues: slots.enumerated().map { ($1.name, $0) })
  }

  package var names: [String] { slots.map(\.name) }
  package func shape(of name: String) -> [Int]? { places[name].map { slots[$0].shape } }

  package func read(
    _ name: String, rows: Range<Int>?, into: UnsafeMutableBufferPointer<Float>
  ) throws(ModelError) {
    guard let place = places[name] else { throw ModelError("the model has no weight of this name", value: name) }
    let slot = slots[place]
    let rows = rows ?? 0..<slot.view.rows
    guard rows.lowerBound >= 0, rows.upperBound <= slot.view.rows, into.count == rows.count * slot.view.columns else {
      throw ModelError("rows outside the weight were asked for", at: name, value: "\(rows)")
    }
    do throws(TensorError) {
      unsafe try memory.readRows(rows, of: slot, into: into)
    } catch {
      throw ModelError(error.problem)
    }
  }
}

/// Validation examples in their order, as many at a time as fit the tokens of a pass.
struct ValidationBatches {
  let data: any TrainingData
  let tokens: Int
  private var position = 0

  init(data: any TrainingData, tokens: Int) {
    self.data = data
    self.tokens = tokens
  }

  /// The next examples; nil at the end.
  mutating func next() throws(TrainingError) -> [TrainingExample]? {
    var count = 0
    let first = position
    while position < data.count {
      count += data.size(of: position).tokens
      if position > first, count > tokens { break }
      position += 1
    }
    let range = first..<position
    if range.isEmpty { return nil }
    return try rethrowing { try range.map { try data.example($0) } }
  }
}

extension TrainingPlan {
  /// What a checkpoint belongs to: the shape of the model, what decides the course of the training, and `extra`.
  func identity(with extra: String) -> Digest {
    var same = options
    same.loggingSteps = 1
    same.saveSteps = 0
    same.evalSteps = 0
    same.gradientCheckpointing = .auto
    same.activationOffloading = .auto
    same.memoryBudget = nil
    same.pageFolder = nil
    return Digest(of: "\(config)\n\(same)\n\(schedule)\n\(workload)\n\(extra)")
  }
}
