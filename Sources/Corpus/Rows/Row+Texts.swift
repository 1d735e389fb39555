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

  /// The row with every text replaced by `change(text, position)`, where `position` tells which ends of the text
  /// touch another text directly, so that white space there has a meaning.
  func mapTexts(_ change: (String, TextEnds) -> String) -> Row {
    var result = self
    switch content {
    case .chat(let messages, let tools):
      result.content = .chat(
        messages.map {
          var message = $0
          message.content = change($0.content, [])
          return message
        }, tools: tools)
    case .completion(let prompt, let completion):
      result.content = .completion(
        prompt: change(prompt, .end), completion: change(completion, .start))
    case .text(let text): result.content = .text(change(text, []))
    }
    return result
  }

  /// Whether both rows have the same texts, byte for byte; their shape must be the same.
  func sameTexts(as other: Row) -> Bool {
    switch (content, other.content) {
    case (.chat(let a, _), .chat(let b, _)):
      a.count == b.count && zip(a, b).allSatisfy { sameBytes($0.content, $1.content) }
    case (.completion(let a, let b), .completion(let c, let d)): sameBytes(a, c) && sameBytes(b, d)
    case (.text(let a), .text(let b)): sameBytes(a, b)
    default: false
    }
  }
}

/// The ends of a text that are joined to a neighbour as they stand.
struct TextEnds: OptionSet {
  let rawValue: UInt8
  static let start = TextEnds(rawValue: 1)
  static let end = TextEnds(rawValue: 2)
}
