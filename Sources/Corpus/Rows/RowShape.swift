import Basics

/// Why a record is no row.
struct ShapeFault: Error {
  let reason: String
  let detail: String

  init(_ reason: String, _ detail: String) {
    self.reason = reason
    self.detail = detail
  }
}

/// Recognises the shape of a record by its fields and gives its canonical rows.
///
/// The shapes, in the order they are tried: messages or conversations (OpenAI, ShareGPT); instruction with output
/// (Alpaca, also with system and history) or with instances (seed tasks); prompt with completion or response; a
/// conversation tree (OASST); question with answer, query with response, input with output; text.
/// Fields that no shape uses are dropped.
struct RowShape {
  let mapping: FieldMapping?

  /// The rows of `record`, nearly always one.
  func contents(of record: JSON) throws(ShapeFault) -> [Row.Content] {
    guard let object = record.object else {
      throw ShapeFault("not_an_object", "a row must be an object, found \(record.kindName)")
    }
    if let mapping { return [try mapped(object, mapping)] }
    if has(object, "chosen"), has(object, "rejected") { throw preference(object) }
    if has(object, "chosen_messages") { throw preference(object) }
    for key in ["messages", "conversations", "conversation"] where has(object, key) {
      return [try chat(object, key)]
    }
    if has(object, "instruction") {
      if let content = try alpaca(object) { return content }
    }
    if let prompt = object["prompt"] {
      if let tree = prompt.object, tree["replies"] != nil { return [try ConversationTree.best(tree)] }
      if let key = first(object, ["completion", "response", "output", "answer"]) {
        return [try promptCompletion(prompt, object[key] ?? .null, key, object)]
      }
    }
    for (question, answers) in RowShape.questionShapes where has(object, question) {
      if let answer = first(object, answers) { return [try questionChat(object, question, answer)] }
    }
    if let text = object["text"] { return [.text(try string(text, "text"))] }
    throw unknown(object)
  }

  private static let questionShapes: [(String, [String])] = [
    ("question", ["answer", "response", "output", "completion"]),
    ("query", ["response", "answer", "output"]),
    ("input", ["output", "response"]),
    ("user", ["assistant"]),
  ]

  // MARK: Chats

  private func chat(_ object: JSON.Object, _ key: String) throws(ShapeFault) -> Row.Content {
    var messages = try MessageReader(mapping: nil).messages(object[key] ?? .null, key)
    messages = try withSystem(object, messages, ["system", "system_prompt"])
    return .chat(messages, tools: try tools(object))
  }

  private func alpaca(_ object: JSON.Object) throws(ShapeFault) -> [Row.Content]? {
    let instruction = try string(object["instruction"] ?? .null, "instruction")
    if let instances = object["instances"]?.array {
      guard !instances.isEmpty else { throw ShapeFault("empty_record", "'instances' holds nothing") }
      var contents: [Row.Content] = []
      for instance in instances {
        guard let one = instance.object, let answer = one["output"] else {
          throw ShapeFault("unknown_shape", "an instance must have an 'output'")
        }
        contents.append(try instructionChat(object, instruction, one["input"], answer, "output"))
      }
      return contents
    }
    guard let key = first(object, ["output", "response", "completion", "answer"]) else { return nil }
    return [
      try instructionChat(object, instruction, object["input"] ?? object["context"], object[key] ?? .null, key)
    ]
  }

  private func instructionChat(
    _ object: JSON.Object, _ instruction: String, _ input: JSON?, _ answer: JSON, _ answerKey: String
  ) throws(ShapeFault) -> Row.Content {
    let extra = try optionalString(input, "input") ?? ""
    var messages = try history(object["history"])
    messages.append(Message(.user, joined(instruction, extra)))
    messages.append(Message(.assistant, try string(answer, answerKey)))
    return .chat(try withSystem(object, messages, ["system", "system_prompt"]), tools: try tools(object))
  }

  /// The question and its input, a blank line between them.
  private func joined(_ instruction: String, _ input: String) -> String {
    if input.utf8.allSatisfy({ $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }) { return instruction }
    return instruction.isEmpty ? input : instruction + "\n\n" + input
  }

  /// Alpaca's `history`: pairs of question and answer; null, "" and [] mean none.
  private func history(_ value: JSON?) throws(ShapeFault) -> [Message] {
    guard let value, !value.isNull else { return [] }
    if let text = value.string {
      if text.isEmpty { return [] }
      guard let parsed = try? JSONParser.parse(text), parsed.string == nil else {
        throw ShapeFault("wrong_type", "'history' must be a list of pairs")
      }
      return try history(parsed)
    }
    var messages: [Message] = []
    for pair in value.array ?? [.null] {
      guard let turns = pair.array, turns.count == 2 else {
        throw ShapeFault("wrong_type", "'history' must be a list of pairs of question and answer")
      }
      messages.append(Message(.user, try string(turns[0], "history")))
      messages.append(Message(.assistant, try string(turns[1], "history")))
    }
    return messages
  }

  private func questionChat(_ object: JSON.Object, _ question: String, _ answer: String) throws(ShapeFault)
    -> Row.Content
  {
    let messages = [
      Message(.user, try string(object[question] ?? .null, question)),
      Message(.assistant, try string(object[answer] ?? .null, answer)),
    ]
    return .chat(try withSystem(object, messages, ["system", "system_prompt"]), tools: nil)
  }

  private func withSystem(_ object: JSON.Object, _ messages: [Message], _ keys: [String]) throws(ShapeFault)
    -> [Message]
  {
    guard let key = first(object, keys), messages.first?.role != .system,
      let text = try optionalString(object[key], key), !text.isEmpty
    else { return messages }
    return [Message(.system, text)] + messages
  }

  // MARK: Prompt and completion

  /// Two texts, or two lists of messages as TRL has them.
  private func promptCompletion(
    _ prompt: JSON, _ completion: JSON, _ key: String, _ object: JSON.Object
  ) throws(ShapeFault) -> Row.Content {
    if prompt.array != nil {
      let reader = MessageReader(mapping: nil)
      let question = try reader.messages(prompt, "prompt")
      let answer =
        completion.array != nil
        ? try reader.messages(completion, key) : [Message(.assistant, try string(completion, key))]
      return .chat(question + answer, tools: try tools(object))
    }
    if let system = try optionalString(object["system"], "system"), !system.isEmpty {
      return .chat(
        [
          Message(.system, system), Message(.user, try string(prompt, "prompt")),
          Message(.assistant, try string(completion, key)),
        ], tools: nil)
    }
    return .completion(prompt: try string(prompt, "prompt"), completion: try string(completion, key))
  }

  // MARK: The `fields` option

  private func mapped(_ object: JSON.Object, _ mapping: FieldMapping) throws(ShapeFault) -> Row.Content {
    if let key = mapping.text { return .text(try field(object, key)) }
    if let key = mapping.prompt, let answer = mapping.completion {
      return .completion(prompt: try field(object, key), completion: try field(object, answer))
    }
    var messages: [Message]
    if let key = mapping.messages {
      messages = try MessageReader(mapping: mapping).messages(try value(object, key), key)
      if let key = mapping.completion {
        let answer = try value(object, key)
        if answer.object != nil {
          messages += try MessageReader(mapping: mapping).messages(.array([answer]), key)
        } else {
          messages.append(Message(.assistant, try string(answer, key)))
        }
      }
    } else {
      let extra = try mapping.input.map { key throws(ShapeFault) in try optionalString(object[key], key) } ?? nil
      messages = [
        Message(.user, joined(try field(object, mapping.user ?? ""), extra ?? "")),
        Message(.assistant, try field(object, mapping.assistant ?? "")),
      ]
    }
    if let key = mapping.system { messages = try withSystem(object, messages, [key]) }
    return .chat(messages, tools: try tools(object, key: mapping.tools))
  }

  private func value(_ object: JSON.Object, _ key: String) throws(ShapeFault) -> JSON {
    guard let value = object[key] else {
      throw ShapeFault("missing_field", "no field '\(key)'; the row has \(names(object))")
    }
    return value
  }

  private func field(_ object: JSON.Object, _ key: String) throws(ShapeFault) -> String {
    try string(try value(object, key), key)
  }

  // MARK: Parts

  /// `tools` or `functions`: a list, or a list spelled as a string; an empty one counts as none.
  private func tools(_ object: JSON.Object, key: String? = nil) throws(ShapeFault) -> JSON? {
    guard let key = key ?? first(object, ["tools", "functions"]), let value = object[key], !value.isNull else {
      return nil
    }
    var list = value
    if let text = value.string {
      if text.utf8.allSatisfy({ $0 == 0x20 }) { return nil }
      guard let parsed = try? JSONParser.parse(text) else {
        throw ShapeFault("wrong_type", "'\(key)' is a string that is no JSON list")
      }
      list = parsed
    }
    guard let items = list.array else { throw ShapeFault("wrong_type", "'\(key)' must be a list") }
    if items.isEmpty { return nil }
    return list
  }

  private func string(_ value: JSON, _ key: String) throws(ShapeFault) -> String {
    guard let text = value.string else {
      throw ShapeFault("wrong_type", "'\(key)' must be a string, found \(value.kindName)")
    }
    return text
  }

  private func optionalString(_ value: JSON?, _ key: String) throws(ShapeFault) -> String? {
    guard let value, !value.isNull else { return nil }
    return try string(value, key)
  }

  private func has(_ object: JSON.Object, _ key: String) -> Bool { object[key] != nil }

  private func first(_ object: JSON.Object, _ keys: [String]) -> String? { keys.first { has(object, $0) } }

  private func unknown(_ object: JSON.Object) -> ShapeFault {
    ShapeFault("unknown_shape", "no known shape; the row has \(names(object)); map its fields with 'fields'")
  }

  private func preference(_ object: JSON.Object) -> ShapeFault {
    ShapeFault(
      "preference_pair",
      "a preference pair is no training row by itself; the row has \(names(object)); choose a side with 'fields'")
  }

  private func names(_ object: JSON.Object) -> String {
    if object.isEmpty { return "no keys" }
    let shown = object.keys.prefix(20).map { "'\(Problem.shortened($0, limit: 40))'" }.joined(separator: ", ")
    return "the keys \(shown)" + (object.count > 20 ? ", …" : "")
  }
}
