import Basics
import Foundation
import Pipelines
import Store
import Testing

/// A project folder of a test's own, removed at its end, in which pipelines of shell commands run.
final class Bench: Sendable {
  let root: FilePath
  private let isKept: Bool

  init() throws {
    let folder = FilePath(NSTemporaryDirectory()).appending("fettle-run-\(UInt64.random(in: 0...UInt64.max))")
    try Files.makeFolder(folder.appending(".fettle"))
    root = folder
    isKept = false
  }

  /// A bench in a folder that is there already.
  init(adopting root: FilePath, keeping: Bool = false) {
    self.root = root
    isKept = keeping
  }

  var project: Project { Project(root: root) }

  func write(_ name: String, _ text: String) throws {
    let path = root.appending(name)
    try Files.makeFolder(path.parent)
    try Files.writeAtomically(Array(text.utf8), to: path)
  }

  func read(_ path: FilePath) throws -> String {
    String(decoding: try Files.read(path), as: UTF8.self)
  }

  /// The pipeline of `stages`, which follow the head as YAML.
  func pipeline(_ stages: String) throws -> Pipeline {
    let text = "fettle: 1\nname: test\nstages:\n" + stages
    return try Pipeline.read(Array(text.utf8), file: "test.yaml")
  }

  /// One core: commands run one at a time.
  static let oneCore = Resources(cpus: 1, memory: 1 << 40, gpus: 0)

  /// Runs a pipeline; events go to `report`.
  @discardableResult
  func run(
    _ pipeline: Pipeline, _ selection: Selection = Selection(), stop: StopRequests = StopRequests(),
    hooks: RunHooks = RunHooks(), offers: Resources = Bench.oneCore,
    report: @escaping (RunEvent) -> Void = { _ in }
  ) throws -> RunSummary {
    let options = RunOptions(selection: selection, waits: false, offers: offers, backoff: { _, _ in 0 })
    let runner = Runner(
      pipeline: pipeline, project: project, options: options, hooks: hooks, launcher: ShellLauncher(), stop: stop,
      report: report)
    return try runner.run()
  }

  @discardableResult
  func run(_ stages: String, _ selection: Selection = Selection()) throws -> RunSummary {
    try run(pipeline(stages), selection)
  }

  func plan(_ pipeline: Pipeline, _ selection: Selection = Selection(), hooks: RunHooks = RunHooks()) throws -> Plan {
    let options = RunOptions(selection: selection)
    return try Runner(
      pipeline: pipeline, project: project, options: options, hooks: hooks, launcher: ShellLauncher(),
      stop: StopRequests()
    ).plan()
  }

  /// "a cached, b done".
  func statuses(_ summary: RunSummary) -> String {
    summary.cells.map { "\($0.cell) \($0.status.rawValue)" }.joined(separator: ", ")
  }

  /// The text of an output of a cell's newest result.
  func output(_ cell: String, _ name: String) throws -> String {
    let ledger = try #require(try Ledger(reading: project.cache))
    let attempt = try #require(try ledger.newestSuccess(pipeline: "test", cell: cell))
    let record = try #require(try ledger.outputs(of: attempt.id).first { $0.name == name })
    return try read(ledger.objects.path(record.digest))
  }

  deinit { if !isKept { try? Files.removeTree(root) } }
}

/// Runs a command stage's text with /bin/sh: inputs and outputs are variables, the events' descriptor is 3.
struct ShellLauncher: AttemptLauncher {
  func launch(_ spec: AttemptSpec, file: FilePath) -> Launch {
    var environment: [(name: String, value: FilePath)] = [
      (name: "WORK", value: spec.workFolder), (name: "CHECKPOINT", value: spec.checkpointFolder),
      (name: "NUMBER", value: FilePath(String(spec.number))),
    ]
    for input in spec.inputs { environment.append((name: input.name, value: input.path ?? FilePath(""))) }
    for output in spec.outputs {
      environment.append((name: output.name, value: spec.outputFolder.appending(output.name)))
    }
    let text = spec.with["run"]?.string ?? "exit 9"
    return Launch(executable: "/bin/sh", arguments: ["-c", FilePath(text)], environment: environment)
  }
}
