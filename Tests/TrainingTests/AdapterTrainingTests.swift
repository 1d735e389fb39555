import Basics
import CPUBackend
import Foundation
import Models
import Tensors
import Testing
import Training

@Suite struct AdapterTrainingTests {
  private func options(dropout: Double = 0.2, quantised: Bool = false) -> TrainerOptions {
    var options = TrainerOptions()
    options.learningRate = 1e-2
    options.batchSize = 2
    options.accumulationSteps = 2
    options.maxSteps = 6
    options.adapter = AdapterOptions(rank: 4, alpha: 8, dropout: dropout)
    options.quantisesBase = quantised
    return options
  }

  private func trainer(
    _ config: ModelConfig, _ options: TrainerOptions, checkpoints: FilePath? = nil
  ) throws -> Trainer {
    let data = ExampleList(randomExamples([30, 12, 25, 40, 9, 33, 21, 18]))
    let plan = try TrainingPlan(config: config, data: data, options: options)
    return try Trainer(
      plan: plan, weights: LivelyWeights(config: config), data: data, backend: CPUBackend(threads: 2),
      checkpoints: checkpoints)
  }

  /// Wide enough for NF4.
  private let wide = ModelConfig(
    hiddenSize: 64, layerCount: 2, headCount: 4, keyValueHeadCount: 2, intermediateSize: 128, vocabularySize: 61,
    maxPositionEmbeddings: 64, tieWordEmbeddings: true)

  @Test(arguments: [false, true])
  func `adapters resumed from a checkpoint end in the same bits, dropout on`(quantised: Bool) throws {
    let folder = try TemporaryFolder()
    let straight = try trainer(wide, options(quantised: quantised))
    let whole = try straight.run()
    let first = try trainer(wide, options(quantised: quantised), checkpoints: folder.path)
    let half = try first.run(progress: { $0.done == 3 ? .stop : .goOn })
    #expect(half.interrupted && half.steps == 3)
    let second = try trainer(wide, options(quantised: quantised), checkpoints: folder.path)
    let rest = try second.run()
    #expect(rest.resumedFrom == 3)
    #expect(rest.rows.map(\.loss) == whole.rows.map(\.loss))
    #expect(try weightBytes(second) == weightBytes(straight))
    #expect(
      Set(second.trainedWeights.names)
        == Set(wide.adapterParameters(try #require(options().adapter)).map(\.name)))
  }

  @Test func `dropout changes the course, and every update has a mask of its own`() throws {
    let plain = try trainer(wide, options(dropout: 0)).run()
    let dropped = try trainer(wide, options(dropout: 0.5)).run()
    // B is zero before the first update, so the first loss is the base model's.
    #expect(plain.rows[0].loss == dropped.rows[0].loss)
    #expect(plain.rows[1].loss != dropped.rows[1].loss)
    #expect((plain.rows.last?.loss ?? .infinity) < plain.rows[0].loss)
  }

  @Test func `a base in NF4 trains as the dequantised weights do, in a fraction of their memory`() throws {
    let batches = randomExamples([20, 33]).map { [$0] }
    let quantised = try runStep(wide, batches, options: adapterStep(quantised: true))
    let beside = try runStep(
      wide, batches, options: adapterStep(), weights: DequantisedWeights(LivelyWeights(config: wide), config: wide))
    #expect(abs(quantised.loss - beside.loss) <= 1e-6 * beside.loss)
    for (name, gradient) in quantised.gradients {
      #expect(relativeDifference(gradient, beside.gradients[name] ?? []) < 1e-5, "\(name)")
    }
    let config = ModelPreset.nano.config(vocabularySize: 300)
    let shape = TrainingShape(tokens: 32)
    func bytes(_ options: StepOptions, _ role: TensorRole) -> Int {
      let program = config.trainingStep(shape: shape, options: options).program
      return MemoryPlan(program).bytesByRole(program).first { $0.role == role }?.bytes ?? 0
    }
    let blocks = (0..<config.layerCount).flatMap { config.layerParameters($0) }.filter { $0.shape.count == 2 }
    let numbers = blocks.reduce(0) { $0 + $1.count }
    let saved = bytes(adapterStep(), .weight) - bytes(adapterStep(quantised: true), .weight)
    // 32 bits become 4.127, and a little padding.
    #expect(Double(saved) / Double(numbers) * 8 > 32 - 4.127 - 0.2)
  }

  @Test(arguments: [false, true])
  func `the memory table tells adapters from frozen weights`(quantised: Bool) throws {
    let data = ExampleList(randomExamples([30, 12]))
    let plan = try TrainingPlan(config: wide, data: data, options: options(quantised: quantised))
    let numbers = wide.adapterParameters(try #require(options().adapter)).reduce(0) { $0 + $1.count }
    func bytes(_ group: String) -> Int { plan.memory.rows.first { $0.group == group }?.bytes ?? -1 }
    #expect(bytes("weights") == -1)
    #expect(bytes(quantised ? "frozen weights in NF4" : "frozen weights") > 0)
    #expect((numbers * 4..<numbers * 4 + 8192).contains(bytes("adapters")))
    #expect((numbers * 4..<numbers * 4 + 8192).contains(bytes("gradients")))
    #expect((numbers * 8..<numbers * 8 + 16384).contains(bytes("optimizer states")))
  }

  @Test(arguments: [RecomputePass.Mode.selective, .block])
  func `recomputation changes no bit beside a base in NF4`(mode: RecomputePass.Mode) throws {
    let batches = randomExamples([20, 33]).map { [$0] }
    let options = adapterStep(dropout: 0.3, quantised: true)
    let plain = try runStep(wide, batches, options: options)
    let pass = RecomputePass(mode, blocks: wide.layerCount)
    let repeated = try runStep(wide, batches, options: options, change: pass.apply)
    #expect(plain.loss == repeated.loss)
    #expect(plain.gradients == repeated.gradients)
    #expect(plain.weights == repeated.weights)
  }

  @Test(.enabled(if: testData != nil, "FETTLE_TEST_DATA is unset: no reference trajectories"))
  func `stories260K with adapters trains along the reference trajectory`() throws {
    let folder = try #require(testData)
    let json = try JSONParser.parse(Files.read(folder.appending("golden-training/golden_lora_260k.json")))
    let model = try ModelFiles.open(folder.appending("models/stories260K/hf"))
    let batches = try #require(json["batch_token_ids"]?.array).map { batch in
      (batch.array ?? []).map { row in
        let ids = (row.array ?? []).compactMap { $0.int.map(Int32.init) }
        return TrainingExample(ids: ids, isTarget: ids.map { _ in true })
      }
    }
    let run = try #require(json["runs"]?["f64"])
    var options = TrainerOptions()
    options.learningRate = 1e-3
    options.scheduler = .constant
    options.maxGradNorm = 0
    options.shuffles = false
    options.batchSize = batches[0].count
    options.maxSteps = batches.count
    let adapter = AdapterOptions(rank: 8, alpha: 16)
    options.adapter = adapter
    let data = ExampleList(Array(batches.joined()))
    let plan = try TrainingPlan(config: model.config, data: data, options: options)
    let trainer = try Trainer(
      plan: plan, weights: model.weights,
      adapters: GivenAdapters(config: model.config, options: adapter, json: try #require(json["A_init"])), data: data,
      backend: CPUBackend(threads: 2))
    let rows = try trainer.run().rows
    let losses = try #require(run["losses"]?.array).compactMap(\.double)
    let norms = try #require(run["grad_norms"]?.array).compactMap(\.double)
    #expect(rows.count == losses.count)
    for (row, (loss, norm)) in zip(rows, zip(losses, norms)) {
      #expect(abs(row.loss - loss) <= 1e-4 * loss, "loss of step \(row.step)")
      #expect(abs(row.gradientNorm - norm) <= 1e-4 * norm, "norm of step \(row.step)")
    }
    let source = trainer.trainedWeights
    for (name, expected) in try #require(run["final"]?.object).members {
      let norm = try #require(expected["norm"]?.double)
      var values = [Float](repeating: 0, count: (source.shape(of: name + ".weight") ?? []).reduce(1, *))
      try unsafe values.withUnsafeMutableBufferPointer {
        unsafe try source.read(name + ".weight", rows: nil, into: $0)
      }
      let size = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(abs(size - norm) <= 1e-4 * norm, "\(name)")
    }
  }
}

/// Adapters whose A is given, by layer name, and whose B is zero.
private struct GivenAdapters: WeightSource {
  let config: ModelConfig
  let options: AdapterOptions
  let json: JSON

  var names: [String] { config.adapterParameters(options).map(\.name) }
  func shape(of name: String) -> [Int]? { config.adapterParameters(options).first { $0.name == name }?.shape }

  func read(_ name: String, rows: Range<Int>?, into: UnsafeMutableBufferPointer<Float>) throws(ModelError) {
    unsafe into.update(repeating: 0)
    guard name.hasSuffix(".lora_A.weight") else { return }
    let given = json[String(name.dropLast(".lora_A.weight".count))]?.array ?? []
    let values = given[rows ?? 0..<given.count].flatMap { ($0.array ?? []).compactMap(\.double) }
    for (index, value) in values.enumerated() { unsafe into[index] = Float(value) }
  }
}
