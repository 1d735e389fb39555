import Basics

/// Turns the variables of a rendering into values with origins.
enum ChatVariables {
  /// Roles that a template may write as its own text. Any other is text of the row.
  private static let knownRoles: Set<String> = [
    "system", "user", "assistant", "tool", "developer", "function", "model", "human", "bot", "gpt", "ipython",
    "environment", "observation", "tool_response", "tool_call", "tool_result", "tool_results", "tools", "documents",
    "context", "chatbot", "User", "Assistant", "System", "available_tools",
  ]
  /// The names under which a message's reasoning is found; the first is the standard one.
  private static let reasoning = ["reasoning_content", "thinking", "reasoning"]

  static func values(of variables: JSON.Object) throws(JinjaFault) -> JinjaDict {
    let result = JinjaDict()
    for name in ["tools", "documents"] { try result.set(.text(JinjaText(name)), .none) }
    try result.set(.text(JinjaText("add_generation_prompt")), .bool(false))
    for (name, value) in variables.members {
      let key = JinjaValue.text(JinjaText(name))
      if name == "messages" {
        try result.set(key, try messages(value))
      } else {
        try result.set(key, try self.value(of: value, isTrusted(name) ? .template : .data))
      }
    }
    return result
  }

  /// Texts that come from the tokenizer, not from a row.
  private static func isTrusted(_ name: String) -> Bool { name.hasSuffix("_token") }

  private static func messages(_ json: JSON) throws(JinjaFault) -> JinjaValue {
    guard let list = json.array else { throw JinjaFault("'messages' must be an array, not \(json.kindName)") }
    var result: [JinjaValue] = []
    for (index, message) in list.enumerated() {
      guard let object = message.object else {
        throw JinjaFault("message \(index) must be an object, not \(message.kindName)")
      }
      result.append(try self.message(object, index))
    }
    return .list(result)
  }

  private static func message(_ object: JSON.Object, _ index: Int) throws(JinjaFault) -> JinjaValue {
    let origin = JinjaOrigin.message(index)
    let dict = JinjaDict()
    let thought = reasoning.lazy.compactMap { name in object[name].flatMap { $0.isNull ? nil : $0 } }.first
    if let thought { try dict.set(.text(JinjaText("thinking", origin)), try value(of: thought, origin)) }
    for (name, member) in object.members where !member.isNull {
      let isRole = name == "role" && member.string.map { knownRoles.contains($0) } ?? false
      try dict.set(.text(JinjaText(name, origin)), try value(of: member, isRole ? .template : origin))
    }
    if let thought { try dict.set(.text(JinjaText("reasoning_content", origin)), try value(of: thought, origin)) }
    return JinjaValue(.dict(dict), origin)
  }

  /// A JSON value as Python's `json.loads` makes it.
  static func value(of json: JSON, _ origin: JinjaOrigin) throws(JinjaFault) -> JinjaValue {
    switch json {
    case .null: return JinjaValue(.none, origin)
    case .bool(let flag): return JinjaValue(.bool(flag), origin)
    case .string(let text): return .text(JinjaText(text, origin))
    case .number(let number):
      if !number.literal.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }) {
        if let int = Int(number.literal) { return JinjaValue(.int(int), origin) }
        return JinjaValue(.wide(number.literal), origin)
      }
      return JinjaValue(.double(Double(number.literal) ?? .infinity), origin)
    case .array(let items):
      var list: [JinjaValue] = []
      list.reserveCapacity(items.count)
      for item in items { list.append(try value(of: item, origin)) }
      return JinjaValue(.list(list), origin)
    case .object(let object):
      let dict = JinjaDict()
      for (name, member) in object.members {
        try dict.set(.text(JinjaText(name, origin)), try value(of: member, origin))
      }
      return JinjaValue(.dict(dict), origin)
    }
  }
}
