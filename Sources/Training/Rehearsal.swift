import Basics
import Models
import Tensors

/// One rung of a rehearsal's ladder: a model, a length, and a few real updates.
package struct RehearsalRung: Sendable {
  /// Which examples the updates take.
  package enum Batches: String, Sendable, CaseIterable { case longest, first }

  /// What to call it in tables: "preset:nano".
  package var name: String
  package var config: ModelConfig
  package var weights: any WeightSource
  /// Examples of the stage that is rehearsed; longer ones are cut to `maxSequenceLength`.
  package var data: any TrainingData
  package var maxSequenceLength: Int
  /// Updates, of one micro-batch each.
  package var steps: Int
  package var batches: Batches

  package init(
    name: String, config: ModelConfig, weights: any WeightSource, data: any TrainingData, maxSequenceLength: Int,
    steps: Int, batches: Batches = .first
  ) {
    self.name = name
    self.config = config
    self.weights = weights
    self.data = data
    self.maxSequenceLength = maxSequenceLength
    self.steps = steps
    self.batches = batches
  }
}

/// What a rung measured.
package struct RungResult: Sendable, Equatable {
  package let name: String
  package let config: ModelConfig
  package let maxSequenceLength: Int
  /// Tokens of each update as it ran, padding included.
  package let tokens: [Int]
  /// Seconds of each update; the first one also touches all memory for the first time.
  package let seconds: [Double]
  package let losses: [Double]
  package let predictedPeak: Int
  /// The most bytes resident after an update.
  package let measuredPeak: Int
  /// Estimated time as a multiple of steps without recomputation.
  package let slowdown: Double

  package init(
    name: String, config: ModelConfig, maxSequenceLength: Int, tokens: [Int], seconds: [Double], losses: [Double],
    predictedPeak: Int, measuredPeak: Int, slowdown: Double
  ) {
    self.name = name
    self.config = config
    self.maxSequenceLength = maxSequenceLength
    self.tokens = tokens
    self.seconds = seconds
    self.losses = losses
    self.predictedPeak = predictedPeak
    self.measuredPeak = measuredPeak
    self.slowdown = slowdown
  }

  /// Updates that count: all but the first, where there are more.
  var settled: [(tokens: Int, seconds: Double)] {
    let all = Array(zip(tokens, seconds))
    return (all.count > 1 ? Array(all.dropFirst()) : all).map { (tokens: $0.0, seconds: $0.1) }
  }

  package var tokensPerSecond: Double {
    let seconds = settled.reduce(0) { $0 + $1.seconds }
    return seconds > 0 ? Double(settled.reduce(0) { $0 + $1.tokens }) / seconds : 0
  }

  package var json: JSON {
    [
      "model": JSON(name), "parameters": JSON(config.parameterCount), "max_seq_length": JSON(maxSequenceLength),
      "steps": JSON(seconds.count), "tokens": .array(tokens.map { JSON($0) }),
      "seconds": .array(seconds.map { JSON($0) }), "losses": .array(losses.map { JSON($0) }),
      "tokens_per_second": JSON(tokensPerSecond),
      "peak_memory": ["predicted": JSON(predictedPeak), "measured": JSON(measuredPeak)],
    ]
  }
}

/// Climbs a ladder of small, short, real trainings, to learn what the full one will cost.
package enum Rehearsal {
  /// Runs the rungs in order through the trainer itself; `options` are those of the training that is rehearsed, and so
  /// are the machine's `rates`. `overhead` tells what the process holds when a rung is planned.
  ///
  /// When `progress` asks to stop before the last update, throws an error whose `isStop` is true: a part of a ladder
  /// forecasts nothing.
  package static func run(
    _ rungs: [RehearsalRung], options: TrainerOptions, backend: any Backend,
    overhead: () -> MemoryOverhead = { MemoryOverhead() }, rates: MachineRates = .assumed,
    progress: ProgressHandler = { _ in .goOn }
  ) throws(TrainingError) -> [RungResult] {
    guard !rungs.isEmpty else { throw TrainingError("the ladder has no rung", remedy: "give at least one") }
    var results: [RungResult] = []
    for (index, rung) in rungs.enumerated() {
      results.append(
        try run(
          rung, options: options, backend: backend, overhead: overhead(), rates: rates, progress: progress))
      let event = ProgressEvent(
        unit: "rung", done: index + 1, total: rungs.count,
        figures: [("tokens/s", results[index].tokensPerSecond), ("memory", Double(results[index].measuredPeak))])
      if progress(event) == .stop, index + 1 < rungs.count {
        throw .stopped("the rehearsal was stopped after \(index + 1) of \(rungs.count) rungs")
      }
    }
    return results
  }

  private static func run(
    _ rung: RehearsalRung, options: TrainerOptions, backend: any Backend, overhead: MemoryOverhead,
    rates: MachineRates, progress: ProgressHandler
  ) throws(TrainingError) -> RungResult {
    guard rung.steps > 0 else { throw TrainingError("a rung needs at least one step", at: rung.name) }
    let length = min(rung.maxSequenceLength, rung.config.maxPositionEmbeddings)
    let data = ExampleList(try examples(rung, length: length, count: rung.steps * options.batchSize))
    var options = options
    options.maxSteps = rung.steps
    options.accumulationSteps = 1
    options.shuffles = false
    options.loggingSteps = 1
    options.saveSteps = 0
    options.evalSteps = 0
    let plan = try TrainingPlan(
      config: rung.config, data: data, options: options, overhead: overhead, rates: rates)
    let trainer = try Trainer(plan: plan, weights: rung.weights, data: data, backend: backend)
    let report = try trainer.run(progress: progress)
    if report.interrupted {
      throw .stopped("the rehearsal was stopped in \(rung.name), after step \(report.steps) of \(report.totalSteps)")
    }
    let rows = report.rows
    let ends = rows.map(\.seconds)
    let tokens = (0..<rows.count).map { step in
      let range = step * options.batchSize..<(step + 1) * options.batchSize
      return MicroBatch.bucket(data.examples[range].reduce(0) { $0 + $1.ids.count })
    }
    return RungResult(
      name: rung.name, config: rung.config, maxSequenceLength: length, tokens: tokens,
      seconds: zip(ends, [0] + ends.dropLast()).map(-), losses: rows.map(\.loss),
      predictedPeak: plan.predictedPeak, measuredPeak: rows.map(\.resident).max() ?? 0, slowdown: plan.slowdown)
  }

  /// `count` examples of at most `length` tokens, from the start again where there are fewer.
  private static func examples(
    _ rung: RehearsalRung, length: Int, count: Int
  ) throws(TrainingError) -> [TrainingExample] {
    var order = Array(0..<rung.data.count)
    if rung.batches == .longest {
      let sizes = order.map { rung.data.size(of: $0).tokens }
      order.sort { (sizes[$1], $0) < (sizes[$0], $1) }
    }
    var found: [TrainingExample] = []
    for index in order where found.count < count {
      let example = try rethrowing { try rung.data.example(index) }.window(length)
      if example.targetCount > 0 { found.append(example) }
    }
    guard !found.isEmpty else {
      throw TrainingError(
        "no example has a token to train within \(length) tokens", at: rung.name, remedy: "raise max_seq_length")
    }
    return (0..<count).map { found[$0 % found.count] }
  }
}

extension TrainingExample {
  /// At most `length` tokens of the example: those that end with its last target.
  func window(_ length: Int) -> TrainingExample {
    guard length < ids.count, isWellFormed else { return self }
    let end = max((isTarget.lastIndex(of: true) ?? length - 1) + 1, length)
    let range = end - length..<end
    return TrainingExample(
      ids: Array(ids[range]), isTarget: Array(isTarget[range]),
      segmentStarts: [0] + segmentStarts.filter { $0 > range.lowerBound && $0 < end }.map { $0 - range.lowerBound })
  }
}
