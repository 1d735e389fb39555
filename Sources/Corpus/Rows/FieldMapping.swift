import Basics

/// Names of fields that the built-in shapes do not know: the `fields` option of a source.
package struct FieldMapping: Sendable {
  package static let keys: [OptionKey] = [
    OptionKey("messages", .string, "field that holds the list of messages"),
    OptionKey("role", .string, "field of a message that names its role, with 'messages'"),
    OptionKey("content", .string, "field of a message that holds its text, with 'messages'"),
    OptionKey("roles", .object, "the source's role names mapped to system, user, assistant or tool"),
    OptionKey("tools", .string, "field that declares the tools of a chat"),
    OptionKey("prompt", .string, "field with the prompt; the row becomes prompt and completion"),
    OptionKey("completion", .string, "field with the completion, with 'prompt' or after 'messages'"),
    OptionKey("system", .string, "field with the system message, with 'user' or 'messages'"),
    OptionKey("user", .string, "field with the question; the row becomes a chat"),
    OptionKey("input", .string, "field whose text follows the question after a blank line, with 'user'"),
    OptionKey("assistant", .string, "field with the answer, with 'user'"),
    OptionKey("text", .string, "field with plain text; the row becomes a text"),
  ]

  let messages: String?
  let role: String?
  let content: String?
  let roles: [(name: String, role: Role)]
  let tools: String?
  let prompt: String?
  let completion: String?
  let system: String?
  let user: String?
  let input: String?
  let assistant: String?
  let text: String?

  package init(_ json: JSON, at place: String) throws(CorpusError) {
    let options = try Options(json, keys: FieldMapping.keys, at: place)
    messages = options.string("messages")
    role = options.string("role")
    content = options.string("content")
    tools = options.string("tools")
    prompt = options.string("prompt")
    completion = options.string("completion")
    system = options.string("system")
    user = options.string("user")
    input = options.string("input")
    assistant = options.string("assistant")
    text = options.string("text")
    var roles: [(name: String, role: Role)] = []
    for (name, value) in options.value("roles").object?.members ?? [] {
      guard let word = value.string, let role = Role(named: word), sameBytes(role.name, word) else {
        throw CorpusError(
          .option, "the role '\(name)' must map to system, user, assistant or tool", at: place, value: value.text())
      }
      roles.append((name: name, role: role))
    }
    self.roles = roles
    let shapes = [messages, prompt, user, text].compactMap { $0 }.count
    guard shapes == 1 else {
      throw CorpusError(
        .option, "'fields' must name exactly one of messages, prompt, user and text", at: place, value: json.text())
    }
    if prompt != nil, completion == nil {
      throw CorpusError(.option, "'fields' names a prompt and no completion", at: place, remedy: "add 'completion'")
    }
    if user != nil, assistant == nil {
      throw CorpusError(.option, "'fields' names a user and no assistant", at: place, remedy: "add 'assistant'")
    }
  }

  /// The role a source's name means: the mapping's own names first.
  func role(named name: String) -> Role? {
    roles.first { sameBytes($0.name, name) }?.role ?? Role(named: name)
  }
}
