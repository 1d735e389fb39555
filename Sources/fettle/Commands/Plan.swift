import Basics
import Pipelines
import Stages
import Store
import Training

extension Command {
  static let plan = Command(
    name: "plan", abstract: "Prints a finetune stage's memory plan and predicted peak, and runs nothing",
    positionals: ["[FILE]"],
    options: [
      .value("stage", "S", "the finetune stage (default: the only one)"),
      .value("set", "vars.NAME=VALUE", repeats: true, "override a variable of the file"),
    ],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let project = try Project(invocation)
      let file = try PipelineFile.choose(invocation.paths.first, project: project)
      let pipeline = try Pipeline.load(file, overrides: invocation.all("set"))
      let cells = try finetuneCells(of: pipeline, named: invocation.value("stage"))
      let foreseen = try ForeseenResults(pipeline: pipeline, project: project)
      var documents: [JSON] = []
      for cell in cells {
        let training = try foreseen.training(of: cell)
        documents.append(["stage": .string(cell.id), "plan": training.plan.json])
        if !terminal.wantsJSON { terminal.print(PlanTable(cell: cell.id, plan: training.plan).text) }
      }
      if terminal.wantsJSON { terminal.print(documents.count == 1 ? documents[0] : .array(documents)) }
      return .done
    })

  private static func finetuneCells(of pipeline: Pipeline, named name: String?) throws -> [StageCell] {
    let all = pipeline.cells.filter { $0.kind.name == "finetune" }
    guard let name else {
      guard Set(all.map(\.stage)).count == 1 else {
        throw UsageError(
          all.isEmpty ? "the pipeline has no finetune stage" : "the pipeline has several finetune stages",
          remedy: all.isEmpty ? nil : "name one with --stage: \(Set(all.map(\.stage)).sorted().joined(separator: ", "))"
        )
      }
      return all
    }
    let found = pipeline.indices(of: name).map { pipeline.cells[$0] }
    guard let first = found.first else {
      let near = Spelling.nearest(to: name, among: pipeline.stageNames)
      throw UsageError("the pipeline has no such stage", value: name, remedy: near.map { "did you mean '\($0)'?" })
    }
    guard first.kind.name == "finetune" else {
      throw UsageError("only finetune stages have a memory plan", value: "\(name) is a \(first.kind.name) stage")
    }
    return found
  }
}

/// Results that the cache knows already, for what a command must read before a stage runs.
struct ForeseenResults {
  private let project: Project
  private let outputs: [String: [OutputRecord]]
  private let objects: ObjectStore?

  init(pipeline: Pipeline, project: Project) throws {
    self.project = project
    let runner = Runner(
      pipeline: pipeline, project: project, options: RunOptions(), hooks: StageHooks.hooks(root: project.root),
      launcher: ProgramLauncher(executable: "/proc/self/exe"))
    var outputs: [String: [OutputRecord]] = [:]
    for entry in try runner.plan().entries {
      if case .cached(let cached) = entry.decision { outputs[entry.cell.id] = cached.outputs }
    }
    self.outputs = outputs
    objects = try RunHistory(project)?.ledger.objects
  }

  /// A finetune stage's settings and memory plan.
  func training(of cell: StageCell) throws -> PlannedTraining {
    var paths: [String: FilePath] = [:]
    for input in cell.inputs {
      guard case .output(let producer, let output) = input.source else {
        if case .file(let path) = input.source { paths[input.name] = project.root.appending(path) }
        continue
      }
      paths[input.name] = try needed(producer, output)
    }
    for reference in cell.references {
      if case .output(let producer, let output) = reference.target { _ = try needed(producer, output) }
    }
    guard let tokens = paths["tokens"] else { throw UsageError("the stage has no tokens", value: cell.id) }
    return try PlannedTraining(
      with: cell.settings { path($0, $1) }, seed: cell.seed, root: project.root, tokens: tokens,
      validation: paths["validation"])
  }

  private func path(_ cell: String, _ output: String) -> FilePath? {
    guard let found = outputs[cell]?.first(where: { sameBytes($0.name, output) }) else { return nil }
    return objects?.path(found.digest)
  }

  private func needed(_ cell: String, _ output: String) throws -> FilePath {
    guard let path = path(cell, output) else {
      throw UsageError(
        "the plan depends on '\(cell)', which has no current result", remedy: "run it first: fettle run --until \(cell)"
      )
    }
    return path
  }
}

/// A memory plan as a table.
struct PlanTable {
  let cell: String
  let plan: TrainingPlan

  var text: String {
    var table = TextTable(["group", "bytes", "tier", "lifetime"])
    for row in plan.memory.rows { table.add([row.group, Quantity.describe(bytes: row.bytes), row.tier, row.lifetime]) }
    let budget = plan.options.memoryBudget.map { " of a budget of \(Quantity.describe(bytes: $0))" } ?? ""
    var text = """
      \(cell): \(plan.description), \(plan.schedule.totalSteps) steps, \(plan.workload.tokens) tokens
      \(table.text)
      predicted peak \(Quantity.describe(bytes: plan.predictedPeak))\(budget), \
      about \(Quantity.fixed(plan.estimatedTokensPerSecond, 0)) tokens/s
      """
    if let faster = plan.faster {
      text += "\nnext faster plan: \(faster.passes.description); needs about \(Quantity.describe(bytes: faster.bytes))"
    }
    return text
  }
}
