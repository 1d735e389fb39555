import Basics
import Pipelines
import Stages
import Store

extension Command {
  static let watch = Command(
    name: "watch", abstract: "Runs a pipeline, and again whenever its file or its data is edited",
    positionals: ["[FILE]"],
    options: [
      .value("stage", "S", repeats: true, "only this stage and what it needs (all cells of a matrix)"),
      .value("from", "S", repeats: true, "only this stage and what follows from it"),
      .value("until", "S", repeats: true, "only up to this stage"),
      .value("set", "vars.NAME=VALUE", repeats: true, "override a variable of the file"),
    ],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let project = try Project(invocation)
      let file = try PipelineFile.choose(invocation.paths.first, project: project)
      let selection = Selection(
        stages: invocation.all("stage"), from: invocation.all("from"), until: invocation.all("until"))
      let options = RunOptions(selection: selection, command: commandLine, file: file, ownsProcess: true)
      let shown = Shown()
      let watching = try Watching(
        file: file, project: project, load: { try Pipeline.load(file, overrides: invocation.all("set")) },
        makeRunner: { pipeline in
          let view = RunView(terminal: terminal, pipeline: pipeline, project: project)
          shown.view = view
          return Runner(
            pipeline: pipeline, project: project, options: options, hooks: StageHooks.hooks(root: project.root),
            launcher: ProgramLauncher(executable: "/proc/self/exe"), report: { view.show($0) })
        },
        report: { event in
          switch event {
          case .ended(let summary): shown.view?.finish(summary)
          case .waiting(let count): terminal.say("watching \(count) folders; Ctrl-C ends")
          case .unreadable(let problem): Terminal.complain(problem.description)
          case .unwatched(let folder): terminal.say("\(folder.display) can not be watched")
          }
        })
      try watching.go()
      return .interrupted
    })

  /// The view of the run under way.
  private final class Shown {
    var view: RunView?
  }
}
