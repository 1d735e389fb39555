import Basics
import CPUBackend
import Models
import Tensors
import Testing

@Suite struct DecoderProgramTests {
  let config = ModelConfig(
    hiddenSize: 24, layerCount: 2, headCount: 4, keyValueHeadCount: 2, headDimension: 8, intermediateSize: 40,
    vocabularySize: 37, maxPositionEmbeddings: 64, attentionBias: true, attentionOutputBias: true, mlpBias: true)
  let ids: [Int32] = [3, 36, 0, 17, 9, 9, 21, 5, 30, 12, 7]

  private func load(
    _ program: Program, _ slots: [WeightSlot], _ rotary: RotaryTensors, _ source: some WeightSource
  ) throws -> any LoadedProgram {
    let backend = CPUBackend(threads: 2)
    let plan = MemoryPlan(program)
    let loaded = try backend.load(program, plan: plan, in: backend.makeArena(bytes: plan.arenaBytes))
    rotary.write(into: loaded)
    try loaded.loadWeights(from: source, into: slots)
    return loaded
  }

  /// Log-probabilities, best ids and logits of every token but the last.
  private func score(keepLogits: Bool) throws -> (sums: [Double], best: [Int32], logits: [Float]) {
    let pass = config.scoringPass(tokens: ids.count, scoredRows: ids.count - 1, keepLogits: keepLogits)
    let loaded = try load(pass.program, pass.weights, pass.rotary, PresetWeights(config: config, seed: 4))
    loaded.write(ids, to: pass.ids)
    loaded.write((0..<ids.count).map(Int32.init), to: pass.positions)
    loaded.write([Int32](repeating: 0, count: ids.count), to: pass.segments)
    loaded.write((0..<ids.count - 1).map(Int32.init), to: pass.rows)
    loaded.write(Array(ids.dropFirst()), to: pass.targets)
    try loaded.run(StepScalars())
    return (
      loaded.read(pass.logProbability, as: Double.self, initial: 0), loaded.read(pass.best, as: Int32.self, initial: 0),
      pass.logits.map { loaded.read($0, as: Float.self, initial: 0) } ?? []
    )
  }

  @Test func `the training loss is the mean of the scores`() throws {
    let pass = config.lossPass(tokens: ids.count)
    let loaded = try load(pass.program, pass.weights, pass.rotary, PresetWeights(config: config, seed: 4))
    loaded.write(ids, to: pass.inputs.ids)
    loaded.write(Array(ids.dropFirst()) + [-100], to: pass.inputs.targets)
    loaded.write((0..<ids.count).map(Int32.init), to: pass.inputs.positions)
    loaded.write([Int32](repeating: 0, count: ids.count), to: pass.inputs.segments)
    try loaded.run(StepScalars(inverseTargetCount: 1 / Double(ids.count - 1)))
    let loss = loaded.read(pass.loss, as: Double.self, initial: 0)[0]
    let scores = try score(keepLogits: false).sums
    #expect(abs(loss + scores.reduce(0, +) / Double(scores.count)) < 1e-6)
  }

  @Test func `keeping the logits changes no score`() throws {
    let kept = try score(keepLogits: true)
    let scored = try score(keepLogits: false)
    #expect(kept.sums == scored.sums && kept.best == scored.best)
    #expect(kept.logits.count == (ids.count - 1) * config.vocabularySize)
  }

  @Test func `generation from caches gives the logits of a whole pass`() throws {
    let expected = try score(keepLogits: true).logits
    let prompt = config.generationPass(tokens: 6, rows: 1, slots: 2, length: 16)
    let decode = config.generationPass(tokens: 2, rows: 2, slots: 2, length: 16)
    let backend = CPUBackend(threads: 2)
    let plans = [MemoryPlan(prompt.program), MemoryPlan(decode.program)]
    let arena = try backend.makeArena(bytes: plans.map(\.arenaBytes).max() ?? 0)
    let first = try backend.load(prompt.program, plan: plans[0], in: arena)
    let next = try backend.load(decode.program, plan: plans[1], in: arena)
    prompt.rotary.write(into: first)
    try first.loadWeights(from: PresetWeights(config: config, seed: 4), into: prompt.weights)
    // Five tokens of slot 1 and one of padding, then one token at a time beside an idle slot.
    first.write(Array(ids[..<5]) + [0], to: prompt.ids)
    first.write([0, 1, 2, 3, 4, 0] as [Int32], to: prompt.positions)
    first.write([Int32](repeating: 1, count: 5) + [-1], to: prompt.slots)
    first.write([Int32(4)], to: prompt.rows)
    first.write([Int32(-100)], to: prompt.targets)
    try first.run(StepScalars())
    compare(first.read(prompt.logits, as: Float.self, initial: 0)[...], expected, row: 4)
    for place in 5..<ids.count - 1 {
      next.write([0, ids[place]], to: decode.ids)
      next.write([0, Int32(place)], to: decode.positions)
      next.write([Int32(-1), 1], to: decode.slots)
      next.write([Int32(-1), 1], to: decode.rows)
      next.write([Int32(-100), -100], to: decode.targets)
      try next.run(StepScalars())
      let logits = next.read(decode.logits, as: Float.self, initial: 0)
      compare(logits[config.vocabularySize...], expected, row: place)
    }
  }

  private func compare(_ logits: ArraySlice<Float>, _ expected: [Float], row: Int) {
    let start = row * config.vocabularySize
    for (a, b) in zip(logits, expected[start..<start + config.vocabularySize]) {
      #expect(abs(a - b) < 1e-5, "row \(row)")
    }
  }

  @Test func `every weight is found again under its name`() throws {
    let step = config.trainingStep(shape: TrainingShape(tokens: 8), options: StepOptions())
    #expect(step.weights.map(\.name) == config.parameters.map(\.name))
    #expect(step.weights.map(\.shape) == config.parameters.map(\.shape))
    let source = PresetWeights(config: config, seed: 9)
    let loaded = try load(step.program, step.weights, step.rotary, source)
    for slot in step.weights {
      var values = [Float](repeating: 0, count: slot.view.count)
      try unsafe values.withUnsafeMutableBufferPointer { unsafe try source.read(slot.name, rows: nil, into: $0) }
      #expect(try loaded.values(of: slot) == values, "\(slot.name)")
    }
  }

  @Test func `a source of another shape is refused before anything is read`() throws {
    var other = config
    other.intermediateSize = 32
    let pass = config.lossPass(tokens: 8)
    #expect(throws: ModelError.self) {
      _ = try load(pass.program, pass.weights, pass.rotary, PresetWeights(config: other, seed: 1))
    }
  }
}
