import Testing
import Training

@Suite struct ScheduleTests {
  /// Values of transformers' schedules (peak 1, warm-up 3 of 10).
  static let tables: [(kind: LearningRateSchedule.Kind, rates: [Double])] = [
    (.constant, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
    (.constantWithWarmup, [0, 1 / 3, 2 / 3, 1, 1, 1, 1, 1, 1, 1]),
    (.linear, [0, 1 / 3, 2 / 3, 1, 6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7]),
    (
      .cosine,
      [
        0, 1 / 3, 2 / 3, 1, 0.9504844339512095, 0.8117449009293668, 0.6112604669781572, 0.3887395330218429,
        0.1882550990706333, 0.04951556604879043,
      ]
    ),
  ]

  @Test(arguments: tables)
  func `rates follow the formulas of transformers`(table: (kind: LearningRateSchedule.Kind, rates: [Double])) {
    let schedule = LearningRateSchedule(kind: table.kind, peak: 2e-5, warmupSteps: 3, totalSteps: 10)
    for (step, rate) in table.rates.enumerated() { #expect(abs(schedule.rate(step: step) - 2e-5 * rate) < 1e-18) }
  }

  @Test(arguments: [
    (examples: 10, batch: 1, accumulation: 1, epochs: 1.0, steps: 10),
    (examples: 10, batch: 4, accumulation: 1, epochs: 1.0, steps: 3),
    (examples: 10, batch: 2, accumulation: 2, epochs: 1.0, steps: 3),
    (examples: 10, batch: 1, accumulation: 16, epochs: 3.0, steps: 3),
    (examples: 10, batch: 1, accumulation: 4, epochs: 2.5, steps: 8),
  ])
  func `steps are counted as transformers counts them`(
    row: (examples: Int, batch: Int, accumulation: Int, epochs: Double, steps: Int)
  ) {
    var options = TrainerOptions()
    options.batchSize = row.batch
    options.accumulationSteps = row.accumulation
    options.epochs = row.epochs
    #expect(StepSchedule(examples: row.examples, options: options).totalSteps == row.steps)
  }

  @Test func `warm-up is a share of the steps, rounded up, or a number`() {
    var options = TrainerOptions()
    options.maxSteps = 50
    options.warmupRatio = 0.03
    #expect(StepSchedule(examples: 9, options: options).warmupSteps == 2)
    options.warmupSteps = 7
    #expect(StepSchedule(examples: 9, options: options).warmupSteps == 7)
  }

  @Test func `an epoch takes every example once, its last update what is left`() {
    var options = TrainerOptions()
    options.batchSize = 2
    options.accumulationSteps = 2
    let schedule = StepSchedule(examples: 11, options: options)
    let order = schedule.order(epoch: 1)
    let updates = (0..<schedule.stepsPerEpoch).map { schedule.microBatches(update: $0, order: order) }
    #expect(updates.map { $0.map(\.count) } == [[2, 2], [2, 2], [2, 1]])
    #expect(updates.joined().joined().sorted() == Array(0..<11))
  }

  @Test func `the order is a function of seed and epoch`() {
    var options = TrainerOptions()
    let schedule = StepSchedule(examples: 40, options: options)
    #expect(schedule.order(epoch: 0) == StepSchedule(examples: 40, options: options).order(epoch: 0))
    #expect(schedule.order(epoch: 0) != schedule.order(epoch: 1))
    options.seed = 43
    #expect(schedule.order(epoch: 0) != StepSchedule(examples: 40, options: options).order(epoch: 0))
  }

  @Test func `micro-batches are flattened without padding between examples`() throws {
    let examples = [
      TrainingExample(ids: [5, 6, 7], isTarget: [true, true, false]),
      TrainingExample(ids: [8, 9, 10, 11], isTarget: [true, true, true, true], segmentStarts: [0, 2]),
    ]
    let batch = try MicroBatch(examples, vocabularySize: 12)
    #expect(batch.ids == [5, 6, 7, 8, 9, 10, 11, 0])
    #expect(batch.targets == [6, -100, -100, 9, -100, 11, -100, -100])
    #expect(batch.positions == [0, 1, 2, 0, 1, 0, 1, 0])
    #expect(batch.segments == [0, 0, 0, 3, 3, 5, 5, 7])
    #expect(batch.targetCount == 3 && batch.tokenCount == 7)
    #expect(examples.map(\.targetCount) == [1, 2])
  }

  @Test(arguments: [(1, 8), (8, 8), (9, 16), (256, 256), (257, 272), (512, 512), (513, 544), (2048, 2048)])
  func `lengths are rounded up to few different ones`(row: (Int, Int)) { #expect(MicroBatch.bucket(row.0) == row.1) }

  @Test func `an id outside the vocabulary is refused`() {
    #expect(throws: TrainingError.self) {
      try MicroBatch([TrainingExample(ids: [1, 12], isTarget: [false, true])], vocabularySize: 12)
    }
  }
}
