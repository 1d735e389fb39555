import CPUBackend
import Models
import Synchronization
import Testing
import Training

@Suite struct RehearsalTests {
  let config = tinyConfig()
  let data = ExampleList(randomExamples([30, 12, 90, 44, 8, 71], seed: 4))

  func rung(_ length: Int, steps: Int = 3, batches: RehearsalRung.Batches = .first) -> RehearsalRung {
    RehearsalRung(
      name: "tiny", config: config, weights: LivelyWeights(config: config), data: data, maxSequenceLength: length,
      steps: steps, batches: batches)
  }

  @Test func `rungs run real updates of the lengths they name`() throws {
    let results = try Rehearsal.run(
      [rung(16), rung(128, batches: .longest)], options: TrainerOptions(), backend: CPUBackend(threads: 2))
    #expect(results.map(\.tokens) == [[16, 16, 16], [96, 72, 48]])
    #expect(results.allSatisfy { $0.seconds.allSatisfy { $0 > 0 } && $0.losses.allSatisfy(\.isFinite) })
    #expect(results.allSatisfy { $0.measuredPeak > 0 })
  }

  @Test func `a step takes as many examples as the training's batch`() throws {
    var options = TrainerOptions()
    options.batchSize = 4
    options.accumulationSteps = 8
    let results = try Rehearsal.run([rung(128, steps: 2)], options: options, backend: CPUBackend(threads: 2))
    #expect(results[0].tokens == [176, 128])
  }

  @Test(arguments: [1, 2, 3, 4, 5])
  func `a rehearsal that is stopped before its last step gives no results`(stop: Int) throws {
    let steps = Mutex(0)
    let error = #expect(throws: TrainingError.self) {
      try Rehearsal.run(
        [rung(16), rung(32)], options: TrainerOptions(), backend: CPUBackend(threads: 2),
        progress: { event in
          steps.withLock { steps in
            if event.unit == "step" { steps += 1 }
            return steps >= stop ? .stop : .goOn
          }
        })
    }
    #expect(error?.isStop == true && steps.withLock { $0 } == stop)
  }

  @Test func `an example whose targets lie late is cut to end with them`() throws {
    let late = TrainingExample(
      ids: (0..<40).map { Int32($0) }, isTarget: (0..<40).map { $0 == 35 }, segmentStarts: [0, 30])
    var rung = rung(8, steps: 1)
    rung.data = ExampleList([late])
    let results = try Rehearsal.run([rung], options: TrainerOptions(), backend: CPUBackend(threads: 2))
    #expect(results[0].tokens == [8] && results[0].losses[0] > 0)
  }

  /// A rung as if measured: 0.5 s an update and 1 s for every 100 tokens' work, plus `noise`.
  func measured(_ length: Int, noise: Double = 0) -> RungResult {
    let seconds = 0.5 + Double(length) / 100 * (1 + 0.001 * Double(length))
    return RungResult(
      name: "tiny", config: config, maxSequenceLength: length, tokens: [length, length, length],
      seconds: [9, seconds + noise, seconds - noise], losses: [1, 1, 1], predictedPeak: 100, measuredPeak: 90,
      slowdown: 1)
  }

  @Test func `the forecast separates what an update costs from what tokens cost`() throws {
    var options = TrainerOptions()
    options.epochs = 1
    options.accumulationSteps = 3
    let blocks = ExampleList(randomExamples([Int](repeating: 128, count: 12)))
    let plan = try TrainingPlan(config: config, data: blocks, options: options)
    let forecast = try Forecast([measured(32), measured(128)], plan: plan)
    #expect(forecast.steps == 4 && forecast.tokens == 12 * 128)
    let exact = 4 * 0.5 + 12 * 1.28 * 1.128
    #expect(abs(forecast.seconds.estimate - exact) < 0.15 * exact)
    #expect(forecast.seconds.low < exact && exact < forecast.seconds.high)
    #expect(forecast.peakMemory.estimate == Double(plan.predictedPeak - 10))
  }

  @Test func `a wider spread of measurements gives a wider range`() throws {
    let plan = try TrainingPlan(config: config, data: data, options: TrainerOptions())
    func width(_ noise: Double) throws -> Double {
      let seconds = try Forecast([measured(64, noise: noise)], plan: plan).seconds
      return (seconds.high - seconds.low) / seconds.estimate
    }
    #expect(try width(0.5) > width(0.01))
  }

  @Test func `another model's measurements are scaled and trusted less`() throws {
    let large = tinyConfig(layers: 12)
    let plan = try TrainingPlan(config: large, data: data, options: TrainerOptions())
    let same = try TrainingPlan(config: config, data: data, options: TrainerOptions())
    let forecast = try Forecast([measured(64)], plan: plan)
    let small = try Forecast([measured(64)], plan: same)
    #expect(forecast.seconds.estimate > 3 * small.seconds.estimate)
    #expect(forecast.seconds.high / forecast.seconds.estimate > small.seconds.high / small.seconds.estimate)
  }
}
