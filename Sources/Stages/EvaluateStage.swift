import Basics
import Evaluation
import Pipelines

/// Scores a model, and a baseline on the same prompts, on every task.
package struct EvaluateStage: StageRunner {
  package init() {}

  package let stopsAtOnce = true

  package func run(_ context: StageContext) throws -> StageReport {
    guard let input = context.input("model"), let reference = input.path?.display ?? input.model else {
      throw StageError("the input 'model' is not given", at: context.spec.cell)
    }
    let paths = (context.with["tasks"]?.array ?? []).indices.flatMap {
      context.paths(at: [.key("tasks"), .index($0)])
    }
    let evaluation = TaskEvaluation(
      settings: EvaluationSettings(with: context.with, seed: context.seed), root: context.spec.projectRoot)
    let comparisons: [TaskComparison]
    do {
      comparisons = try evaluation.run(
        tasks: paths.isEmpty ? context.paths(at: [.key("tasks")]) : paths, model: reference,
        baseline: context.with["baseline"]?.string, progress: context.progress, note: context.note)
    } catch let error as EvaluationError where error.isStop {
      throw StageStopped()
    }

    let folder = context.outputPath("results")
    try Files.makeFolder(folder)
    var tasks = JSON.Object()
    for comparison in comparisons {
      tasks[comparison.task.name] = comparison.metrics
      let lines = comparison.samples().map { $0.encoded() + [0x0A] }
      try Files.writeAtomically(
        Array(lines.joined()), to: folder.appending("samples_\(PlainName.of(comparison.task.name)).jsonl"))
    }
    let metrics: JSON.Object = ["tasks": .object(tasks)]
    try Files.writeAtomically(
      JSON.object(metrics).encoded(pretty: true) + [0x0A], to: folder.appending("results.json"))
    return StageReport(metrics: metrics)
  }
}
