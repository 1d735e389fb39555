import Basics
import CPUBackend
import Foundation
import Models
import Tensors
import Training

/// The folder of reference results from outside; nil when FETTLE_TEST_DATA is unset.
let testData: FilePath? = ProcessInfo.processInfo.environment["FETTLE_TEST_DATA"].map { FilePath($0) }

/// A small decoder with everything that a large one has: grouped heads, several blocks, a tied head.
func tinyConfig(
  vocabulary: Int = 61, layers: Int = 3, tied: Bool = true, bias: Bool = false, window: Int? = nil
) -> ModelConfig {
  ModelConfig(
    hiddenSize: 32, layerCount: layers, headCount: 4, keyValueHeadCount: 2, intermediateSize: 48,
    vocabularySize: vocabulary, maxPositionEmbeddings: 256, tieWordEmbeddings: tied, attentionBias: bias,
    attentionOutputBias: bias, mlpBias: bias, slidingWindow: window)
}

/// Weights that are large enough for every gradient to matter: normal with deviation 0.25, norms and biases too.
struct LivelyWeights: WeightSource {
  let config: ModelConfig
  var seed: UInt64 = 1

  var names: [String] { config.parameters.map(\.name) }
  func shape(of name: String) -> [Int]? { config.parameters.first { $0.name == name }?.shape }

  func read(_ name: String, rows: Range<Int>?, into: UnsafeMutableBufferPointer<Float>) throws(ModelError) {
    let columns = shape(of: name)?.last ?? 1
    var generator = SeededGenerator(seed: seed, stream: UInt64(Digest(of: name).hex.prefix(8), radix: 16) ?? 0)
    let skipped = (rows?.lowerBound ?? 0) * columns
    let base: Float = name.hasSuffix("norm.weight") ? 1 : 0
    for index in 0..<skipped + into.count {
      let value = Float((0..<4).reduce(0.0) { sum, _ in sum + generator.uniform() - 0.5 }) * 0.4
      if index >= skipped { unsafe into[index - skipped] = base + value }
    }
  }
}

/// Examples of the given lengths with random ids; about a third of the tokens are not trained.
func randomExamples(_ lengths: [Int], vocabulary: Int = 61, seed: UInt64 = 5) -> [TrainingExample] {
  var generator = SeededGenerator(seed: seed)
  return lengths.map { length in
    TrainingExample(
      ids: (0..<length).map { _ in Int32(generator.below(vocabulary)) },
      isTarget: (0..<length).map { $0 == 1 || generator.below(3) > 0 })
  }
}

/// Several examples as segments of one.
func packed(_ examples: [TrainingExample]) -> TrainingExample {
  var result = TrainingExample(ids: [], isTarget: [], segmentStarts: [])
  for example in examples {
    result.segmentStarts.append(result.ids.count)
    result.ids += example.ids
    result.isTarget += example.isTarget
  }
  return result
}

/// One training step run on the CPU, with everything a test looks at.
struct StepRun {
  let loss: Double
  let norm: Double
  /// By weight name.
  let gradients: [String: [Float]]
  /// Those that are trained.
  let weights: [String: [Float]]
}

/// Runs one step over micro-batches of examples.
func runStep(
  _ config: ModelConfig, _ batches: [[TrainingExample]], options: StepOptions = StepOptions(),
  weights: (any WeightSource)? = nil, change: (Program) -> Program = { $0 }, rate: Double = 1e-2, threads: Int = 2
) throws -> StepRun {
  let micro = try batches.map { try MicroBatch($0, vocabularySize: config.vocabularySize) }
  var step = config.trainingStep(
    shape: TrainingShape(microBatchTokens: micro.map(\.ids.count)), options: options)
  step.program = change(step.program)
  let backend = CPUBackend(threads: threads)
  let plan = MemoryPlan(step.program)
  let loaded = try backend.load(step.program, plan: plan, in: backend.makeArena(bytes: plan.arenaBytes))
  step.rotary.write(into: loaded)
  let source = weights ?? LivelyWeights(config: config)
  try loaded.loadWeights(from: source, into: step.weights)
  try loaded.loadQuantised(from: source, into: step.parameters.quantised)
  if let adapter = options.adapter {
    try loaded.loadWeights(from: LivelyAdapters(config: config, options: adapter), into: step.trained)
  }
  loaded.write(micro.flatMap(\.ids), to: step.inputs.ids)
  loaded.write(micro.flatMap(\.targets), to: step.inputs.targets)
  loaded.write(micro.flatMap(\.positions), to: step.inputs.positions)
  loaded.write(micro.flatMap(\.segments), to: step.inputs.segments)
  let targets = micro.reduce(0) { $0 + $1.targetCount }
  try loaded.run(StepScalars(learningRate: rate, step: 1, inverseTargetCount: 1 / Double(targets)))
  func values(_ slots: [WeightSlot]) throws -> [String: [Float]] {
    Dictionary(uniqueKeysWithValues: try slots.map { ($0.name, try loaded.values(of: $0)) })
  }
  return StepRun(
    loss: loaded.read(step.loss, as: Double.self, initial: 0)[0],
    norm: loaded.read(step.norm, as: Double.self, initial: 0)[0], gradients: try values(step.gradients),
    weights: try values(step.trained))
}

/// |a - b| over the larger norm of the two.
func relativeDifference(_ a: [Float], _ b: [Float]) -> Double {
  var difference = 0.0
  var size = 0.0
  for (x, y) in zip(a, b) {
    difference += pow(Double(x) - Double(y), 2)
    size += pow(Double(x), 2) + pow(Double(y), 2)
  }
  return size == 0 ? 0 : (2 * difference / size).squareRoot()
}

/// A folder of its own that goes away with the value.
final class TemporaryFolder {
  let path: FilePath

  init() throws {
    path = FilePath(NSTemporaryDirectory()).appending("fettle-training-\(UUID().uuidString)")
    try Files.makeFolder(path)
  }

  deinit { try? Files.removeTree(path) }
}

/// All weights of a trainer, as bytes.
func weightBytes(_ trainer: Trainer) throws -> [UInt8] {
  let source = trainer.trainedWeights
  var bytes: [UInt8] = []
  for name in source.names {
    var values = [Float](repeating: 0, count: (source.shape(of: name) ?? []).reduce(1, *))
    try unsafe values.withUnsafeMutableBufferPointer { unsafe try source.read(name, rows: nil, into: $0) }
    unsafe values.withUnsafeBytes { unsafe bytes += Array($0) }
  }
  return bytes
}
