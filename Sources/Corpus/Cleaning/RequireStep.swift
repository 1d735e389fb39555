import Basics

/// `require`: drops rows that are not whole.
struct RequireStep: CleaningStep {
  static let keys: [OptionKey] = [
    OptionKey(
      "roles_alternate", .boolean, default: true,
      "a chat is an optional system message, then user and assistant in turn, tool calls followed by their results, "
        + "and ends with the assistant"),
    OptionKey("non_empty", .boolean, default: true, "no question, answer or text is empty or only white space"),
    OptionKey(
      "no_placeholder", .boolean, default: true,
      "no answer or text is only a placeholder (N/A, TODO, <noinput>, lorem ipsum, ...), and no variable such as {{name}} is left unfilled outside code"
    ),
    OptionKey(
      "no_replacement_characters", .boolean, default: false, "no U+FFFD, the mark of a text that was decoded wrongly"),
    OptionKey(
      "no_control_tokens", .boolean, default: false,
      "no text spells a control token of a chat format, such as <|im_start|>, </s> or [INST]"),
    OptionKey("max_turns", .integer(1...100_000), "most user messages of a chat"),
  ]

  private let rolesAlternate: Bool
  private let nonEmpty: Bool
  private let noPlaceholder: Bool
  private let noReplacement: Bool
  private let noControlTokens: Bool
  private let maxTurns: Int?

  init(_ json: JSON, at place: String) throws(CorpusError) {
    let options = try Options(json, keys: RequireStep.keys, at: place)
    rolesAlternate = options.flag("roles_alternate")
    nonEmpty = options.flag("non_empty")
    noPlaceholder = options.flag("no_placeholder")
    noReplacement = options.flag("no_replacement_characters")
    noControlTokens = options.flag("no_control_tokens")
    maxTurns = options.int("max_turns")
  }

  func run(_ rows: WorkingRows, _ label: StepLabel) throws(CorpusError) {
    let step = self
    try rows.judge(label) { step.verdict($0) }
  }

  private func verdict(_ row: Row) -> Verdict {
    if case .chat(let messages, _) = row.content {
      if rolesAlternate, let fault = TurnOrder.fault(messages) { return .drop(reason: "roles", detail: fault) }
      if let maxTurns {
        let turns = messages.count { $0.role == .user }
        if turns > maxTurns { return .drop(reason: "max_turns", detail: "\(turns) user messages, over \(maxTurns)") }
      }
    }
    if nonEmpty, let fault = emptiness(row) { return .drop(reason: fault.reason, detail: fault.detail) }
    if noPlaceholder, let found = placeholder(row) {
      return .drop(reason: "placeholder", detail: "'\(Problem.shortened(found, limit: 60))' is a placeholder")
    }
    if noReplacement, row.texts.contains(where: { $0.utf8.contains(0xEF) && $0.unicodeScalars.contains("\u{FFFD}") }) {
      return .drop(reason: "replacement_character", detail: "a text holds U+FFFD")
    }
    if noControlTokens, let token = row.texts.lazy.compactMap({ ControlTokens.first(in: $0) }).first {
      return .drop(reason: "control_token", detail: "a text spells the control token '\(token)'")
    }
    return .keep
  }

  private func emptiness(_ row: Row) -> (reason: String, detail: String)? {
    switch row.content {
    case .chat(let messages, _):
      for (index, message) in messages.enumerated() where Blank.isBlank(message.content) {
        switch message.role {
        case .assistant where !message.callsTool: return ("empty_answer", "message \(index + 1), an answer, is empty")
        case .user: return ("empty_prompt", "message \(index + 1), a question, is empty")
        default: break
        }
      }
      if !messages.contains(where: { $0.role == .assistant }) { return ("empty_answer", "there is no answer") }
    case .completion(let prompt, let completion):
      if Blank.isBlank(completion) { return ("empty_answer", "the completion is empty") }
      if Blank.isBlank(prompt) { return ("empty_prompt", "the prompt is empty") }
    case .text(let text):
      if Blank.isBlank(text) { return ("empty_text", "the text is empty") }
    }
    return nil
  }

  private func placeholder(_ row: Row) -> String? {
    switch row.content {
    case .chat(let messages, _):
      for message in messages {
        if message.role == .assistant || message.role == .user, !message.callsTool,
          let found = Placeholders.found(in: message.content, isAnswer: message.role == .assistant)
        {
          return found
        }
      }
      return nil
    case .completion(let prompt, let completion):
      return Placeholders.found(in: completion, isAnswer: true) ?? Placeholders.found(in: prompt, isAnswer: false)
    case .text(let text): return Placeholders.found(in: text, isAnswer: true)
    }
  }
}

/// The order of turns that chat templates accept.
enum TurnOrder {
  /// What is wrong with the order of `messages`; nil when it is right.
  static func fault(_ messages: [Message]) -> String? {
    var previous: Message?
    for (index, message) in messages.enumerated() {
      let before = previous?.role
      let right =
        switch message.role {
        case .system: index == 0
        case .user: before == nil || before == .system || before == .assistant && previous?.callsTool == false
        case .assistant:
          before == .user || before == .tool || before == .assistant && previous?.callsTool == true && message.callsTool
        case .tool: before == .tool || before == .assistant && previous?.callsTool == true
        }
      guard right else {
        let follows = before.map { "after \($0.name)\(previous?.callsTool == true ? " with a tool call" : "")" }
        return "message \(index + 1) is \(message.role.name) \(follows ?? "at the start")"
      }
      previous = message
    }
    guard messages.last?.role == .assistant else { return "the last message is not the assistant's" }
    return nil
  }
}
