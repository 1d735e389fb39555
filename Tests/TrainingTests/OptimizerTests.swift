import Basics
import CPUBackend
import Foundation
import Models
import Tensors
import Testing
import Training

/// An optimizer with the format of the weights that it changes.
struct OptimizerChoice: Sendable, CustomTestStringConvertible {
  let optimizer: Optimizer
  var isHalf = false

  var testDescription: String { optimizer.rawValue + (isHalf ? ", bf16 weights" : "") }

  static let small: [OptimizerChoice] = [
    .init(optimizer: .adamW8bit), .init(optimizer: .adamWHalf), .init(optimizer: .adamW, isHalf: true),
    .init(optimizer: .adamW8bit, isHalf: true), .init(optimizer: .adamWHalf, isHalf: true),
  ]
  static let all: [OptimizerChoice] = Optimizer.allCases.flatMap { optimizer in
    [false, true].map { .init(optimizer: optimizer, isHalf: $0) }
  }
}

/// Wide enough for its matrices to have small states.
private func wideConfig() -> ModelConfig {
  ModelConfig(
    hiddenSize: 64, layerCount: 2, headCount: 4, keyValueHeadCount: 2, intermediateSize: 128, vocabularySize: 128,
    maxPositionEmbeddings: 256, tieWordEmbeddings: true)
}

/// Texts of a random language: every token has some successors, of which one is likely.
private func chains(_ count: Int, length: Int, vocabulary: Int) -> [TrainingExample] {
  var generator = SeededGenerator(seed: 12)
  return (0..<count).map { _ in
    var ids: [Int32] = [Int32(generator.below(vocabulary))]
    while ids.count < length {
      let last = Int(ids[ids.count - 1])
      let choice = generator.below(4)
      ids.append(Int32((last * 7 + (choice < 2 ? 3 : choice * 11)) % vocabulary))
    }
    return TrainingExample(ids: ids, isTarget: ids.map { _ in true })
  }
}

@Suite struct OptimizerTests {
  private static func losses(
    _ choice: OptimizerChoice, _ config: ModelConfig, _ weights: any WeightSource, _ data: [TrainingExample],
    batch: Int, rate: Double
  ) throws -> [Double] {
    var options = TrainerOptions()
    options.optimizer = choice.optimizer
    options.weightsAreHalf = choice.isHalf
    options.learningRate = rate
    options.scheduler = .constant
    options.weightDecay = 0.1
    options.batchSize = batch
    options.maxSteps = 200
    options.shuffles = false
    let data = ExampleList(data)
    let plan = try TrainingPlan(config: config, data: data, options: options)
    return try Trainer(plan: plan, weights: weights, data: data, backend: CPUBackend(threads: 2)).run().rows.map(\.loss)
  }

  /// The means of every 20 steps differ by less than 1 %.
  private static func compare(_ found: [Double], _ full: [Double]) {
    #expect(found.count == 200 && full.count == 200)
    for start in stride(from: 0, to: min(found.count, full.count), by: 20) {
      let mean = found[start..<start + 20].reduce(0, +)
      let expected = full[start..<start + 20].reduce(0, +)
      #expect(abs(mean - expected) <= 0.01 * expected, "steps \(start + 1) to \(start + 20)")
    }
  }

  @Test func `small states and bf16 weights train as f32 does, to 1 % over 200 steps`() throws {
    let config = wideConfig()
    let data = chains(400, length: 48, vocabulary: 128)
    let weights = PresetWeights(config: config, seed: 3)
    let full = try Self.losses(.init(optimizer: .adamW), config, weights, data, batch: 2, rate: 2e-3)
    #expect(full[199] < 0.6 * full[0])
    for choice in OptimizerChoice.small {
      Self.compare(try Self.losses(choice, config, weights, data, batch: 2, rate: 2e-3), full)
    }
  }

  @Test(.enabled(if: testData != nil, "FETTLE_TEST_DATA is unset: no stories260K"))
  func `stories260K trains with small states as with f32, to 1 % over 200 steps`() throws {
    let folder = try #require(testData)
    let json = try JSONParser.parse(Files.read(folder.appending("golden-training/golden_train_260k.json")))
    let data = try #require(json["batch_token_ids"]?.array).flatMap { $0.array ?? [] }.map { row in
      let ids = (row.array ?? []).compactMap { $0.int.map(Int32.init) }
      return TrainingExample(ids: ids, isTarget: ids.map { _ in true })
    }
    let model = try ModelFiles.open(folder.appending("models/stories260K/hf"))
    let full = try Self.losses(.init(optimizer: .adamW), model.config, model.weights, data, batch: 4, rate: 2e-4)
    for choice in OptimizerChoice.small {
      Self.compare(
        try Self.losses(choice, model.config, model.weights, data, batch: 4, rate: 2e-4), full)
    }
  }

  private static let packs = ExampleList(
    (0..<9).map { number in packed(chains(3, length: 9 + 7 * number % 11, vocabulary: 128)) })

  private static func trainer(
    _ choice: OptimizerChoice, checkpoints: FilePath? = nil, seed: UInt64 = 42,
    change: (inout TrainerOptions) -> Void = { _ in }
  ) throws -> Trainer {
    let config = wideConfig()
    var options = TrainerOptions()
    options.optimizer = choice.optimizer
    options.statesArePaged = choice.optimizer.isPaged
    options.weightsAreHalf = choice.isHalf
    options.learningRate = 1e-3
    options.weightDecay = 0.1
    options.accumulationSteps = 2
    options.seed = seed
    options.shuffles = false
    change(&options)
    let plan = try TrainingPlan(config: config, data: packs, options: options)
    return try Trainer(
      plan: plan, weights: PresetWeights(config: config, seed: 3), data: packs, backend: CPUBackend(threads: 2),
      checkpoints: checkpoints)
  }

  @Test(arguments: OptimizerChoice.all)
  func `a stopped and resumed training ends in the same bits`(_ choice: OptimizerChoice) throws {
    let whole = try Self.trainer(choice)
    let report = try whole.run()
    let folder = try TemporaryFolder()
    let stop = StopAfter(6)
    _ = try Self.trainer(choice, checkpoints: folder.path).run(progress: { _ in stop.reply() })
    let second = try Self.trainer(choice, checkpoints: folder.path)
    let resumed = try second.run()
    #expect(resumed.resumedFrom == 6)
    #expect(try weightBytes(second) == weightBytes(whole))
    #expect(resumed.rows.map(\.loss) == report.rows.map(\.loss))
  }

  @Test func `the seed decides how bf16 weights are rounded, and nothing else of plain training`() throws {
    func bytes(isHalf: Bool, seed: UInt64) throws -> [UInt8] {
      let trainer = try Self.trainer(.init(optimizer: .adamW, isHalf: isHalf), seed: seed)
      _ = try trainer.run()
      return try weightBytes(trainer)
    }
    #expect(try bytes(isHalf: true, seed: 1) != bytes(isHalf: true, seed: 2))
    #expect(try bytes(isHalf: false, seed: 1) == bytes(isHalf: false, seed: 2))
  }

  @Test(arguments: [(Optimizer.adamW, Optimizer.pagedAdamW32bit), (.adamW8bit, .pagedAdamW8bit)])
  func `paged states give the bits of those in memory`(plain: Optimizer, paged: Optimizer) throws {
    let first = try Self.trainer(.init(optimizer: plain, isHalf: true))
    let second = try Self.trainer(.init(optimizer: paged, isHalf: true))
    _ = try first.run()
    _ = try second.run()
    #expect(try weightBytes(first) == weightBytes(second))
  }

  @Test(arguments: OptimizerChoice.all)
  func `memory techniques leave the bits of every optimizer`(_ choice: OptimizerChoice) throws {
    var everything = TrainingPasses(recompute: RecomputePass(.block, blocks: 2))
    everything.order = .layerByLayer
    everything.offloadedBlocks = 2
    everything.pagedStates = 3
    everything.streamedGradients = 3
    everything.streamedWeights = 3
    everything.isDeferred = true
    everything.lookahead = 64 << 10
    everything.sliceElements = 4096
    let plain = try Self.trainer(choice) { $0.passes = TrainingPasses(recompute: RecomputePass(.none, blocks: 2)) }
    let techniques = everything
    let full = try Self.trainer(choice) { $0.passes = techniques }
    let expected = try plain.run().rows.map(\.loss)
    #expect(try full.run().rows.map(\.loss) == expected)
    #expect(try weightBytes(full) == weightBytes(plain))
  }

  @Test func `smaller states and weights need less memory, by what they hold`() throws {
    func bytes(_ role: TensorRole, _ choice: OptimizerChoice, full: Bool = false) -> Int {
      var options = StepOptions(optimizer: choice.optimizer)
      options.weightsAreHalf = choice.isHalf
      options.embeddingStatesAreFull = full
      return wideConfig().trainingStep(shape: TrainingShape(tokens: 8), options: options).program.tensors
        .filter { $0.role == role && $0.name != "clip" }.reduce(0) { $0 + $1.bytes }
    }
    let matrices = wideConfig().parameters.filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
    let vectors = wideConfig().parameterCount - matrices
    let plain = OptimizerChoice(optimizer: .adamW)
    #expect(bytes(.state, plain) == 8 * (matrices + vectors))
    #expect(bytes(.state, .init(optimizer: .adamWHalf)) == 4 * matrices + 8 * vectors)
    #expect(bytes(.state, .init(optimizer: .adamW8bit)) == 2 * matrices + 8 * matrices / 256 + 8 * vectors)
    #expect(bytes(.state, .init(optimizer: .sgd)) == 0)
    #expect(bytes(.state, .init(optimizer: .adafactor)) < (matrices + vectors) / 4)
    let embedding = 128 * 64
    #expect(
      bytes(.state, .init(optimizer: .adamW8bit), full: true) - bytes(.state, .init(optimizer: .adamW8bit))
        == 8 * embedding - 2 * embedding - 8 * embedding / 256)
    #expect(bytes(.weight, .init(optimizer: .adamW, isHalf: true)) == 2 * matrices + 4 * vectors)
  }

  /// From the gradients of one step, in double precision.
  @Test func `gradient descent changes every weight by the rate times its gradient`() throws {
    let config = wideConfig()
    var options = StepOptions(optimizer: .sgd)
    options.weightDecay = 0.1
    let run = try runStep(config, [chains(2, length: 20, vocabulary: 128)], options: options, rate: 0.1)
    for (name, new) in run.weights {
      let old = try values(name, of: LivelyWeights(config: config))
      let gradient = try #require(run.gradients[name])
      let decay = config.parameters.first { $0.name == name }?.shape.count == 2 ? 0.1 : 0
      let expected = zip(old, gradient).map { Float(Double($0) - 0.1 * (Double($1) + decay * Double($0))) }
      #expect(relativeDifference(new, expected) < 1e-6, "\(name)")
    }
  }

  @Test func `Adafactor treats every weight of the model alone, as Hugging Face does`() throws {
    let config = wideConfig()
    var options = StepOptions(optimizer: .adafactor)
    options.weightDecay = 0.1
    let run = try runStep(config, [chains(2, length: 20, vocabulary: 128)], options: options, rate: 0.01)
    for parameter in config.parameters {
      let old = try values(parameter.name, of: LivelyWeights(config: config))
      let g = try #require(run.gradients[parameter.name]).map { Double($0) }
      let columns = parameter.shape.last ?? 1
      let rows = g.count / columns
      // After the first step the means are those of the gradient's squares.
      let squares = g.map { $0 * $0 + 1e-30 }
      var byColumn = [Double](repeating: 0, count: columns)
      var byRow = [Double](repeating: 0, count: rows)
      for (index, square) in squares.enumerated() {
        byColumn[index % columns] += square / Double(rows)
        byRow[index / columns] += square / Double(columns)
      }
      let mean = byRow.reduce(0, +) / Double(rows)
      let isMatrix = parameter.shape.count == 2
      let update = g.indices.map { index in
        isMatrix
          ? g[index] / (byRow[index / columns] / mean).squareRoot() / byColumn[index % columns].squareRoot()
          : g[index] / squares[index].squareRoot()
      }
      let size = (update.reduce(0) { $0 + $1 * $1 } / Double(g.count)).squareRoot()
      let expected = zip(old, update).map { weight, change in
        Float(Double(weight) * (isMatrix ? 1 - 0.01 * 0.1 : 1) - 0.01 / max(1, size) * change)
      }
      #expect(relativeDifference(try #require(run.weights[parameter.name]), expected) < 1e-6, "\(parameter.name)")
    }
  }

  private func values(_ name: String, of source: some WeightSource) throws -> [Float] {
    var values = [Float](repeating: 0, count: try #require(source.shape(of: name)).reduce(1, *))
    try unsafe values.withUnsafeMutableBufferPointer { unsafe try source.read(name, rows: nil, into: $0) }
    return values
  }

  @Test func `options without effect are refused`() {
    var options = TrainerOptions()
    options.embeddingStatesAreFull = true
    #expect(throws: TrainingError.self) { try options.check() }
    options.optimizer = .adamW8bit
    #expect(throws: Never.self) { try options.check() }
    options.warmupSteps = 3
    options.warmupRatio = 0.1
    #expect(throws: TrainingError.self) { try options.check() }
  }
}
