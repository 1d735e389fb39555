import Basics

extension Row {
  /// Every text of the row in order: message contents, prompt and completion, or the text.
  package var texts: [String] {
    switch content {
    case .chat(let messages, _): messages.map(\.content)
    case .completion(let prompt, let completion): [prompt, completion]
    case .text(let text): [text]
    }
  }

  /// What the model is asked: every message before the last answer, or the prompt; a plain text asks nothing.
  package var promptTexts: [String] {
    switch content {
    case .chat(let messages, _): messages[..<answerIndex(messages)].map(\.content)
    case .completion(let prompt, _): [prompt]
    case .text: []
    }
  }

  /// The last answer of a chat, the completion, or the whole text; nil when a chat does not end in an answer.
  package var answer: String? {
    switch content {
    case .chat(let messages, _): messages.last.flatMap { $0.role == .assistant ? $0.content : nil }
    case .completion(_, let completion): completion
    case .text(let text): text
    }
  }

  private func answerIndex(_ messages: [Message]) -> Int {
    messages.last?.role == .assistant ? messages.count - 1 : messages.count
  }

  /// The row with the texts that `change(text, ends)` gives anew; nil when it gives none. `ends` tells which ends of
  /// the text touch another text directly, so that white space there has a meaning.
  func mapTexts(_ change: (String, TextEnds) -> String?) -> Row? {
    switch content {
    case .chat(var messages, let tools):
      var changed = false
      for index in messages.indices {
        guard let text = change(messages[index].content, []) else { continue }
        messages[index].content = text
        changed = true
      }
      return changed ? Row(.chat(messages, tools: tools), at: place) : nil
    case .completion(let prompt, let completion):
      let first = change(prompt, .end)
      let second = change(completion, .start)
      if first == nil, second == nil { return nil }
      return Row(.completion(prompt: first ?? prompt, completion: second ?? completion), at: place)
    case .text(let text): return change(text, []).map { Row(.text($0), at: place) }
    }
  }
}

/// The ends of a text that are joined to a neighbour as they stand.
struct TextEnds: OptionSet {
  let rawValue: UInt8
  static let start = TextEnds(rawValue: 1)
  static let end = TextEnds(rawValue: 2)
}
