import Basics
import Models
import Tensors

/// Measures training itself: full fine-tuning of one model on given ids, a batch of windows of tokens an update.
package enum TrainingBenchmark {
  /// Runs `warmup` updates, then `steps` measured ones, over consecutive windows of `sequence` ids, from the start
  /// again where they end: the same windows as `torch_finetune.py`.
  ///
  /// Returns tokens per second (median, worst and best update), peak resident memory and the losses.
  package static func run(
    config: ModelConfig, weights: any WeightSource, ids: [Int32], sequence: Int, steps: Int, warmup: Int = 2,
    batch: Int = 1, optimizer: Optimizer = .adamW, weightsAreHalf: Bool = false, precision: Precision = .f32,
    maxGradNorm: Double = 0,
    overhead: MemoryOverhead = MemoryOverhead(), recompute: TrainerOptions.Checkpointing = .off, backend: any Backend,
    progress: ProgressHandler = { _ in .goOn }
  ) throws(TrainingError) -> JSON {
    guard sequence > 1, ids.count > sequence, steps > 0, warmup >= 0 else {
      throw TrainingError(
        "the benchmark needs more ids than one sequence of at least two, and at least one step",
        value: "\(ids.count) ids, sequence \(sequence), \(steps) steps")
    }
    let examples = (0..<(warmup + steps) * batch).map { step in
      let start = step * sequence % (ids.count - sequence)
      return TrainingExample(
        ids: Array(ids[start..<start + sequence]), isTarget: [Bool](repeating: true, count: sequence))
    }
    var options = TrainerOptions()
    options.learningRate = 1e-4
    options.scheduler = .constant
    options.maxGradNorm = maxGradNorm
    options.optimizer = optimizer
    options.statesArePaged = optimizer.isPaged
    options.weightsAreHalf = weightsAreHalf
    options.precision = precision
    options.maxSteps = warmup + steps
    options.batchSize = batch
    options.shuffles = false
    options.gradientCheckpointing = recompute
    let data = ExampleList(examples)
    let plan = try TrainingPlan(config: config, data: data, options: options, overhead: overhead)
    let trainer = try Trainer(plan: plan, weights: weights, data: data, backend: backend)
    let report = try trainer.run(progress: progress)
    let rates = report.rows.dropFirst(warmup).map(\.tokensPerSecond).sorted()
    return [
      "backend": JSON(backend.name), "optim": JSON(optimizer.rawValue),
      "bf16": JSON(weightsAreHalf || precision == .bf16),
      "sequence": JSON(sequence), "batch": JSON(batch), "steps": JSON(steps),
      "gradient_checkpointing": JSON(recompute == .on), "tokens_per_s": JSON(rates[rates.count / 2]),
      "tokens_per_s_worst": JSON(rates[0]), "tokens_per_s_best": JSON(rates[rates.count - 1]),
      "peak_rss_mib": JSON(report.measuredPeak >> 20), "predicted_peak_mib": JSON(plan.predictedPeak >> 20),
      "losses": .array(report.rows.map { JSON($0.loss) }),
    ]
  }
}
