import Basics
import Corpus
import Evaluation
import Foundation
import Tokenization

/// How tasks are asked.
package struct EvaluationSettings: Sendable {
  package var numFewshot: Int?
  package var applyChatTemplate = false
  /// `chatml`, a Jinja file or a model; nil: each model's own.
  package var chatTemplate: String?
  package var tokenizer: String?
  package var limit: Int?
  package var device = Device.auto
  package var threads: Int?
  /// Answers generated side by side.
  package var batchSize = 8
  /// Of the draws of shots and of sampled answers; the harness's is 1234.
  package var seed: UInt64 = 1234

  package init() {}

  /// From an evaluate stage's keys.
  init(with: JSON.Object, seed: UInt64) {
    numFewshot = with["num_fewshot"]?.int
    applyChatTemplate = with["apply_chat_template"]?.bool ?? false
    chatTemplate = with["chat_template"]?.string
    tokenizer = with["tokenizer"]?.string
    limit = with["limit"]?.int
    device = Device(with)
    threads = with["threads"]?.int
    batchSize = with["batch_size"]?.int ?? batchSize
    self.seed = with["seed"]?.int.map { UInt64($0) } ?? seed
  }
}

/// Task files, their documents, and the models that answer them.
package struct TaskEvaluation {
  private let settings: EvaluationSettings
  private let root: FilePath

  package init(settings: EvaluationSettings, root: FilePath) {
    self.settings = settings
    self.root = root
  }

  /// Answers of `model` and of `baseline` to every task; one model is in memory at a time.
  package func run(
    tasks paths: [FilePath], model: String, baseline: String?, progress: ProgressHandler?,
    note: (String) -> Void = { _ in }
  ) throws -> [TaskComparison] {
    let tasks = try paths.map { try TaskFile(path: $0, root: root) }
    var names: Set<String> = []
    for file in tasks where !names.insert(file.task.name).inserted {
      throw StageError("two tasks have the same name", at: file.path.display, value: file.task.name)
    }
    let models = [model] + (baseline.map { [$0] } ?? [])
    let total = tasks.reduce(0) { $0 + min($1.documents.count, settings.limit ?? .max) } * models.count
    var finished = 0
    // Made once, with the template of the model that is scored: the baseline is asked the very same.
    var items: [[TaskItem]] = []
    var answers: [[[ModelAnswer]]] = []
    for reference in models {
      let given = try settings.tokenizer.map { try OpenedModel.tokenizer($0, root: root, progress: progress) }
      let opened = try OpenedModel(reference, root: root, tokenizer: given, progress: progress)
      if items.isEmpty { items = try tasks.map { try self.items($0, for: opened) } }
      let scorer = try opened.languageModel(
        on: settings.device, threads: settings.threads, batchSize: settings.batchSize)
      var own: [[ModelAnswer]] = []
      for items in items {
        let before = finished
        own += try scorer.answer(items, seed: settings.seed) { done throws(EvaluationError) in
          let event = ProgressEvent(unit: "item", done: before + done, total: total)
          if progress?(event) == .stop { throw EvaluationError.stopped }
        }
        finished += items.count
      }
      if scorer.cutRequests > 0 {
        note(
          "\(scorer.cutRequests) prompts lost their left: \(reference) reads \(scorer.maximumLength) positions at most")
      }
      answers.append(own)
    }
    var start = 0
    return try zip(tasks, items).map { file, items in
      defer { start += items.count }
      let range = start..<start + items.count
      return try TaskComparison(
        task: file.task, items: items, answers: Array(answers[0][range]),
        baselineAnswers: answers.count > 1 ? Array(answers[1][range]) : nil)
    }
  }

  private func items(_ file: TaskFile, for model: OpenedModel) throws -> [TaskItem] {
    var chat: TaskItemBuilder.ChatRenderer?
    if settings.applyChatTemplate {
      let source =
        try settings.chatTemplate.map { try OpenedModel.templateSource($0, root: root) }
        ?? model.files.chatTemplate
      guard let source else {
        throw StageError(
          "the model has no chat template", at: model.reference,
          remedy: "set chat_template, or apply_chat_template: false")
      }
      let prompt = ChatPrompt(template: try ChatTemplate(source: source), tokenizer: try model.neededTokenizer())
      chat = { messages throws(EvaluationError) in
        do {
          let text = try prompt.text(messages)
          try TaskEvaluation.check(text, holds: messages)
          return text
        } catch { throw EvaluationError(Basics.problem(of: error)) }
      }
    }
    let renderer = TaskTemplates()
    let builder = TaskItemBuilder(
      task: file.task, shots: settings.numFewshot ?? file.task.numFewshot ?? 0, shotDocuments: file.shotDocuments,
      sharesSplit: file.sharesSplit, seed: settings.seed,
      render: { template, fields throws(EvaluationError) in try renderer.render(template, fields) }, chat: chat)
    let count = min(file.documents.count, settings.limit ?? .max)
    return try (0..<count).map { try builder.item(file.documents[$0], at: $0) }
  }
}

extension TaskEvaluation {
  /// Throws when the template left a message out: some drop a system message without a word.
  private static func check(_ text: PromptText, holds messages: [JSON]) throws {
    for message in messages {
      let content = (message["content"]?.string ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
      if content.isEmpty || text.bytes.firstRange(of: Array(content.utf8)) != nil { continue }
      throw StageError(
        "the chat template leaves out a message of the role '\(message["role"]?.string ?? "")'",
        value: content, remedy: "name another chat_template, or take the task's description away")
    }
  }
}

/// A task file with its documents.
package struct TaskFile {
  package let path: FilePath
  package let task: EvaluationTask
  let documents: [JSON.Object]
  let shotDocuments: [JSON.Object]
  /// Whether shots come from the documents that are asked.
  let sharesSplit: Bool

  init(path: FilePath, root: FilePath) throws {
    self.path = path
    task = try TaskFile.task(root.appending(path))
    let folder = root.appending(path).parent
    documents = try TaskFile.documents(task.testSplit, of: task, folder)
    guard !documents.isEmpty else { throw StageError("the task has no document", at: path.display) }
    sharesSplit = task.fewshotSplit == nil || task.fewshotSplit == task.testSplit
    shotDocuments = sharesSplit ? documents : try TaskFile.documents(task.fewshotSplit ?? "", of: task, folder)
  }

  /// The data files that a task file names, for fingerprints.
  package static func dataFiles(of path: FilePath) throws -> [FilePath] {
    try task(path).dataFiles.map { path.parent.appending($0.path) }
  }

  private static func task(_ path: FilePath) throws -> EvaluationTask {
    let bytes = try Files.read(path, limit: YAML.maximumSize)
    let node: YAMLNode
    do {
      node = try YAML.parse(bytes)
    } catch {
      throw StageError(
        Problem(
          error.what, at: "\(path.display):\(error.line):\(error.column)", value: error.text, remedy: error.remedy))
    }
    return try EvaluationTask(node.json, file: path.display)
  }

  private static func documents(_ split: String, of task: EvaluationTask, _ folder: FilePath) throws -> [JSON.Object] {
    guard let path = task.path(of: split) else { return [] }
    return try RowReader.documents(of: folder.appending(path))
  }
}

/// The Jinja templates of a task, parsed once.
private final class TaskTemplates: @unchecked Sendable {
  private var known: [String: TextTemplate] = [:]
  private let lock = NSLock()

  func render(_ source: String, _ fields: JSON.Object) throws(EvaluationError) -> String {
    lock.lock()
    defer { lock.unlock() }
    do {
      let template = try known[source] ?? TextTemplate(source: source)
      known[source] = template
      return String(decoding: try template.render(fields), as: UTF8.self)
    } catch {
      throw EvaluationError(Basics.problem(of: error))
    }
  }
}
