import Basics
import Store

/// What a stage's code sees while it runs: its settings, its inputs, where to write, whom to tell.
package struct StageContext: Sendable {
  package let spec: AttemptSpec
  /// Takes progress; answers `.stop` when the stage shall save a checkpoint and throw `StageStopped`.
  package let progress: ProgressHandler
  /// Takes a sentence for people.
  package let note: @Sendable (String) -> Void

  package init(
    spec: AttemptSpec, progress: @escaping ProgressHandler, note: @escaping @Sendable (String) -> Void
  ) {
    self.spec = spec
    self.progress = progress
    self.note = note
  }

  package var with: JSON.Object { spec.with }
  package var seed: UInt64 { spec.seed }
  package var checkpointFolder: FilePath { spec.checkpointFolder }
  package var workFolder: FilePath { spec.workFolder }

  /// The input of this name; nil when the pipeline gives none.
  package func input(_ name: String) -> AttemptSpec.Input? { spec.inputs.first { sameBytes($0.name, name) } }

  /// The path of an input that must be there.
  package func inputPath(_ name: String) throws(RunError) -> FilePath {
    guard let input = input(name) else { throw RunError("the input '\(name)' is not given", at: spec.cell) }
    guard let path = input.path else {
      throw RunError("the input '\(name)' is no file or folder", at: spec.cell, value: input.model)
    }
    return path
  }

  /// Whether the pipeline wants this output.
  package func wants(_ output: String) -> Bool { spec.outputs.contains { sameBytes($0.name, output) } }

  /// Where to write an output: a file, or a folder that the stage makes.
  package func outputPath(_ name: String) -> FilePath { spec.outputFolder.appending(name) }

  /// The files that the reference at a place in `with` stands for, in reading order.
  package func paths(at place: [JSONStep]) -> [FilePath] {
    spec.references.first { $0.place == place }?.paths ?? []
  }
}

/// What a stage reports when it is done.
package struct StageReport: Sendable {
  package var metrics: JSON.Object
  package var notes: [String]

  package init(metrics: JSON.Object = [:], notes: [String] = []) {
    self.metrics = metrics
    self.notes = notes
  }
}

/// The code of a stage kind.
package protocol StageRunner: Sendable {
  /// Whether a request to stop may end the stage's process wherever it is: it has nothing to save.
  var stopsAtOnce: Bool { get }
  /// Does the stage's work and writes its outputs. Throws `StageStopped` after an orderly stop, `StageRefused` where
  /// the request is understood but must not be granted, any other error for a failure.
  func run(_ context: StageContext) throws -> StageReport
}

extension StageRunner {
  package var stopsAtOnce: Bool { false }
}

/// Thrown by a stage that was asked to stop and has saved what it had.
package struct StageStopped: FettleError {
  package let problem: Problem

  package init(_ what: String = "stopped on request") { problem = Problem(what) }
}

/// Thrown by a stage that must not go on although nothing failed.
package struct StageRefused: FettleError {
  package let problem: Problem

  package init(_ problem: Problem) { self.problem = problem }
}
