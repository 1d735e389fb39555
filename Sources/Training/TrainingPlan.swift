import Basics
import Models
import Tensors

/// Everything about a training that is known before anything is allocated: its updates, its programs, its memory.
package struct TrainingPlan: Sendable {
  package let config: ModelConfig
  package let options: TrainerOptions
  package let schedule: StepSchedule
  package let workload: Workload
  /// The passes over every step program, with what they were estimated to need.
  package let candidate: PlanSearch.Candidate
  /// The plan with the least memory among those that were found to be faster; nil when the budget left nothing faster.
  package let faster: PlanSearch.Candidate?
  /// The step program of every number of micro-batches that occurs, each for the longest micro-batch.
  let bounds: [Int: BoundProgram]
  /// The updates that wait between steps, alone.
  let flush: Program
  /// Bytes of the one arena that all programs share, and of the page tier below it.
  package let arenaBytes: Int
  package let pageBytes: Int
  package let memory: MemoryTable

  /// The predicted peak of the whole process, in bytes.
  package var predictedPeak: Int { memory.total }

  package var rates: LearningRateSchedule {
    LearningRateSchedule(
      kind: options.scheduler, peak: options.learningRate, warmupSteps: schedule.warmupSteps,
      totalSteps: schedule.totalSteps)
  }

  package var passes: TrainingPasses { candidate.passes }
  /// What each block recomputes.
  package var recompute: RecomputePass { passes.recompute }
  /// The folder of the page file.
  package var pageFolder: FilePath { options.pageFolder ?? FilePath(".") }
  /// Estimated time of a step as a multiple of a step without any technique.
  package let slowdown: Double
  /// Estimated tokens a second of a full update.
  package var estimatedTokensPerSecond: Double {
    let tokens = workload.longestMicroBatch * (workload.microBatchCounts.first ?? 1)
    return candidate.estimate.seconds > 0 ? Double(tokens) / candidate.estimate.seconds : 0
  }

  /// Estimated seconds of all updates.
  package var estimatedSeconds: Double {
    estimatedTokensPerSecond > 0 ? Double(workload.paddedTokens) / estimatedTokensPerSecond : 0
  }

  /// In words: "no recomputation", "30 of 30 blocks recomputed".
  package var description: String { passes.description }

  /// The fastest plan within `options.memoryBudget`.
  ///
  /// Throws when the options or the data do not fit the model, or no plan fits the budget; that error names the
  /// smallest budget that would do.
  package init(
    config: ModelConfig, data: any TrainingData, validation: (any TrainingData)? = nil, options: TrainerOptions,
    overhead: MemoryOverhead = MemoryOverhead(), rates: MachineRates = .assumed
  ) throws(TrainingError) {
    try options.check()
    let schedule = StepSchedule(examples: data.count, options: options)
    let workload = try Workload(config: config, data: data, validation: validation, schedule: schedule)
    var overhead = overhead.fitted(to: config)
    overhead.data += workload.dataBytes
    if options.quantisesBase { overhead.checkpoint += MemoryOverhead.quantising(config) }
    var search = PlanSearch(config: config, options: options, workload: workload, overhead: overhead, rates: rates)
    search.isThisProcess = overhead.isMeasured
    let choice = try search.fastest()
    self.config = config
    self.options = options
    self.schedule = schedule
    self.workload = workload
    candidate = choice.candidate
    faster = choice.faster
    slowdown = choice.slowdown
    bounds = choice.bounds
    flush = choice.flush
    pageBytes = choice.pageBytes
    arenaBytes = choice.arenaBytes
    memory = choice.memory
    ProcessMemory.returnFree()
  }

  package var json: JSON {
    [
      "passes": JSON(description), "tokens_per_second": JSON(estimatedTokensPerSecond),
      "slowdown": JSON(slowdown), "steps": JSON(schedule.totalSteps),
      "warmup_steps": JSON(schedule.warmupSteps), "tokens": JSON(workload.tokens),
      "longest_micro_batch": JSON(workload.longestMicroBatch), "predicted_peak": JSON(predictedPeak),
      "memory_budget": options.memoryBudget.map { JSON($0) } ?? .null, "memory": memory.json,
      "faster": faster.map {
        ["passes": JSON($0.passes.description), "predicted_peak": JSON($0.bytes)] as JSON
      } ?? .null,
    ]
  }
}

/// A program for the longest micro-batches and where its tensors lie; shorter ones use the same places.
struct BoundProgram: Sendable {
  /// The plain step.
  let step: TrainingProgram
  let program: Program
  let plan: MemoryPlan
}

/// What there is to compute, counted from the sizes of the examples alone.
package struct Workload: Sendable, Equatable {
  /// Tokens of all updates without padding.
  package private(set) var tokens = 0
  /// Tokens of all updates as the programs run them, padding included.
  package private(set) var paddedTokens = 0
  /// Trained tokens of all updates.
  package private(set) var targets = 0
  package private(set) var microBatches = 0
  /// Tokens of the longest micro-batch, padding included.
  package private(set) var longestMicroBatch = 0
  /// Tokens of a validation pass; 0 without validation.
  package private(set) var validationTokens = 0
  /// Tokens of all validation examples.
  package private(set) var validationTotal = 0
  /// Rows of the rotary tables: the longest segment anywhere.
  package private(set) var positions = 1
  /// Bytes that the examples take when all are in memory: an id, its mask and its share of the segments for each token.
  package private(set) var dataBytes = 0
  /// How many different shapes updates have, up to a limit.
  package private(set) var shapeCount = 1
  /// How many micro-batches an update can have, the largest first.
  package private(set) var microBatchCounts: [Int] = []

  init(
    config: ModelConfig, data: any TrainingData, validation: (any TrainingData)?, schedule: StepSchedule
  ) throws(TrainingError) {
    guard data.count > 0 else {
      throw TrainingError("there is nothing to train on", remedy: "check what the stages before this one kept")
    }
    try measure(data, config: config, name: "training", needsTargets: true)
    count(data, schedule)
    let last = schedule.microBatchesPerEpoch % schedule.accumulationSteps
    let full = min(schedule.accumulationSteps, schedule.microBatchesPerEpoch)
    microBatchCounts = last == 0 || last == full ? [full] : [full, last]
    if let validation, validation.count > 0 {
      try measure(validation, config: config, name: "validation", needsTargets: false)
      let longest = (0..<validation.count).map { validation.size(of: $0).tokens }.max() ?? 0
      validationTokens = MicroBatch.bucket(max(longest, longestMicroBatch))
      validationTotal = (0..<validation.count).reduce(0) { $0 + validation.size(of: $1).tokens }
    }
  }

  private mutating func measure(
    _ data: any TrainingData, config: ModelConfig, name: String, needsTargets: Bool
  ) throws(TrainingError) {
    for index in 0..<data.count {
      let size = data.size(of: index)
      guard size.tokens > 0 else {
        throw TrainingError("an example is empty or its parts do not fit together", at: "\(name) example \(index)")
      }
      guard size.targets > 0 || !needsTargets else {
        throw TrainingError(
          "an example has no token to train", at: "\(name) example \(index)",
          remedy: "check train_on, the template and max_seq_length")
      }
      guard size.longestSegment <= config.maxPositionEmbeddings else {
        throw TrainingError(
          "a sequence is longer than the model's \(config.maxPositionEmbeddings) positions",
          at: "\(name) example \(index)", value: "\(size.longestSegment) tokens", remedy: "lower max_seq_length")
      }
      positions = max(positions, size.longestSegment)
      dataBytes += size.tokens * 8
    }
  }

  private mutating func count(_ data: any TrainingData, _ schedule: StepSchedule) {
    let sizes = (0..<data.count).map { data.size(of: $0) }
    let exact = min(
      schedule.totalSteps, max(schedule.stepsPerEpoch, Workload.countedExamples / schedule.examplesPerStep))
    var order: [Int] = []
    var shapes: Set<[Int]> = []
    for step in 0..<exact {
      let place = schedule.place(of: step)
      if place.update == 0 || order.isEmpty { order = schedule.order(epoch: place.epoch) }
      var shape: [Int] = []
      for batch in schedule.microBatches(update: place.update, order: order) {
        let count = batch.reduce(0) { $0 + sizes[$1].tokens }
        let padded = MicroBatch.bucket(count)
        shape.append(padded)
        tokens += count
        paddedTokens += padded
        targets += batch.reduce(0) { $0 + sizes[$1].targets }
        microBatches += 1
        longestMicroBatch = max(longestMicroBatch, padded)
      }
      if shapes.count < Workload.countedShapes { shapes.insert(shape) }
    }
    shapeCount = max(1, shapes.count)
    if exact < schedule.totalSteps {
      // The rest is like what was counted, except that its longest micro-batch could be any examples together.
      let share = Double(schedule.totalSteps) / Double(exact)
      func scaled(_ count: Int) -> Int { Int((Double(count) * share).rounded()) }
      (tokens, paddedTokens, targets, microBatches) =
        (scaled(tokens), scaled(paddedTokens), scaled(targets), scaled(microBatches))
      let longest = sizes.map(\.tokens).sorted(by: >).prefix(schedule.batchSize).reduce(0, +)
      longestMicroBatch = MicroBatch.bucket(longest)
    }
  }

  private static let countedShapes = 64

  /// Examples that are counted one by one; longer trainings are extrapolated.
  private static let countedExamples = 4_000_000
}
