import Basics
import Pipelines
import Training

/// Climbs a ladder of short trainings and forecasts what the full one will cost.
package struct DryRunStage: StageRunner {
  package init() {}

  package func run(_ context: StageContext) throws -> StageReport {
    let root = context.spec.projectRoot
    let tokens = try context.inputPath("tokens")
    guard let target = context.spec.forecast else {
      throw StageError("there is no stage to forecast", at: context.spec.cell)
    }
    let planned = try PlannedTraining(
      with: target.with, seed: target.seed, root: root, tokens: tokens, validation: target.validation,
      pages: context.workFolder, progress: context.progress)
    let rungs = try (context.with["ladder"]?.array ?? []).map { rung in
      let reference = rung["model"]?.string ?? ""
      let model = try OpenedModel(
        reference, root: root, tokenizer: reference.hasPrefix("preset:") ? planned.tokens.tokenizer : nil,
        seed: context.seed, progress: context.progress)
      return RehearsalRung(
        name: RungName.of(reference), config: model.files.config, weights: model.files.weights, data: planned.tokens,
        maxSequenceLength: rung["max_seq_length"]?.int ?? planned.tokens.maxSequenceLength,
        steps: rung["steps"]?.int ?? 3,
        batches: RehearsalRung.Batches(rawValue: rung["batches"]?.string ?? "first") ?? .first)
    }
    let results: [RungResult]
    do {
      results = try Rehearsal.run(
        rungs, options: planned.options, backend: try Device.backend(context.with),
        overhead: { planned.overheadNow(threads: context.with["threads"]?.int) }, rates: planned.rates,
        progress: context.progress)
    } catch let error as TrainingError where error.isStop {
      throw StageStopped(error.problem.what)
    }
    let forecast = try Forecast(results, plan: planned.plan)
    let metrics = metrics(forecast, results, planned, require: context.with["require"])
    try Files.writeAtomically(
      JSON.object(metrics).encoded(pretty: true) + [0x0A], to: context.outputPath("forecast"))
    return StageReport(metrics: metrics)
  }

  /// The forecast with what it rests on: `hours` and `peak_memory.predicted` are what a gate judges.
  private func metrics(
    _ forecast: Forecast, _ results: [RungResult], _ planned: PlannedTraining, require: JSON?
  ) -> JSON.Object {
    [
      "hours": JSON(forecast.hours), "seconds": JSON(forecast.seconds.estimate),
      "seconds_range": [JSON(forecast.seconds.low), JSON(forecast.seconds.high)],
      "peak_memory": [
        "predicted": JSON(Int(forecast.peakMemory.estimate)), "low": JSON(Int(forecast.peakMemory.low)),
        "high": JSON(Int(forecast.peakMemory.high)), "measured": JSON(results.map(\.measuredPeak).max() ?? 0),
        "budget": planned.options.memoryBudget.map { JSON($0) } ?? require?["peak_memory"] ?? .null,
      ],
      "tokens_per_second": results.last.map { JSON($0.tokensPerSecond) } ?? .null,
      "train_loss": results.last?.losses.last.map { JSON($0) } ?? .null, "steps": JSON(forecast.steps),
      "tokens": JSON(forecast.tokens), "trained_tokens": JSON(planned.plan.workload.targets),
      "plan": .string(planned.plan.description), "basis": .string(forecast.basis),
      "rungs": .array(results.map(\.json)),
    ]
  }
}

/// What a rung is called in tables.
private enum RungName {
  /// A reference without what is long in it: the digest of a package's file, the folders of a path.
  static func of(_ reference: String) -> String {
    let plain = String(reference.prefix { $0 != "#" })
    guard plain.count > 40, let name = plain.split(separator: "/").last else { return plain }
    return String(name)
  }
}
