import Basics

/// A tree of ranked replies as Open Assistant publishes it.
enum ConversationTree {
  /// The conversation along the best-ranked replies, up to the last answer.
  ///
  /// Deleted messages and those a review refused are passed over; without ranks the first reply counts.
  static func best(_ root: JSON.Object) throws(ShapeFault) -> Row.Content {
    var messages: [Message] = []
    var next: JSON.Object? = root
    while let node = next, messages.count < 1000 {
      guard let name = node["role"]?.string, let role = Role(named: name), let text = node["text"]?.string else {
        throw ShapeFault("unknown_shape", "a reply of the conversation tree has no role or no text")
      }
      messages.append(Message(role, text))
      let replies = (node["replies"]?.array ?? []).compactMap(\.object).filter {
        $0["deleted"]?.bool != true && $0["review_result"]?.bool != false
      }
      next =
        replies.enumerated().min {
          ($0.element["rank"]?.int ?? .max, $0.offset) < ($1.element["rank"]?.int ?? .max, $1.offset)
        }?.element
    }
    if let answer = messages.lastIndex(where: { $0.role == .assistant }) {
      messages.removeSubrange((answer + 1)...)
    } else {
      throw ShapeFault("empty_record", "the conversation tree holds no answer")
    }
    return .chat(messages, tools: nil)
  }
}
