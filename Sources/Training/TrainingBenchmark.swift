import Basics
import Models
import Tensors

/// Measures training itself: full fine-tuning of one model on given ids, a batch of windows of tokens an update.
package enum TrainingBenchmark {
  /// Runs `warmup` updates, then `steps` measured ones, as `options` say, over consecutive windows of `sequence` ids,
  /// from the start again where they end: the same windows as `torch_finetune.py`.
  ///
  /// Returns the plan, tokens per second (median, worst and best update), peak resident memory and the losses.
  package static func run(
    config: ModelConfig, weights: any WeightSource, ids: [Int32], sequence: Int, steps: Int, warmup: Int = 2,
    options given: TrainerOptions, overhead: MemoryOverhead, rates: MachineRates = .assumed, backend: any Backend,
    progress: ProgressHandler = { _ in .goOn }
  ) throws(TrainingError) -> JSON {
    guard sequence > 1, ids.count > sequence, steps > 0, warmup >= 0 else {
      throw TrainingError(
        "the benchmark needs more ids than one sequence of at least two, and at least one step",
        value: "\(ids.count) ids, sequence \(sequence), \(steps) steps")
    }
    var options = given
    options.learningRate = 1e-4
    options.scheduler = .constant
    options.maxSteps = warmup + steps
    options.shuffles = false
    let count = (warmup + steps) * options.batchSize * options.accumulationSteps
    let examples = (0..<count).map { number in
      let start = number * sequence % (ids.count - sequence)
      return TrainingExample(
        ids: Array(ids[start..<start + sequence]), isTarget: [Bool](repeating: true, count: sequence))
    }
    let data = ExampleList(examples)
    let plan = try TrainingPlan(config: config, data: data, options: options, overhead: overhead, rates: rates)
    let trainer = try Trainer(plan: plan, weights: weights, data: data, backend: backend)
    let report = try trainer.run(progress: progress)
    let speeds = report.rows.dropFirst(warmup).map(\.tokensPerSecond).sorted()
    return [
      "backend": JSON(backend.name), "optim": JSON(options.optimizer.rawValue),
      "bf16": JSON(options.weightsAreHalf || options.precision == .bf16), "sequence": JSON(sequence),
      "batch": JSON(options.batchSize), "accumulation": JSON(options.accumulationSteps), "steps": JSON(steps),
      "plan": JSON(plan.description), "tokens_per_s": JSON(speeds[speeds.count / 2]),
      "tokens_per_s_worst": JSON(speeds[0]), "tokens_per_s_best": JSON(speeds[speeds.count - 1]),
      "predicted_tokens_per_s": JSON(plan.estimatedTokensPerSecond),
      "peak_rss_mib": JSON(report.measuredPeak >> 20), "predicted_peak_mib": JSON(plan.predictedPeak >> 20),
      "losses": .array(report.rows.map { JSON($0.loss) }),
    ]
  }
}
