import Basics
import Models
import Tensors
import Testing
import Training

@Suite struct AdapterTests {
  static let moduleSets: [Set<AdapterOptions.Module>] = [
    Set(AdapterOptions.Module.allCases), [.query, .value], [.key, .down], [.output], [.up], [.gate, .value], [.down],
  ]

  @Test(arguments: moduleSets, [false, true])
  func `gradients of adapters are the slopes of the loss`(
    modules: Set<AdapterOptions.Module>, stabilised: Bool
  ) throws {
    let config = tinyConfig(vocabulary: 23, layers: 2, bias: stabilised)
    let examples = randomExamples([6, 9], vocabulary: 23)
    let options = adapterStep(modules: modules, stabilised: stabilised)
    let adapter = try #require(options.adapter)
    let run = try runStep(config, [examples], options: options)
    var reference = ReferenceDecoder(
      config, LivelyWeights(config: config), adapter: adapter,
      adapters: LivelyAdapters(config: config, options: adapter))
    #expect(abs(run.loss - reference.loss(examples)) < 1e-5 * run.loss)
    let parameters = config.adapterParameters(adapter)
    #expect(Set(run.gradients.keys) == Set(parameters.map(\.name)))
    var generator = SeededGenerator(seed: 3)
    for parameter in parameters {
      let gradient = try #require(run.gradients[parameter.name])
      for _ in 0..<2 {
        let index = generator.below(parameter.count)
        let slope = reference.slope(of: parameter.name, at: index, examples)
        #expect(abs(Double(gradient[index]) - slope) <= 2e-4 * abs(slope) + 2e-6, "\(parameter.name) \(index)")
      }
    }
  }

  @Test func `accumulation of adapters' gradients changes nothing but the order of sums`() throws {
    let config = tinyConfig()
    let rows = randomExamples([3, 50, 7, 20])
    let whole = try runStep(config, [rows], options: adapterStep())
    let parts = try runStep(config, rows.map { [$0] }, options: adapterStep())
    for (name, gradient) in parts.gradients {
      #expect(relativeDifference(gradient, whole.gradients[name] ?? []) < 1e-5, "\(name)")
    }
  }

  @Test func `frozen weights have no gradients, no states and no products for them`() throws {
    let config = ModelPreset.nano.config(vocabularySize: 300)
    let shape = TrainingShape(tokens: 64)
    let options = adapterStep(rank: 4, modules: [.query, .value])
    let step = config.trainingStep(shape: shape, options: options)
    let bytes = Dictionary(
      uniqueKeysWithValues: MemoryPlan(step.program).bytesByRole(step.program).map { ($0.role, $0.bytes) })
    let adapters = config.adapterParameters(try #require(options.adapter)).reduce(0) { $0 + $1.count }
    let padding = MemoryPlan.alignment * 2 * config.layerCount
    #expect(bytes[.gradient, default: 0] <= adapters * 4 + padding)
    #expect(bytes[.state, default: 0] <= adapters * 8 + 2 * padding + MemoryPlan.alignment)
    let frozen = Set(step.weights.map(\.view.tensor))
    for instruction in step.program.instructions {
      #expect(!instruction.operation.writes.contains { frozen.contains($0.tensor) })
      if case .embedBackward = instruction.operation { Issue.record("the embedding's gradient is made") }
    }
    // Backward products: per block those of x, but none in the first below q, k and v.
    let full = config.trainingStep(shape: shape, options: StepOptions())
    func products(_ program: Program) -> Int {
      program.instructions.count {
        guard case .gemm(let a, _, let b, _, let c, _, _) = $0.operation, $0.phase == .backward else { return false }
        // Products with an adapter's ranks are not counted.
        return ![a, b, c].contains { min($0.rows, $0.columns) <= 8 }
      }
    }
    #expect(products(full.program) == 8 * config.layerCount)
    #expect(products(step.program) == 4 * config.layerCount - 1)
  }

  @Test(arguments: [RecomputePass.Mode.selective, .block], [0, 0.3])
  func `recomputation changes no bit of adapters' training`(mode: RecomputePass.Mode, dropout: Double) throws {
    let config = tinyConfig(bias: true)
    let batches = randomExamples([60, 33, 90]).map { [$0] }
    let options = adapterStep(dropout: dropout)
    let plain = try runStep(config, batches, options: options)
    let pass = RecomputePass(mode, blocks: config.layerCount)
    let repeated = try runStep(config, batches, options: options, change: pass.apply)
    #expect(plain.loss == repeated.loss)
    #expect(plain.norm == repeated.norm)
    #expect(plain.gradients == repeated.gradients)
    #expect(plain.weights == repeated.weights)
  }

  @Test func `adapters begin as PEFT's do: A uniform within the root of its columns, B zero`() throws {
    let config = ModelPreset.nano.config(vocabularySize: 300)
    let options = AdapterOptions(rank: 8, alpha: 16)
    let source = InitialAdapters(config: config, options: options, seed: 7)
    for parameter in config.adapterParameters(options) {
      var values = [Float](repeating: 1, count: parameter.count)
      try unsafe values.withUnsafeMutableBufferPointer {
        unsafe try source.read(parameter.name, rows: nil, into: $0)
      }
      guard parameter.name.hasSuffix("lora_A.weight") else {
        #expect(values.allSatisfy { $0 == 0 })
        continue
      }
      let bound = 1 / Double(parameter.columns).squareRoot()
      #expect(values.allSatisfy { abs(Double($0)) <= bound })
      let mean = values.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(values.count)
      // The variance of a uniform number is a third of its bound's square.
      #expect(abs(mean / (bound * bound / 3) - 1) < 0.15, "\(parameter.name)")
      var row = [Float](repeating: 0, count: parameter.columns)
      try unsafe row.withUnsafeMutableBufferPointer {
        unsafe try source.read(parameter.name, rows: 3..<4, into: $0)
      }
      #expect(row == Array(values[3 * parameter.columns..<4 * parameter.columns]))
    }
  }
}
