import Basics

/// Reads a list of messages in OpenAI's or ShareGPT's form, or under names of the user's own.
struct MessageReader {
  let mapping: FieldMapping?

  func messages(_ value: JSON, _ key: String) throws(ShapeFault) -> [Message] {
    var list = value
    if let text = value.string, let parsed = try? JSONParser.parse(text) { list = parsed }
    guard let items = list.array else {
      throw ShapeFault("wrong_type", "'\(key)' must be a list of messages, found \(value.kindName)")
    }
    guard !items.isEmpty else { throw ShapeFault("empty_record", "'\(key)' holds no message") }
    var messages: [Message] = []
    messages.reserveCapacity(items.count)
    for (index, item) in items.enumerated() {
      guard let object = item.object else {
        throw ShapeFault("wrong_type", "message \(index + 1) must be an object, found \(item.kindName)")
      }
      messages.append(try message(object, index + 1))
    }
    return messages
  }

  private func message(_ object: JSON.Object, _ number: Int) throws(ShapeFault) -> Message {
    let roleKeys = mapping?.role.map { [$0] } ?? ["role", "from"]
    let contentKeys = mapping?.content.map { [$0] } ?? ["content", "value", "text"]
    guard let roleKey = roleKeys.first(where: { object[$0] != nil }), let name = object[roleKey]?.string else {
      throw ShapeFault("unknown_shape", "message \(number) has no '\(roleKeys.joined(separator: "' or '"))' string")
    }
    let contentKey = contentKeys.first { object[$0] != nil }
    if sameBytes(name, "function_call") || sameBytes(name, "tool_call") {
      return call(try text(contentKey.flatMap { object[$0] } ?? .null, number))
    }
    guard let role = mapping?.role(named: name) ?? (mapping == nil ? Role(named: name) : nil) else {
      throw ShapeFault("unknown_role", "message \(number) has the unknown role '\(Problem.shortened(name, limit: 40))'")
    }
    let extras = extras(object)
    let content = contentKey.flatMap { object[$0] } ?? .null
    if content.isNull, extras?["tool_calls"] == nil {
      throw ShapeFault("missing_field", "message \(number) has no '\(contentKeys.joined(separator: "' or '"))'")
    }
    return Message(role, content.isNull ? "" : try text(content, number), extras: extras)
  }

  /// A text, or typed parts of which all are text, joined as they stand.
  private func text(_ value: JSON, _ number: Int) throws(ShapeFault) -> String {
    if let text = value.string { return text }
    guard let parts = value.array else {
      throw ShapeFault("wrong_type", "the content of message \(number) must be text, found \(value.kindName)")
    }
    var result = ""
    for part in parts {
      if let text = part.string {
        result += text
        continue
      }
      guard let object = part.object, let text = (object["text"] ?? object["value"])?.string,
        object["type"].map({ $0.string.map { sameBytes($0, "text") } ?? false }) ?? true
      else {
        let kind = part["type"]?.string ?? part.kindName
        throw ShapeFault(
          "unsupported_part", "message \(number) has a part that is no text: \(Problem.shortened(kind, limit: 40))")
      }
      result += text
    }
    return result
  }

  private func extras(_ object: JSON.Object) -> JSON.Object? {
    var kept: [(key: String, value: JSON)] = []
    for key in ["name", "tool_calls", "tool_call_id"] {
      guard let value = object[key], !value.isNull, value.array?.isEmpty != true else { continue }
      kept.append((key: key, value: value))
    }
    if let call = object["function_call"], let function = call.object {
      kept.append((key: "tool_calls", value: [["type": "function", "function": .object(function)]]))
    }
    return kept.isEmpty ? nil : JSON.Object(kept)
  }

  /// ShareGPT's `function_call` turn: the call or calls as JSON, or whatever text it holds.
  private func call(_ text: String) -> Message {
    guard let parsed = try? JSONParser.parse(text) else { return Message(.assistant, text) }
    let calls = parsed.array ?? [parsed]
    guard !calls.isEmpty, calls.allSatisfy({ $0["name"]?.string != nil }) else { return Message(.assistant, text) }
    return Message(
      .assistant, "", extras: ["tool_calls": .array(calls.map { ["type": "function", "function": $0] })])
  }
}
