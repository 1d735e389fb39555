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

  @Test func `gradient_checkpointing false is honoured`() throws {
    let least = try plan(budget: nil, checkpointing: .on)
    #expect(throws: TrainingError.self) { try plan(budget: least.predictedPeak, checkpointing: .off) }
  }

  @Test func `the table adds up to the predicted peak`() throws {
    let plan = try plan(budget: nil)
    #expect(plan.memory.rows.reduce(0) { $0 + $1.bytes } == plan.predictedPeak)
    #expect(plan.memory.rows.first { $0.group == "weights" }?.bytes ?? 0 >= config.parameterCount * 4)
  }
}
