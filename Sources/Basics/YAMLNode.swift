/// A value of a YAML document with the place it was written at.
package struct YAMLNode: Sendable {
  package enum Content: Sendable {
    case scalar(YAMLScalar)
    case mapping([YAMLMember])
    case sequence([YAMLNode])
  }

  package let content: Content
  /// Line of the first character, from 1.
  package let line: Int
  /// Column of the first character in code points, from 1.
  package let column: Int

  package init(_ content: Content, line: Int, column: Int) {
    self.content = content
    self.line = line
    self.column = column
  }
}

/// A key and its value, in the order of the document; keys are always scalars and differ by bytes.
package struct YAMLMember: Sendable {
  package let key: YAMLNode
  package let value: YAMLNode

  package init(key: YAMLNode, value: YAMLNode) {
    self.key = key
    self.value = value
  }

  /// The key's text.
  package var name: String { key.text ?? "" }
}

/// A scalar as it was written, and what it means.
package struct YAMLScalar: Sendable {
  /// The content, with quotes and escapes resolved.
  package let text: String
  /// Whether it stood without quotes and not as a block.
  package let isPlain: Bool
  /// The typed value: null, a boolean, a number or a string.
  package let value: JSON

  package init(text: String, isPlain: Bool, value: JSON) {
    self.text = text
    self.isPlain = isPlain
    self.value = value
  }
}

extension YAMLNode {
  package var scalar: YAMLScalar? { if case .scalar(let scalar) = content { scalar } else { nil } }
  package var members: [YAMLMember]? { if case .mapping(let members) = content { members } else { nil } }
  package var items: [YAMLNode]? { if case .sequence(let items) = content { items } else { nil } }
  /// The content of a scalar, whatever its type.
  package var text: String? { scalar?.text }
  package var isNull: Bool { scalar?.value.isNull ?? false }

  /// The value of the first member named `name`, compared by bytes; nil for other nodes.
  package subscript(name: String) -> YAMLNode? { members?.first { sameBytes($0.name, name) }?.value }

  /// The document as JSON; members keep their order, keys their text.
  package var json: JSON {
    switch content {
    case .scalar(let scalar): scalar.value
    case .sequence(let items): .array(items.map(\.json))
    case .mapping(let members): .object(JSON.Object(members.map { (key: $0.name, value: $0.value.json) }))
    }
  }

  /// "a mapping", "a list", "a number", …: for messages.
  package var kindName: String {
    switch content {
    case .scalar(let scalar): scalar.value.isNull ? "nothing" : scalar.value.kindName
    case .sequence: "a list"
    case .mapping: "a mapping"
    }
  }

  /// The node on one line, shortened: the offending text of a message.
  package var excerpt: String {
    switch content {
    case .scalar(let scalar): scalar.isPlain ? scalar.text : "\"\(scalar.text)\""
    default: Problem.shortened(json.text(), limit: 60)
    }
  }
}
