import Models
import Testing
import Training

/// Planning for a card whose numbers are given: no card is needed.
@Suite struct `A plan for a card` {
  private let config = ModelPreset.nano.config(vocabularySize: 300)
  private let data = ExampleList(randomExamples([512, 512], vocabulary: 300))
  /// What an H100's context, libraries and kernels take.
  private let outside = 700 << 20

  private func plan(budget: Int?, precision: Precision = .f32) throws(TrainingError) -> TrainingPlan {
    var options = TrainerOptions()
    options.memoryBudget = budget
    options.precision = precision
    return try TrainingPlan(config: config, data: data, options: options, overhead: .ofCard(outside: outside))
  }

  @Test func `counts what the card's memory holds beside the arena`() throws {
    let plan = try plan(budget: nil)
    let beside = plan.predictedPeak - plan.arenaBytes
    // Beside it are the measured bytes and the examples' own few.
    #expect(beside >= outside && beside < outside + (4 << 20))
  }

  @Test func `is refused by a card that is too full, with the memory that would do`() throws {
    let error = #expect(throws: TrainingError.self) { try plan(budget: outside) }
    #expect(error?.problem.remedy?.contains("would do is") == true)
  }

  @Test func `recomputes where the card is too small to keep everything`() throws {
    let roomy = try plan(budget: 80 << 30)
    #expect(roomy.recompute.modes.allSatisfy { $0 == .none })
    let tight = try plan(budget: roomy.predictedPeak - roomy.arenaBytes / 8)
    #expect(tight.predictedPeak <= roomy.predictedPeak - roomy.arenaBytes / 8)
    #expect(tight.slowdown > 1)
  }

  @Test func `in bf16 takes little more than half`() throws {
    let full = try plan(budget: nil).arenaBytes
    let half = try plan(budget: nil, precision: .bf16).arenaBytes
    #expect(half < full * 6 / 10 && half > full * 4 / 10)
  }
}
