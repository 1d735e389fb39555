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
package struct TaskItemBuilder: Sendable {
  /// Renders one template over a document's fields.
  package typealias Renderer = @Sendable (_ template: String, _ fields: JSON.Object) throws(EvaluationError) -> String
  /// Renders messages with a generation prompt.
  package typealias ChatRenderer = @Sendable (_ messages: [JSON]) throws(EvaluationError) -> PromptText

  private let task: EvaluationTask
  private let shots: Int
  private let shotDocuments: [JSON.Object]
  private let render: Renderer
  private let chat: ChatRenderer?

  /// `shotDocuments` are the documents shots are taken from: the first `shots` of them that are not the item itself.
  package init(
    task: EvaluationTask, shots: Int, shotDocuments: [JSON.Object], render: @escaping Renderer, chat: ChatRenderer?
  ) {
    self.task = task
    self.shots = shots
    self.shotDocuments = shotDocuments
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
    for shot in try examples(notLike: document) {
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

  private func examples(notLike document: JSON.Object) throws(EvaluationError) -> [JSON.Object] {
    guard shots > 0 else { return [] }
    let found = shotDocuments.lazy.filter { JSON.object($0) != .object(document) }.prefix(shots)
    guard found.count == shots else {
      throw EvaluationError(
        "task '\(task.name)' has too few documents for \(shots) shots", value: "\(found.count)",
        remedy: "lower num_fewshot or name a larger fewshot_split")
    }
    return Array(found)
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

  private func gold(_ document: JSON.Object, _ choices: [String], _ place: String) throws(EvaluationError) -> Int {
    let target = try value(task.docToTarget, document, place)
    if let index = target.int ?? target.string.flatMap({ Int($0.filter { $0 != " " }) }),
      choices.indices.contains(index)
    {
      // A choice that is spelt like a number wins over its place only when the place is no number in the document.
      if target.int != nil || !choices.contains(where: { sameBytes($0, target.string ?? "") }) { return index }
    }
    if let text = target.string, let index = choices.firstIndex(where: { sameBytes($0, text) }) { return index }
    if let flag = target.bool { return flag ? min(1, choices.count - 1) : 0 }
    throw EvaluationError(
      "doc_to_target is neither a choice nor the place of one", at: place, value: target.text(),
      remedy: "choices are \(choices.joined(separator: ", "))")
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
