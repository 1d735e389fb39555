import Basics
import Evaluation
import Pipelines

/// Scores a model, and a baseline on the same prompts, on every task.
package struct EvaluateStage: StageRunner {
  package init() {}

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
        baseline: context.with["baseline"]?.string, progress: context.progress)
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
        Array(lines.joined()), to: folder.appending("samples_\(SafeName.file(comparison.task.name)).jsonl"))
    }
    let metrics: JSON.Object = ["tasks": .object(tasks)]
    try Files.writeAtomically(
      JSON.object(metrics).encoded(pretty: true) + [0x0A], to: folder.appending("results.json"))
    return StageReport(metrics: metrics)
  }
}

/// Names from a user's file as parts of file names.
enum SafeName {
  /// Letters, digits, dot, dash and underscore stay; everything else becomes an underscore.
  static func file(_ name: String) -> String {
    String(
      decoding: name.utf8.prefix(100).map { byte in
        let isPlain =
          (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
          || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
        return isPlain ? byte : UInt8(ascii: "_")
      }, as: UTF8.self)
  }
}
