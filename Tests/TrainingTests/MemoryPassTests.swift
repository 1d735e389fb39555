import Basics
import CPUBackend
import Foundation
import Models
import Testing
import Training

/// Every memory technique, alone and with others, gives the training that no technique gives, in bits.
@Suite struct MemoryPassTests {
  static let config = ModelConfig(
    hiddenSize: 64, layerCount: 4, headCount: 4, keyValueHeadCount: 2, intermediateSize: 112, vocabularySize: 211,
    maxPositionEmbeddings: 256, tieWordEmbeddings: true)
  static let blocks = config.layerCount

  struct Row: CustomTestStringConvertible {
    let name: String
    let passes: TrainingPasses
    var testDescription: String { name }
  }

  static func passes(_ change: (inout TrainingPasses) -> Void) -> TrainingPasses {
    var passes = TrainingPasses(recompute: RecomputePass(.none, blocks: blocks))
    passes.sliceElements = 4096
    passes.lookahead = 64 << 10
    change(&passes)
    return passes
  }

  static let alone: [Row] = [
    Row(name: "recompute-selective", passes: passes { $0.recompute = RecomputePass(.selective, blocks: blocks) }),
    Row(name: "recompute-block", passes: passes { $0.recompute = RecomputePass(.block, blocks: blocks) }),
    Row(name: "layer-order", passes: passes { $0.order = .layerByLayer }),
    Row(name: "offload", passes: passes { $0.offloadedBlocks = blocks }),
    Row(name: "paged-states", passes: passes { $0.pagedStates = blocks + 1 }),
    Row(name: "streamed-gradients", passes: passes { $0.streamedGradients = blocks + 1 }),
    Row(name: "streamed-weights", passes: passes { $0.streamedWeights = blocks + 1 }),
    Row(name: "deferred-updates", passes: passes { $0.isDeferred = true }),
    Row(name: "all", passes: everything),
  ]

  static let everything = passes {
    $0.order = .layerByLayer
    $0.recompute = RecomputePass(.block, blocks: blocks)
    $0.offloadedBlocks = blocks
    $0.pagedStates = blocks + 1
    $0.streamedGradients = blocks + 1
    $0.streamedWeights = blocks + 1
    $0.isDeferred = true
  }

  /// Combinations by chance, the same ones every time.
  static let mixed: [Row] = {
    var generator = SeededGenerator(seed: 20)
    return (0..<18).map { number in
      let row = passes { passes in
        passes.order = generator.below(2) == 0 ? .batchByBatch : .layerByLayer
        passes.recompute = RecomputePass(
          modes: (0..<blocks).map { _ in RecomputePass.Mode.allCases[generator.below(3)] })
        passes.offloadedBlocks = generator.below(blocks + 1)
        passes.pagedStates = generator.below(blocks + 2)
        passes.streamedGradients = generator.below(blocks + 2)
        passes.streamedWeights = generator.below(blocks + 2)
        passes.isDeferred = generator.below(2) == 0
        passes.lookahead = [0, 20_000, 300_000][generator.below(3)]
        passes.sliceElements = [1024, 4096, 1 << 19][generator.below(3)]
      }
      return Row(name: "mixed-\(number)", passes: row)
    }
  }()

  struct Course: Equatable {
    let losses: [Double]
    let norms: [Double]
    let evalLoss: Double?
    /// Digest of all weights.
    let weights: String
  }

  static func course(
    _ passes: TrainingPasses?, accumulation: Int, isPacked: Bool, folder: FilePath,
    change: (inout TrainerOptions) -> Void = { _ in }
  ) throws -> Course {
    var examples = randomExamples([60, 33, 90, 12, 41, 77, 25, 8, 66, 50, 19, 31], vocabulary: 211, seed: 3)
    if isPacked { examples = stride(from: 0, to: 12, by: 3).map { packed(Array(examples[$0..<$0 + 3])) } }
    let data = ExampleList(examples)
    let validation = ExampleList(randomExamples([30, 9], vocabulary: 211, seed: 4))
    var options = TrainerOptions()
    options.learningRate = 3e-3
    options.weightDecay = 0.1
    options.maxGradNorm = 0.5
    options.accumulationSteps = accumulation
    options.maxSteps = 10
    options.evalSteps = 4
    options.passes = passes
    options.pageFolder = folder
    change(&options)
    let plan = try TrainingPlan(config: config, data: data, validation: validation, options: options)
    let trainer = try Trainer(
      plan: plan, weights: LivelyWeights(config: config), data: data, validation: validation,
      backend: CPUBackend(threads: 2))
    let report = try trainer.run()
    return Course(
      losses: report.rows.map(\.loss), norms: report.rows.map(\.gradientNorm), evalLoss: report.evalLoss,
      weights: Digest(of: try weightBytes(trainer)).hex)
  }

  /// Without any technique, by twice the accumulation and whether it is packed.
  static let plain: [Int: Course] = {
    var result: [Int: Course] = [:]
    guard let folder = try? DiskFolder() else { return result }
    for (accumulation, isPacked) in [(1, false), (4, false), (4, true)] {
      result[accumulation * 2 + (isPacked ? 1 : 0)] = try? course(
        nil, accumulation: accumulation, isPacked: isPacked, folder: folder.path)
    }
    return result
  }()

  /// Micro-batches of a step, and whether they hold several segments.
  struct Shape: Sendable {
    let accumulation: Int
    let isPacked: Bool
  }

  static let shapes = [(1, false), (4, false), (4, true)].map { Shape(accumulation: $0.0, isPacked: $0.1) }

  @Test(arguments: alone, shapes)
  func `a technique changes no bit`(row: Row, shape: Shape) throws { try Self.compare(row, shape) }

  @Test(arguments: mixed.indices)
  func `techniques by chance change no bit`(number: Int) throws {
    try Self.compare(Self.mixed[number], Self.shapes[number % Self.shapes.count])
  }

  private static func compare(_ row: Row, _ shape: Shape) throws {
    let folder = try DiskFolder()
    let plain = try #require(plain[shape.accumulation * 2 + (shape.isPacked ? 1 : 0)])
    let passed = try course(
      row.passes, accumulation: shape.accumulation, isPacked: shape.isPacked, folder: folder.path)
    #expect(passed.losses == plain.losses, "\(row.name)")
    #expect(passed.norms == plain.norms, "\(row.name)")
    #expect(passed.evalLoss == plain.evalLoss, "\(row.name)")
    #expect(passed.weights == plain.weights, "\(row.name)")
  }
}

extension MemoryPassTests {
  /// A training with every technique, its checkpoints beside it.
  private static func trainer(_ folder: DiskFolder, checkpoints: FilePath?) throws -> Trainer {
    let data = ExampleList(randomExamples([60, 33, 90, 12, 41, 77], vocabulary: 211, seed: 3))
    var options = TrainerOptions()
    options.accumulationSteps = 2
    options.maxSteps = 8
    options.saveSteps = 3
    options.passes = everything
    options.pageFolder = folder.path
    let plan = try TrainingPlan(config: config, data: data, options: options)
    return try Trainer(
      plan: plan, weights: LivelyWeights(config: config), data: data, backend: CPUBackend(threads: 2),
      checkpoints: checkpoints)
  }

  @Test func `a training whose page file is cut stops, and goes on from its checkpoint to the same bits`() throws {
    let folder = try DiskFolder()
    let whole = try Self.trainer(folder, checkpoints: nil)
    _ = try whole.run()
    let saved = folder.path.appending("checkpoints")
    let cutFolder = try DiskFolder()
    let cut = try Self.trainer(cutFolder, checkpoints: saved)
    let error = #expect(throws: TrainingError.self) {
      try cut.run(progress: { event in
        if event.unit == "step", event.done == 4 { cutFolder.cutPageFiles() }
        return .goOn
      })
    }
    #expect(error?.problem.what.contains("page file was cut") == true)
    let again = try Self.trainer(folder, checkpoints: saved)
    let report = try again.run()
    #expect(report.resumedFrom == 3 && report.steps == 8)
    #expect(Digest(of: try weightBytes(again)) == Digest(of: try weightBytes(whole)))
  }

  @Test func `a stop between an update and its making resumes in the same bits`() throws {
    let folder = try DiskFolder()
    let whole = try Self.trainer(folder, checkpoints: nil)
    _ = try whole.run()
    let saved = folder.path.appending("checkpoints")
    let stop = StopAfter(5)
    let first = try Self.trainer(folder, checkpoints: saved)
    #expect(try first.run(progress: { _ in stop.reply() }).interrupted)
    let second = try Self.trainer(folder, checkpoints: saved)
    #expect(try second.run().resumedFrom == 5)
    #expect(Digest(of: try weightBytes(second)) == Digest(of: try weightBytes(whole)))
  }
}

/// A folder of its own on the disk that this package lies on: temporary folders may be in memory.
final class DiskFolder: Sendable {
  let path: FilePath

  init() throws {
    path = FilePath(FileManager.default.currentDirectoryPath).appending(".build/pages-\(UUID().uuidString)")
    try Files.makeFolder(path)
  }

  deinit { try? Files.removeTree(path) }

  /// Empties this process's nameless files in the folder, as another program could.
  func cutPageFiles() {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [] {
      let place = "/proc/self/fd/\(name)"
      guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: place),
        target.contains(path.display), target.hasSuffix("(deleted)")
      else { continue }
      unsafe truncate(place, 0)
    }
  }
}
