import Models
import Testing
import Training

@Suite struct PlanSearchTests {
  let config = ModelPreset.nano.config(vocabularySize: 300)
  let data = ExampleList(randomExamples([512, 512, 512, 512], vocabulary: 300))

  func plan(
    budget: Int?, checkpointing: TrainerOptions.Checkpointing = .auto
  ) throws(TrainingError) -> TrainingPlan {
    var options = TrainerOptions()
    options.accumulationSteps = 2
    options.memoryBudget = budget
    options.gradientCheckpointing = checkpointing
    return try TrainingPlan(config: config, data: data, options: options)
  }

  @Test func `without a budget nothing is recomputed`() throws {
    let plan = try plan(budget: nil)
    #expect(plan.recompute.modes.allSatisfy { $0 == .none } && plan.slowdown == 1)
  }

  @Test func `a smaller budget recomputes more and is kept`() throws {
    let most = try plan(budget: nil)
    let least = try plan(budget: nil, checkpointing: .on)
    var slowdown = 1.0
    for part in 0...4 {
      let budget = most.predictedPeak - (most.predictedPeak - least.predictedPeak) * part / 4
      let fitting = try plan(budget: budget)
      #expect(fitting.predictedPeak <= budget)
      #expect(fitting.slowdown >= slowdown)
      slowdown = fitting.slowdown
    }
    #expect(slowdown > 1)
  }

  @Test func `a budget too small for any plan is refused with the smallest that would do`() throws {
    let error = #expect(throws: TrainingError.self) { try plan(budget: 1 << 20) }
    let remedy = try #require(error?.problem.remedy)
    let digits = try #require(remedy.firstMatch(of: /would do is (\d+)MiB/)).1
    let smallest = try #require(Int(digits)) << 20
    #expect(try plan(budget: smallest).predictedPeak <= smallest)
    #expect(throws: TrainingError.self) { try plan(budget: smallest - (1 << 20)) }
  }

  @Test func `options that are set by hand are honoured, and checked against the budget`() throws {
    let least = try plan(budget: nil, checkpointing: .on)
    let kept = try plan(budget: least.predictedPeak, checkpointing: .off)
    #expect(kept.recompute.modes.allSatisfy { $0 == .none } && kept.predictedPeak <= least.predictedPeak)
    var options = TrainerOptions()
    options.gradientCheckpointing = .off
    options.activationOffloading = .off
    options.memoryBudget = kept.predictedPeak / 2
    let error = #expect(throws: TrainingError.self) {
      try TrainingPlan(config: config, data: data, options: options)
    }
    #expect(error?.problem.remedy?.contains("gradient_checkpointing: auto") == true)
  }

  @Test func `a plan tells the next faster one and what it would need`() throws {
    let most = try plan(budget: nil)
    let fitting = try plan(budget: most.predictedPeak * 3 / 4)
    let faster = try #require(fitting.faster)
    #expect(faster.bytes > most.predictedPeak * 3 / 4)
    #expect(faster.estimate.seconds < fitting.candidate.estimate.seconds)
  }

  @Test func `without a page tier plans do with recomputation alone`() throws {
    let most = try plan(budget: nil)
    var options = TrainerOptions()
    options.accumulationSteps = 2
    options.memoryBudget = most.predictedPeak * 9 / 10
    let rates = MachineRates(products: 1e11, memory: 1e10, reads: 0, writes: 0)
    let plan = try TrainingPlan(config: config, data: data, options: options, rates: rates)
    #expect(!plan.passes.usesPages && plan.recompute.modes.contains { $0 != .none })
  }

  @Test func `a fast disk is used where recomputation would cost more, a slow one is not`() throws {
    let most = try plan(budget: nil)
    var options = TrainerOptions()
    options.accumulationSteps = 2
    options.memoryBudget = most.predictedPeak * 9 / 10
    func passes(disk: Double) throws -> TrainingPasses {
      let rates = MachineRates(products: 1e11, memory: 1e10, reads: disk, writes: disk)
      return try TrainingPlan(config: config, data: data, options: options, rates: rates).passes
    }
    #expect(try passes(disk: 1e10).usesPages)
    #expect(try !passes(disk: 1e6).usesPages)
  }

  @Test func `the table adds up to the predicted peak`() throws {
    let plan = try plan(budget: nil)
    #expect(plan.memory.rows.reduce(0) { $0 + $1.bytes } == plan.predictedPeak)
    #expect(plan.memory.rows.first { $0.group == "weights" }?.bytes ?? 0 >= config.parameterCount * 4)
  }
}
