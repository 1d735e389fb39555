import Basics

/// Where a row came from.
package struct RowPlace: Sendable, Hashable {
  /// Index of the source in the reader's list of sources.
  package var source: Int
  /// Line on which the row begins, from 1.
  package var line: Int
  /// Byte offset at which the row begins: in the file's content after decompression, and, where the file was not
  /// UTF-8, after conversion to it.
  package var offset: Int
  /// 0, or the row's number in a record that holds several (the instances of a seed task).
  package var part: Int

  package init(source: Int, line: Int, offset: Int, part: Int = 0) {
    self.source = source
    self.line = line
    self.offset = offset
    self.part = part
  }
}

/// Who speaks in a message.
package enum Role: UInt8, Sendable {
  case system, user, assistant, tool

  package var name: String {
    switch self {
    case .system: "system"
    case .user: "user"
    case .assistant: "assistant"
    case .tool: "tool"
    }
  }

  /// The role that the names of the known formats mean.
  package init?(named name: String) {
    guard let role = Role.names.first(where: { sameBytes($0.name, name) })?.role else { return nil }
    self = role
  }

  /// The usual names first; OpenAI's, ShareGPT's and other tools' after them.
  private static let names: [(name: String, role: Role)] = [
    ("user", .user), ("assistant", .assistant), ("human", .user), ("gpt", .assistant), ("system", .system),
    ("tool", .tool), ("developer", .system), ("prompter", .user), ("bot", .assistant), ("model", .assistant),
    ("chatgpt", .assistant), ("bing", .assistant), ("bard", .assistant), ("function", .tool), ("observation", .tool),
    ("function_response", .tool), ("tool_response", .tool), ("ipython", .tool),
  ]
}

/// One message of a chat row.
package struct Message: Sendable, Equatable {
  package var role: Role
  package var content: String
  /// `name`, `tool_calls` and `tool_call_id`, where the row has them.
  package var extras: JSON.Object?

  package init(_ role: Role, _ content: String, extras: JSON.Object? = nil) {
    self.role = role
    self.content = content
    self.extras = extras
  }

  package static func == (a: Message, b: Message) -> Bool {
    a.role == b.role && sameBytes(a.content, b.content)
      && JSON.object(a.extras ?? [:]) == JSON.object(b.extras ?? [:])
  }

  /// Whether the message calls a tool.
  package var callsTool: Bool { extras?["tool_calls"] != nil }
}

/// One training row in its canonical form. Only content is kept: no identifier, no file name, no other column.
package struct Row: Sendable {
  package enum Content: Sendable {
    /// `{"messages":[…]}`, with `"tools":[…]` where the row declares some.
    case chat([Message], tools: JSON?)
    /// `{"prompt":…,"completion":…}`: raw text without a chat template.
    case completion(prompt: String, completion: String)
    /// `{"text":…}`
    case text(String)
  }

  package var content: Content
  package var place: RowPlace

  package init(_ content: Content, at place: RowPlace) {
    self.content = content
    self.place = place
  }
}

/// A record that gave no row, and why.
package struct Reject: Sendable {
  /// A stable code: `broken_json`, `undecodable`, `unknown_shape`, ….
  package let reason: String
  /// The reason in words.
  package let detail: String
  package let place: RowPlace
  /// The record as it stood in the file, invalid bytes as U+FFFD; cut at 64 KiB.
  package let raw: String

  package init(_ reason: String, _ detail: String, at place: RowPlace, raw: String = "") {
    self.reason = reason
    self.detail = detail
    self.place = place
    self.raw = raw
  }

  /// `{"file":…,"line":…,"offset":…,"reason":…,"detail":…}` with the name of the source from `sources`.
  package func json(in sources: [SourceReport]) -> JSON {
    [
      "file": .string(sources.indices.contains(place.source) ? sources[place.source].name : ""),
      "line": JSON(place.line), "offset": JSON(place.offset), "reason": .string(reason), "detail": .string(detail),
    ]
  }

  static let rawLimit = 1 << 16

  /// The beginning of `bytes` as text.
  static func excerpt(_ bytes: some Collection<UInt8>) -> String {
    String(decoding: bytes.prefix(rawLimit), as: UTF8.self)
  }
}
