import Basics
import Pipelines
import Store

extension Command {
  static let completions = Command(
    name: "completions", abstract: "Prints the script that completes commands, options and stages in a shell",
    positionals: ["bash|zsh|fish"], options: [],
    run: { invocation throws in
      let shell = invocation.positionals[0]
      guard let script = Completions(Program.commands).script(for: shell) else {
        throw UsageError("unknown shell", value: shell, remedy: "use \(Completions.shells.joined(separator: ", "))")
      }
      Terminal(invocation).print(script)
      return .done
    })

  static let man = Command(
    name: "man", abstract: "Prints the manual page: fettle man | man -l -", positionals: [], options: [],
    run: { invocation throws in
      Terminal(invocation).print(ManualPage(Program.commands).text)
      return .done
    })

  /// The hidden subcommand that completions ask for names.
  static let names = Command(
    name: "__names", abstract: "Lists stages or runs", positionals: ["stages|runs"], options: [], isHidden: true,
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let project = try Project(invocation)
      switch invocation.positionals[0] {
      case "runs":
        for run in try RunHistory(project)?.ledger.runs() ?? [] { terminal.print(run.name ?? String(run.id)) }
      default:
        if let file = try? PipelineFile.choose(nil, project: project), let pipeline = try? Pipeline.load(file) {
          for name in pipeline.stageNames { terminal.print(name) }
        }
      }
      return .done
    })
}
