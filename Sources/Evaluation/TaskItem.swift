import Basics

/// One document of a task with the requests it makes of a model.
package struct TaskItem: Sendable {
  /// Place of the document in its file, from 0.
  package let index: Int
  package let requests: [ModelRequest]
  /// Texts of the choices; empty unless multiple choice.
  package let choices: [String]
  /// Place of the right choice.
  package let gold: Int
  /// The right answer of a generation, or the target of a log-likelihood.
  package let target: String
  /// The rolling text, for counts of words and bytes.
  package let text: String

  package init(index: Int, requests: [ModelRequest], choices: [String], gold: Int, target: String, text: String) {
    self.index = index
    self.requests = requests
    self.choices = choices
    self.gold = gold
    self.target = target
    self.text = text
  }
}

/// Turns documents into requests: templates, shots, chat.
package struct TaskItemBuilder {
  /// Renders one template over a document's fields.
  package typealias Renderer = @Sendable (_ template: String, _ fields: JSON.Object) throws(EvaluationError) -> String
  /// Renders messages with a generation prompt.
  package typealias ChatRenderer = @Sendable (_ messages: [JSON]) throws(EvaluationError) -> PromptText

  private let task: EvaluationTask
  private let shots: ShotSource
  private let render: Renderer
  private let chat: ChatRenderer?

  /// - Parameters:
  ///   - shots: how many solved examples stand before each question.
  ///   - shotDocuments: what they are taken from; never the item itself.
  ///   - sharesSplit: whether these are the very documents that are asked.
  ///   - seed: of the draws; items must be built in the documents' order to get the same ones.
  package init(
    task: EvaluationTask, shots: Int, shotDocuments: [JSON.Object], sharesSplit: Bool = true, seed: UInt64 = 1234,
    render: @escaping Renderer, chat: ChatRenderer?
  ) {
    self.task = task
    self.shots = ShotSource(
      documents: shotDocuments, count: shots, sampler: task.sampler, drawsOneMore: sharesSplit, seed: seed)
    self.render = render
    self.chat = chat
  }

  /// The item of the document at `index`.
  package func item(_ document: JSON.Object, at index: Int) throws(EvaluationError) -> TaskItem {
    let place = "task '\(task.name)', document \(index + 1)"
    if task.outputType == .loglikelihoodRolling {
      let text = try text(task.docToTarget, document, place)
      return TaskItem(
        index: index, requests: [.whole(Array(text.utf8))], choices: [], gold: 0, target: "", text: text)
    }
    let context = try context(document, place)
    let delimiter = chat == nil ? task.targetDelimiter : ""
    switch task.outputType {
    case .multipleChoice:
      let choices = try choices(document, place)
      let gold = try gold(document, choices, place)
      let requests = choices.map { choice in
        ModelRequest.continuation(context: context, text: Array((delimiter + choice).utf8))
      }
      return TaskItem(index: index, requests: requests, choices: choices, gold: gold, target: choices[gold], text: "")
    case .loglikelihood:
      let target = try text(task.docToTarget, document, place)
      return TaskItem(
        index: index, requests: [.continuation(context: context, text: Array((delimiter + target).utf8))],
        choices: [], gold: 0, target: target, text: "")
    case .generateUntil, .loglikelihoodRolling:
      let target = try text(task.docToTarget, document, place)
      return TaskItem(
        index: index, requests: [.generate(context, task.generation)], choices: [], gold: 0, target: target, text: "")
    }
  }

  private func context(_ document: JSON.Object, _ place: String) throws(EvaluationError) -> PromptText {
    var parts = task.description
    for shot in try shots.next(for: document, task: task.name) {
      parts += try text(.string(task.docToText), shot, place) + task.targetDelimiter
      parts += try answer(shot, place) + task.fewshotDelimiter
    }
    parts += try text(.string(task.docToText), document, place)
    guard let chat else { return PromptText(parts) }
    var messages: [JSON] = []
    if !task.description.isEmpty {
      messages.append(["role": "system", "content": .string(task.description)])
      parts = String(parts.dropFirst(task.description.count))
    }
    messages.append(["role": "user", "content": .string(parts)])
    return try chat(messages)
  }

  /// The right answer of a shot as text.
  private func answer(_ document: JSON.Object, _ place: String) throws(EvaluationError) -> String {
    guard task.outputType == .multipleChoice else { return try text(task.docToTarget, document, place) }
    let choices = try choices(document, place)
    return choices[try gold(document, choices, place)]
  }

  /// A field's value where `template` is a field's name; else the rendered template.
  private func value(_ template: JSON, _ document: JSON.Object, _ place: String) throws(EvaluationError) -> JSON {
    guard let source = template.string else { return template }
    if let field = document[source] { return field }
    do {
      return .string(try render(source, document))
    } catch {
      throw EvaluationError(
        Problem(error.problem.what, at: place, value: error.problem.value, remedy: error.problem.remedy))
    }
  }

  private func text(_ template: JSON, _ document: JSON.Object, _ place: String) throws(EvaluationError) -> String {
    switch try value(template, document, place) {
    case .string(let text): return text
    case .number(let number): return number.literal
    case .bool(let flag): return flag ? "True" : "False"
    case let other:
      throw EvaluationError("a template gave \(other.kindName) where text is needed", at: place, value: other.text())
    }
  }

  private func choices(_ document: JSON.Object, _ place: String) throws(EvaluationError) -> [String] {
    let template = task.docToChoice ?? .array([])
    var list = try value(template, document, place)
    if let rendered = list.string { list = PythonList.parse(rendered) ?? list }
    if let mapping = list.object { list = .array(mapping.members.map(\.value)) }
    guard let items = list.array, items.count > 1 else {
      throw EvaluationError("doc_to_choice must give a list of two choices or more", at: place, value: list.text())
    }
    var choices: [String] = []
    for item in items {
      guard let text = item.string else {
        // A list in the task file may hold templates of its own only as strings.
        choices.append(item.text())
        continue
      }
      choices.append(template.array != nil && text.contains("{{") ? try self.text(item, document, place) : text)
    }
    return choices
  }

  /// As the harness has it: a rendered text of digits is a place, a field's text is the choice itself.
  private func gold(_ document: JSON.Object, _ choices: [String], _ place: String) throws(EvaluationError) -> Int {
    let target = try value(task.docToTarget, document, place)
    let isField = task.docToTarget.string.map { document[$0] != nil } ?? true
    if let text = target.string {
      if !isField, let index = Int(text), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
        if choices.indices.contains(index) { return index }
      } else if let index = choices.firstIndex(where: { sameBytes($0, text) }) {
        return index
      }
    } else if let index = target.int ?? target.bool.map({ $0 ? 1 : 0 }), choices.indices.contains(index) {
      return index
    }
    throw EvaluationError(
      "doc_to_target is neither a choice nor the place of one", at: place, value: target.text(),
      remedy: "choices are \(choices.joined(separator: ", "))")
  }
}

/// Chooses the shots of one document after the other.
private final class ShotSource {
  private let documents: [JSON.Object]
  private let count: Int
  private let sampler: EvaluationTask.ShotSampler
  private let drawsOneMore: Bool
  private var random: PythonRandom

  init(
    documents: [JSON.Object], count: Int, sampler: EvaluationTask.ShotSampler, drawsOneMore: Bool, seed: UInt64
  ) {
    self.documents = documents
    self.count = count
    self.sampler = sampler
    self.drawsOneMore = drawsOneMore
    random = PythonRandom(seed: seed)
  }

  /// Draws one more than needed where the document itself may be among them, and leaves it out.
  func next(for document: JSON.Object, task: String) throws(EvaluationError) -> [JSON.Object] {
    guard count > 0 else { return [] }
    let drawn = drawsOneMore ? count + 1 : count
    guard drawn <= documents.count else {
      throw EvaluationError(
        "task '\(task)' has too few documents for \(count) shots", value: "\(documents.count)",
        remedy: "lower num_fewshot or name a larger fewshot_split")
    }
    let places = sampler == .firstN ? Array(0..<drawn) : random.sample(drawn, of: documents.count)
    return places.map { documents[$0] }.filter { JSON.object($0) != .object(document) }.prefix(count).map { $0 }
  }
}

/// Python's literal for a list of strings and numbers, which templates print.
enum PythonList {
  /// The list that `text` spells, or nil.
  static func parse(_ text: String) -> JSON? {
    var scalars = Array(text.unicodeScalars)[...]
    func skipSpace() { while let next = scalars.first, next.properties.isWhitespace { scalars.removeFirst() } }
    skipSpace()
    guard scalars.popFirst() == "[" else { return nil }
    var items: [JSON] = []
    while true {
      skipSpace()
      if scalars.first == "]" { break }
      guard let item = scalar(&scalars) else { return nil }
      items.append(item)
      skipSpace()
      if scalars.first == "," { scalars.removeFirst() } else if scalars.first != "]" { return nil }
    }
    return .array(items)
  }

  private static func scalar(_ scalars: inout ArraySlice<Unicode.Scalar>) -> JSON? {
    guard let quote = scalars.first, quote == "'" || quote == "\"" else {
      let word = scalars.prefix { $0 != "," && $0 != "]" && $0 != " " }
      scalars = scalars.dropFirst(word.count)
      var text = String.UnicodeScalarView()
      text.append(contentsOf: word)
      return String(text).isEmpty ? nil : .string(String(text))
    }
    scalars.removeFirst()
    var text = String.UnicodeScalarView()
    while let next = scalars.popFirst() {
      if next == quote { return .string(String(text)) }
      guard next == "\\" else {
        text.append(next)
        continue
      }
      guard let escaped = scalars.popFirst() else { return nil }
      switch escaped {
      case "n": text.append("\n")
      case "t": text.append("\t")
      case "r": text.append("\r")
      case "x", "u", "U":
        let count = escaped == "x" ? 2 : escaped == "u" ? 4 : 8
        var digits = String.UnicodeScalarView()
        digits.append(contentsOf: scalars.prefix(count))
        scalars = scalars.dropFirst(count)
        guard let code = UInt32(String(digits), radix: 16), let scalar = Unicode.Scalar(code) else { return nil }
        text.append(scalar)
      default: text.append(escaped)
      }
    }
    return nil
  }
}
