import Basics
import CPUBackend
import Foundation
import Models
import Tensors
import Testing
import Training

/// Trajectories of an independent implementation in double precision; they need FETTLE_TEST_DATA.
@Suite(.enabled(if: testData != nil, "FETTLE_TEST_DATA is unset: no reference trajectories"))
struct GoldenTrainingTests {
  private func json(_ name: String) throws -> JSON {
    let folder = try #require(testData)
    return try JSONParser.parse(Files.read(folder.appending(name)))
  }

  /// Trains on `batches`, one update each, and compares course and end with `run`.
  private func compare(
    _ model: ModelFiles, _ batches: [[TrainingExample]], _ run: JSON, options: TrainerOptions, tolerance: Double
  ) throws {
    var options = options
    options.shuffles = false
    options.batchSize = batches[0].count
    options.maxSteps = batches.count
    options.scheduler = .constant
    options.maxGradNorm = run["clip_max_norm"]?.double ?? 0
    let data = ExampleList(Array(batches.joined()))
    let plan = try TrainingPlan(config: model.config, data: data, options: options)
    let trainer = try Trainer(plan: plan, weights: model.weights, data: data, backend: CPUBackend(threads: 2))
    let rows = try trainer.run().rows
    let losses = try #require(run["losses"]?.array).compactMap(\.double)
    let norms = try #require(run["grad_norms"]?.array).compactMap(\.double)
    for (row, (loss, norm)) in zip(rows, zip(losses, norms)) {
      #expect(abs(row.loss - loss) <= tolerance * loss, "loss of step \(row.step)")
      #expect(abs(row.gradientNorm - norm) <= tolerance * norm, "norm of step \(row.step)")
    }
    guard rows.count == losses.count else { return }
    for (name, expected) in try #require(run["final_weights"]?.object).members {
      guard let norm = expected["norm"]?.double, let sum = expected["sum"]?.double else { continue }
      let values = try read(trainer.trainedWeights, name)
      let size = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(abs(size - norm) <= tolerance * norm, "\(name)")
      let scale = norm * Double(values.count).squareRoot()
      #expect(abs(values.reduce(0.0) { $0 + Double($1) } - sum) <= tolerance * scale, "\(name)")
    }
  }

  private func read(_ source: some WeightSource, _ name: String) throws -> [Float] {
    var values = [Float](repeating: 0, count: try #require(source.shape(of: name)).reduce(1, *))
    try unsafe values.withUnsafeMutableBufferPointer { unsafe try source.read(name, rows: nil, into: $0) }
    return values
  }

  private func example(_ ids: some Sequence<JSON>) -> TrainingExample {
    let ids = ids.compactMap { $0.int.map(Int32.init) }
    return TrainingExample(ids: ids, isTarget: ids.map { _ in true })
  }

  private func stories() throws -> (model: ModelFiles, batches: [[TrainingExample]], json: JSON) {
    let folder = try #require(testData)
    let json = try json("golden-training/golden_train_260k.json")
    let batches = try #require(json["batch_token_ids"]?.array).map { batch in
      (batch.array ?? []).map { example($0.array ?? []) }
    }
    return (try ModelFiles.open(folder.appending("models/stories260K/hf")), batches, json)
  }

  @Test(arguments: ["f64_noclip", "f64_clip1.0"])
  func `stories260K trains along the reference trajectory`(run: String) throws {
    let stories = try stories()
    var options = TrainerOptions()
    options.learningRate = 1e-3
    options.weightDecay = 0.1
    options.decay = .all
    try compare(
      stories.model, stories.batches, try #require(stories.json["runs"]?[run]), options: options, tolerance: 1e-4)
  }

  @Test func `each weight's first gradient has the reference norm`() throws {
    let stories = try stories()
    let micro = try MicroBatch(stories.batches[0], vocabularySize: stories.model.config.vocabularySize)
    let step = stories.model.config.trainingStep(
      shape: TrainingShape(tokens: micro.ids.count), options: StepOptions())
    let plan = MemoryPlan(step.program)
    let backend = CPUBackend(threads: 2)
    let loaded = try backend.load(step.program, plan: plan, in: backend.makeArena(bytes: plan.arenaBytes))
    step.rotary.write(into: loaded)
    try loaded.loadWeights(from: stories.model.weights, into: step.weights)
    loaded.write(micro.ids, to: step.inputs.ids)
    loaded.write(micro.targets, to: step.inputs.targets)
    loaded.write(micro.positions, to: step.inputs.positions)
    loaded.write(micro.segments, to: step.inputs.segments)
    try loaded.run(StepScalars(learningRate: 0, step: 1, inverseTargetCount: 1 / Double(micro.targetCount)))
    let squares = loaded.read(step.squares, as: Double.self, initial: 0)
    let norms = try #require(stories.json["runs"]?["f64_noclip"]?["step1_grad_norm_per_tensor"]?.object)
    #expect(norms.count == step.weights.count)
    for (slot, square) in zip(step.weights, squares) {
      let norm = try #require(norms[slot.name]?.double)
      #expect(abs(square.squareRoot() - norm) <= 1e-4 * norm, "\(slot.name)")
    }
  }

  /// The path of SmolLM2-135M-Instruct.Q4_1.gguf, where the machine has it.
  private static let smollm2 = ProcessInfo.processInfo.environment["FETTLE_SMOLLM2"].map { FilePath($0) }

  @Test(
    .enabled(if: GoldenTrainingTests.smollm2 != nil, "FETTLE_SMOLLM2 is unset: no SmolLM2 to train"),
    arguments: ["f64_exact_seq128_noclip", "f64_exact_seq128_clip1"])
  func `SmolLM2 trains along the reference trajectory`(run: String) throws {
    let json = try json("golden-training/golden_train_smollm2.json")
    let ids = try #require(json["token_ids"]?.array)
    let batches = (0..<4).map { [example(ids[$0 * 128..<($0 + 1) * 128])] }
    var options = TrainerOptions()
    options.learningRate = 1e-4
    try compare(
      try ModelFiles.open(try #require(GoldenTrainingTests.smollm2)), batches, try #require(json["runs"]?[run]),
      options: options, tolerance: 1e-3)
  }
}
