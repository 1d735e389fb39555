import Models
import Tensors
import Testing
import Training

@Suite struct MemoryPlanTests {
  /// Every pair of tensors that are alive at the same time and share a byte.
  private func collisions(_ program: Program, _ plan: MemoryPlan) -> [String] {
    let end = program.instructions.count - 1
    let places = program.tensors.indices.compactMap { index -> (Int, ClosedRange<Int>, Range<Int>)? in
      let spec = program.tensors[index]
      guard let life = spec.role.isPersistent ? 0...end : plan.lifetimes[index], spec.bytes > 0 else { return nil }
      return (index, life, plan.offsets[index]..<plan.offsets[index] + spec.bytes)
    }.sorted { $0.2.lowerBound < $1.2.lowerBound }
    var found: [String] = []
    for (place, a) in places.enumerated() {
      for b in places[(place + 1)...] {
        if b.2.lowerBound >= a.2.upperBound { break }
        if a.1.overlaps(b.1) { found.append("\(program.tensors[a.0].name) and \(program.tensors[b.0].name)") }
      }
    }
    return found
  }

  @Test(arguments: [RecomputePass.Mode.none, .selective, .block])
  func `no two live tensors overlap`(mode: RecomputePass.Mode) {
    let config = tinyConfig(tied: false, bias: true)
    for shape in [[17], [64, 8, 120], [40, 40, 40, 40]] {
      let step = config.trainingStep(shape: TrainingShape(microBatchTokens: shape), options: StepOptions())
      let program = RecomputePass(mode, blocks: config.layerCount).apply(step.program)
      let plan = MemoryPlan(program)
      #expect(collisions(program, plan).isEmpty)
      #expect(zip(plan.offsets, program.tensors).allSatisfy { $0 + $1.bytes <= plan.arenaBytes })
    }
  }

  @Test func `inference programs have no overlaps either`() {
    let config = tinyConfig()
    for program in [
      config.scoringPass(tokens: 33, scoredRows: 9).program,
      config.generationPass(tokens: 12, rows: 3, slots: 4, length: 20).program,
    ] {
      #expect(collisions(program, MemoryPlan(program)).isEmpty)
    }
  }

  @Test func `micro-batches share their memory`() {
    let config = tinyConfig()
    func arena(_ count: Int) -> Int {
      let shape = TrainingShape(tokens: 128, microBatches: count)
      return MemoryPlan(config.trainingStep(shape: shape, options: StepOptions()).program).arenaBytes
    }
    // A further micro-batch adds its inputs and the waiting gradient of its embedded rows.
    let waiting = 128 * config.hiddenSize * 4
    #expect(arena(8) - arena(4) <= 4 * (waiting + 4 * 128 * 4 + 512))
  }

  @Test func `programs of one model agree on the places of what they share`() {
    let config = tinyConfig(tied: false)
    func places(_ program: Program) -> [Int] {
      let plan = MemoryPlan(program)
      return program.tensors.indices.filter {
        [.weight, .gradient, .state, .constant].contains(program.tensors[$0].role)
      }.map { plan.offsets[$0] }
    }
    let step = config.trainingStep(shape: TrainingShape(tokens: 40), options: StepOptions()).program
    let longer = config.trainingStep(shape: TrainingShape(tokens: 90, microBatches: 3), options: StepOptions()).program
    #expect(places(step) == places(longer))
    #expect(places(step) == places(config.lossPass(tokens: 77).program))
    let prompt = config.generationPass(tokens: 64, rows: 1, slots: 2, length: 80).program
    let decode = config.generationPass(tokens: 2, rows: 2, slots: 2, length: 80).program
    #expect(places(prompt) == places(decode))
    #expect(places(prompt) == places(config.scoringPass(tokens: 20, scoredRows: 3).program))
  }

  @Test func `the plan of the longest batch serves shorter ones and no others`() {
    let config = tinyConfig()
    func program(_ shape: [Int]) -> Program {
      config.trainingStep(shape: TrainingShape(microBatchTokens: shape), options: StepOptions()).program
    }
    let bound = program([64, 64])
    let plan = MemoryPlan(bound)
    #expect(plan.serves(program([8, 64]), planned: bound))
    #expect(!plan.serves(program([8, 72]), planned: bound))
    #expect(!plan.serves(program([64]), planned: bound))
  }

  @Test func `a plan of a real model's accumulation is quick and close to its largest moment`() {
    let config = ModelPreset.m135.config()
    let shape = TrainingShape(tokens: 512, microBatches: 16, positions: 512)
    let program = config.trainingStep(shape: shape, options: StepOptions()).program
    let plan = MemoryPlan(program)
    var change = [Int](repeating: 0, count: program.instructions.count + 1)
    var persistent = 0
    for (index, spec) in program.tensors.enumerated() {
      let bytes = MemoryPlan.room(for: spec)
      guard let life = plan.lifetimes[index] else {
        persistent += spec.role.isPersistent ? bytes : 0
        continue
      }
      change[life.lowerBound] += bytes
      change[life.upperBound + 1] -= bytes
    }
    var alive = 0
    let least = change.reduce(0) { peak, delta in
      alive += delta
      return max(peak, alive)
    }
    #expect(plan.arenaBytes - persistent <= least * 108 / 100)
  }
}
