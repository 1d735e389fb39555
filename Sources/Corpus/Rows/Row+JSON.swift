import Basics

extension Row {
  /// The canonical row as compact JSON, keys in the order of the canonical forms.
  package var json: JSON {
    switch content {
    case .chat(let messages, let tools):
      var members: [(key: String, value: JSON)] = [(key: "messages", value: .array(messages.map(\.json)))]
      if let tools { members.append((key: "tools", value: tools)) }
      return .object(JSON.Object(members))
    case .completion(let prompt, let completion):
      return ["prompt": .string(prompt), "completion": .string(completion)]
    case .text(let text): return ["text": .string(text)]
    }
  }

  /// Appends `json` as text, without building the value.
  func write(to bytes: inout [UInt8]) {
    switch content {
    case .chat(let messages, let tools):
      bytes += #"{"messages":["#.utf8
      for (index, message) in messages.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        bytes += #"{"role":""#.utf8
        bytes += message.role.name.utf8
        bytes += #"","content":"#.utf8
        JSON.write(message.content, to: &bytes)
        for (key, value) in message.extras?.members ?? [] {
          bytes.append(UInt8(ascii: ","))
          JSON.write(key, to: &bytes)
          bytes.append(UInt8(ascii: ":"))
          bytes += value.encoded()
        }
        bytes.append(UInt8(ascii: "}"))
      }
      bytes.append(UInt8(ascii: "]"))
      if let tools {
        bytes += #","tools":"#.utf8
        bytes += tools.encoded()
      }
    case .completion(let prompt, let completion):
      bytes += #"{"prompt":"#.utf8
      JSON.write(prompt, to: &bytes)
      bytes += #","completion":"#.utf8
      JSON.write(completion, to: &bytes)
    case .text(let text):
      bytes += #"{"text":"#.utf8
      JSON.write(text, to: &bytes)
    }
    bytes.append(UInt8(ascii: "}"))
  }

  /// The canonical row as one line of JSON, without the line end.
  package var line: [UInt8] {
    var bytes: [UInt8] = []
    write(to: &bytes)
    return bytes
  }
}

extension Message {
  var json: JSON {
    .object(
      JSON.Object(
        [(key: "role", value: .string(role.name)), (key: "content", value: .string(content))] + (extras?.members ?? []))
    )
  }
}
