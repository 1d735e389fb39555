import Basics
import Foundation
import Pipelines
import Stages
import Store

extension Command {
  static let run = Command(
    name: "run", abstract: "Runs a pipeline; what is known comes from the cache", positionals: ["[FILE]"],
    options: [
      .value("stage", "S", repeats: true, "only this stage and what it needs (all cells of a matrix)"),
      .value("from", "S", repeats: true, "only this stage and what follows from it"),
      .value("until", "S", repeats: true, "only up to this stage"),
      .value("force", "S", repeats: true, "run this stage although its result is known"),
      .value("set", "vars.NAME=VALUE", repeats: true, "override a variable of the file"),
      .flag("plan", "say what would run, and why, and run nothing"),
      .value("cpus", "N", "use at most N cores for stages that run side by side (default: all)"),
      .value("memory", "SIZE", "use at most this much memory for them (default: all)"),
      .flag("no-wait", "when another run holds the project, fail with code 4 instead of waiting"),
    ],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let project = try Project(invocation)
      let file = try PipelineFile.choose(invocation.paths.first, project: project)
      let pipeline = try Pipeline.load(file, overrides: invocation.all("set"))
      let selection = Selection(
        stages: invocation.all("stage"), from: invocation.all("from"), until: invocation.all("until"),
        force: invocation.all("force"))
      let options = RunOptions(
        selection: selection, waits: !invocation.has("no-wait"),
        command: commandLine, file: file, offers: try offers(invocation), ownsProcess: true)
      let view = RunView(terminal: terminal, pipeline: pipeline, project: project)
      let runner = Runner(
        pipeline: pipeline, project: project, options: options, hooks: StageHooks.hooks(root: project.root),
        launcher: ProgramLauncher(executable: "/proc/self/exe"), report: { view.show($0) })
      if invocation.has("plan") {
        let plan = try runner.plan()
        if terminal.wantsJSON { terminal.print(plan.json(pipeline: pipeline.name)) } else { view.print(plan) }
        return exitCode(plan)
      }
      try refuseImpossible(try runner.plan(), pipeline)
      let summary = try runner.run()
      view.finish(summary)
      return ExitCode(rawValue: Int32(summary.exitCode)) ?? .failed
    })

  /// The command line, quoted as a shell would need it.
  static var commandLine: String {
    (["fettle"] + CommandLine.arguments.dropFirst()).map { word in
      let plain = word.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "-_./=:,+@%".utf8.contains(byte)
        }
      }
      return plain && !word.isEmpty ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }.joined(separator: " ")
  }

  /// What the run may use of the machine.
  private static func offers(_ invocation: Invocation) throws -> Resources {
    var offers = Resources.machine
    if let cpus = try invocation.whole("cpus", in: 1...4096) { offers.cpus = cpus }
    if let text = invocation.value("memory") {
      guard let bytes = Quantity.bytes(text), bytes > 0 else {
        throw UsageError("--memory must be a size such as 6GiB", value: text)
      }
      offers.memory = bytes
    }
    return offers
  }

  /// What a run would end with, as far as the plan can tell.
  private static func exitCode(_ plan: Plan) -> ExitCode {
    var code = ExitCode.done
    for entry in plan.entries {
      if case .impossible = entry.decision { return .failed }
      if case .refused = entry.decision { code = .refused }
    }
    return code
  }

  /// Throws when a stage reads what is not there, before anything starts; all such faults at once.
  ///
  /// A pipeline with commands may make such files on its way, so there it is left to the stage.
  private static func refuseImpossible(_ plan: Plan, _ pipeline: Pipeline) throws {
    if pipeline.cells.contains(where: { $0.kind.name == "command" }) { return }
    var faults: [String] = []
    for entry in plan.entries {
      if case .impossible(let problem) = entry.decision { faults.append("\(entry.cell.id): \(problem)") }
    }
    guard faults.isEmpty else { throw UsageError(faults.joined(separator: "\n")) }
  }

  /// The hidden subcommand that makes one attempt at a stage.
  static let attempt = Command(
    name: "__attempt", abstract: "Makes one attempt at a stage", positionals: ["SPEC"], options: [], isHidden: true,
    run: { invocation throws in
      let code = AttemptProcess.main(specification: invocation.paths[0]) { StageRunners.runner($0) }
      exit(code)
    })
}

/// Which pipeline file a command means.
enum PipelineFile {
  /// The file named, else the only one there can be: `fettle.yaml` or `pipeline.yaml` in the project, else the newest
  /// run's.
  static func choose(_ named: FilePath?, project: Project) throws -> FilePath {
    if let named { return named }
    for name in ["fettle.yaml", "pipeline.yaml"] where Files.exists(project.root.appending(name)) {
      return project.root.appending(name)
    }
    if let ledger = try Ledger(reading: project.cache), let file = try ledger.newestRun()?.file {
      return project.root.appending(file)
    }
    throw UsageError(
      "no pipeline file is named, and there is no fettle.yaml or pipeline.yaml here",
      remedy: "name one: fettle run FILE")
  }
}
