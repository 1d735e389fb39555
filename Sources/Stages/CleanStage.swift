import Basics
import Corpus
import Pipelines

/// Reads, cleans and splits rows.
package struct CleanStage: StageRunner {
  package init() {}

  package let stopsAtOnce = true

  package func run(_ context: StageContext) throws -> StageReport {
    let cleaning = try Cleaning(.object(context.with), seed: context.seed)
    let folder = context.workFolder.appending("clean")
    try Files.removeTree(folder)
    try Files.makeFolder(folder)
    let report: CleaningReport
    do {
      report = try cleaning.run(root: context.spec.projectRoot, output: folder, progress: context.progress)
    } catch {
      if error.kind == .stopped { throw StageStopped() }
      throw error
    }
    for (name, file) in [
      ("train", Cleaning.trainName), ("validation", Cleaning.validationName), ("ledger", Cleaning.ledgerName),
    ] where context.wants(name) {
      try Files.rename(folder.appending(file), to: context.outputPath(name))
    }
    guard case .object(let metrics) = report.json else { return StageReport() }
    return StageReport(metrics: metrics, notes: report.notes)
  }
}
