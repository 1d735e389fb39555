import Basics
import Models
import Pipelines
import Training

/// Trains a model on token shards and writes it with its tokenizer.
package struct FinetuneStage: StageRunner {
  package init() {}

  package func run(_ context: StageContext) throws -> StageReport {
    let training = try PlannedTraining(
      with: context.with, seed: context.seed, root: context.spec.projectRoot, tokens: try context.inputPath("tokens"),
      validation: context.input("validation")?.path, pages: context.workFolder, progress: context.progress)
    for note in training.model.files.notes + training.notes { context.note(note) }
    context.note(
      "plan: \(training.plan.description), predicted peak \(Quantity.describe(bytes: training.plan.predictedPeak))")
    let trainer = try Trainer(
      plan: training.plan, weights: training.model.files.weights, data: training.tokens,
      validation: training.validation, backend: try Device.backend(context.with),
      checkpoints: context.checkpointFolder, identity: context.spec.fingerprint.hex)
    let report = try trainer.run(progress: context.progress)
    for notice in report.notices { context.note(notice) }
    if report.resumedFrom > 0 { context.note("went on from the checkpoint of step \(report.resumedFrom)") }
    if report.interrupted { throw StageStopped("stopped after step \(report.steps) of \(report.totalSteps)") }
    if let tensor = report.rows.last?.skipped {
      throw StageError(
        "training ended on a skipped update: the gradient of \(tensor) is not finite", at: context.spec.cell,
        value: "\(report.skippedSteps) of \(report.steps) updates skipped",
        remedy: "lower learning_rate, or set max_grad_norm")
    }

    try write(trainer, training, to: context.outputPath("model"), progress: context.progress)
    let log = report.rows.map { $0.json.encoded() + [0x0A] }
    try Files.writeAtomically(Array(log.joined()), to: context.outputPath("metrics"))
    guard case .object(var metrics) = report.json else { return StageReport() }
    metrics["plan"] = training.plan.json
    return StageReport(metrics: metrics)
  }

  private func write(
    _ trainer: Trainer, _ training: PlannedTraining, to folder: FilePath, progress: ProgressHandler?
  ) throws {
    let template = training.template
    if let adapter = training.options.adapter {
      return try AdapterWriter(
        config: training.finalConfig, options: adapter,
        record: try training.adapterRecord(training.model.reference), generationConfig: training.generationConfig,
        files: try TokenizerFiles.json(training.tokenizer, template: template), chatTemplate: template
      ).write(trainer.trainedWeights, to: folder, progress: progress)
    }
    let isHalf = training.options.weightsAreHalf || training.options.precision == .bf16
    let writer = ModelWriter(
      config: training.finalConfig, storage: isHalf ? .bfloat16 : .float32,
      generationConfig: training.generationConfig,
      files: try TokenizerFiles.json(training.tokenizer, template: template), chatTemplate: template)
    let source = trainer.trainedWeights
    try unsafe writer.write(to: folder) { name, rows, buffer in
      try unsafe source.read(name, rows: rows, into: buffer)
    }
  }
}
