import Basics
import CPUBackend
import Foundation
import Models
import Synchronization
import Testing
import Training

/// Asks to stop after a number of updates.
final class StopAfter: Sendable {
  private let left: Mutex<Int>
  init(_ steps: Int) { left = Mutex(steps) }
  func reply() -> ProgressReply {
    left.withLock {
      $0 -= 1
      return $0 == 0 ? .stop : .goOn
    }
  }
}

@Suite struct TrainerTests {
  let config = tinyConfig()
  let data = ExampleList(randomExamples([12, 40, 9, 33, 61, 18, 25, 30, 7, 22, 14], seed: 8))
  let validation = ExampleList(randomExamples([20, 31, 5], seed: 9))

  func options(accumulation: Int = 1, epochs: Double = 2) -> TrainerOptions {
    var options = TrainerOptions()
    options.learningRate = 2e-3
    options.scheduler = .cosine
    options.warmupRatio = 0.2
    options.epochs = epochs
    options.accumulationSteps = accumulation
    options.weightDecay = 0.01
    return options
  }

  func trainer(
    _ options: TrainerOptions, checkpoints: FilePath? = nil, identity: String = ""
  ) throws -> Trainer {
    let plan = try TrainingPlan(config: config, data: data, validation: validation, options: options)
    return try Trainer(
      plan: plan, weights: LivelyWeights(config: config), data: data, validation: validation,
      backend: CPUBackend(threads: 2), checkpoints: checkpoints, identity: identity)
  }

  @Test(arguments: [(accumulation: 1, stop: 7), (accumulation: 4, stop: 2), (accumulation: 4, stop: 3)])
  func `a stopped and resumed training ends in the same bits`(row: (accumulation: Int, stop: Int)) throws {
    let whole = try trainer(options(accumulation: row.accumulation))
    let report = try whole.run()
    let folder = try TemporaryFolder()
    let stop = StopAfter(row.stop)
    let first = try trainer(options(accumulation: row.accumulation), checkpoints: folder.path)
    let interrupted = try first.run(progress: { _ in stop.reply() })
    #expect(interrupted.interrupted && interrupted.steps == row.stop)
    let second = try trainer(options(accumulation: row.accumulation), checkpoints: folder.path)
    let resumed = try second.run()
    #expect(resumed.resumedFrom == row.stop && !resumed.interrupted)
    #expect(try weightBytes(second) == weightBytes(whole))
    #expect(resumed.evalLoss == report.evalLoss && resumed.trainLoss == report.trainLoss)
    #expect(resumed.trainedTokens == report.trainedTokens)
    #expect(resumed.rows.map(\.loss) == report.rows.map(\.loss))
    #expect(resumed.rows.map(\.gradientNorm) == report.rows.map(\.gradientNorm))
  }

  @Test func `saving on the way changes nothing, and two checkpoints are kept`() throws {
    let whole = try trainer(options())
    _ = try whole.run()
    let folder = try TemporaryFolder()
    var saving = options()
    saving.saveSteps = 5
    let saved = try trainer(saving, checkpoints: folder.path)
    _ = try saved.run()
    #expect(try weightBytes(saved) == weightBytes(whole))
    #expect(try Files.list(folder.path).map(\.display) == ["checkpoint-15", "checkpoint-20"])
  }

  @Test func `a damaged checkpoint is noticed and the one before it used`() throws {
    let whole = try trainer(options())
    _ = try whole.run()
    let folder = try TemporaryFolder()
    var saving = options()
    saving.saveSteps = 5
    let stop = StopAfter(12)
    _ = try trainer(saving, checkpoints: folder.path).run(progress: { _ in stop.reply() })
    let damaged = folder.path.appending("checkpoint-12").appending("states.bin")
    var bytes = try Files.read(damaged)
    bytes[bytes.count / 2] ^= 4
    try Files.writeAtomically(bytes, to: damaged)
    let second = try trainer(saving, checkpoints: folder.path)
    let report = try second.run()
    #expect(report.resumedFrom == 10)
    #expect(report.notices.contains { $0.contains("checkpoint-12") && $0.contains("states.bin") })
    #expect(try weightBytes(second) == weightBytes(whole))
  }

  @Test func `what a killed writer left is no checkpoint and is cleared away`() throws {
    let folder = try TemporaryFolder()
    let partial = folder.path.appending(".partial-9")
    try Files.makeFolder(partial)
    try Files.writeAtomically(Array("half".utf8), to: partial.appending("weights.bin"))
    let stop = StopAfter(3)
    let report = try trainer(options(), checkpoints: folder.path).run(progress: { _ in stop.reply() })
    #expect(report.resumedFrom == 0)
    #expect(try Files.list(folder.path).map(\.display) == ["checkpoint-3"])
  }

  @Test func `a checkpoint of another training is passed over`() throws {
    let folder = try TemporaryFolder()
    let stop = StopAfter(3)
    _ = try trainer(options(), checkpoints: folder.path).run(progress: { _ in stop.reply() })
    var other = options()
    other.learningRate = 1e-3
    #expect(try trainer(other, checkpoints: folder.path).run().resumedFrom == 0)
  }

  @Test func `recomputation within a budget changes no bit`() throws {
    let whole = try trainer(options(accumulation: 4))
    let report = try whole.run()
    var checkpointing = options(accumulation: 4)
    checkpointing.gradientCheckpointing = .on
    let recomputed = try trainer(checkpointing)
    #expect(recomputed.plan.arenaBytes < whole.plan.arenaBytes)
    #expect(try recomputed.run().rows.map(\.loss) == report.rows.map(\.loss))
    #expect(try weightBytes(recomputed) == weightBytes(whole))
  }

  @Test func `training lowers the loss on what it trains on`() throws {
    var longer = options(epochs: 12)
    longer.learningRate = 1e-2
    let rows = try trainer(longer).run().rows
    let ends = [rows.prefix(11), rows.suffix(11)].map { $0.reduce(0) { $0 + $1.loss } / 11 }
    #expect(ends[1] < ends[0] * 0.8)
  }

  @Test func `validation loss is the mean over all targets`() throws {
    let trainer = try trainer(options())
    let report = try trainer.run()
    var reference = ReferenceDecoder(config, trainer.trainedWeights)
    let expected = reference.loss(validation.examples)
    #expect(abs(try #require(report.evalLoss) - expected) < 1e-5 * expected)
    _ = reference.slope(of: "model.norm.weight", at: 0, [])
  }

  @Test func `eval_steps gives rows a validation loss without changing the training`() throws {
    let whole = try trainer(options())
    _ = try whole.run()
    var evaluating = options()
    evaluating.evalSteps = 8
    evaluating.loggingSteps = 5
    let second = try trainer(evaluating)
    let rows = try second.run().rows
    #expect(rows.map(\.step) == [5, 8, 10, 15, 16, 20, 22])
    #expect(rows.filter { $0.evalLoss != nil }.map(\.step) == [8, 16])
    #expect(try weightBytes(second) == weightBytes(whole))
  }

  @Test func `a gradient that is not finite skips the step, names the weight, and in a row ends the training`() throws {
    let broken = BrokenWeights(inner: LivelyWeights(config: config), name: "model.layers.1.mlp.down_proj.weight")
    let plan = try TrainingPlan(config: config, data: data, options: options())
    let trainer = try Trainer(plan: plan, weights: broken, data: data, backend: CPUBackend(threads: 2))
    let log = Mutex<[MetricRow]>([])
    #expect(throws: TrainingError.self) { _ = try trainer.run(log: { row in log.withLock { $0.append(row) } }) }
    let rows = log.withLock { $0 }
    #expect(rows.count == 4 && rows.allSatisfy { $0.skipped != nil })
    let source = trainer.trainedWeights
    var values = [Float](repeating: 0, count: config.hiddenSize)
    try unsafe values.withUnsafeMutableBufferPointer {
      unsafe try source.read("model.norm.weight", rows: nil, into: $0)
    }
    var before = values
    try unsafe before.withUnsafeMutableBufferPointer {
      unsafe try broken.read("model.norm.weight", rows: nil, into: $0)
    }
    #expect(values == before)
  }

  @Test func `data that cannot be trained on is refused`() {
    let untrained = ExampleList([TrainingExample(ids: [1, 2], isTarget: [true, false])])
    #expect(throws: TrainingError.self) { try TrainingPlan(config: config, data: untrained, options: options()) }
    #expect(throws: TrainingError.self) {
      try TrainingPlan(config: config, data: ExampleList([]), options: options())
    }
    let long = ExampleList(randomExamples([257]))
    #expect(throws: TrainingError.self) { try TrainingPlan(config: config, data: long, options: options()) }
  }
}

/// Weights with one NaN.
struct BrokenWeights: WeightSource {
  let inner: LivelyWeights
  let name: String
  var names: [String] { inner.names }
  func shape(of name: String) -> [Int]? { inner.shape(of: name) }
  func read(_ name: String, rows: Range<Int>?, into: UnsafeMutableBufferPointer<Float>) throws(ModelError) {
    unsafe try inner.read(name, rows: rows, into: into)
    if name == self.name { unsafe into[0] = .nan }
  }
}
