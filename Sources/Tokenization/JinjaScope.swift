/// A block's variables, and the block around it.
final class JinjaScope {
  let parent: JinjaScope?
  /// Whether the renderer empties it at the end.
  var isRegistered = false
  private var names: [Int] = []
  private var values: [JinjaValue] = []

  init(_ parent: JinjaScope?) { self.parent = parent }

  /// The variable of this block or one around it.
  func find(_ name: Int) -> JinjaValue? {
    var scope: JinjaScope? = self
    while let current = scope {
      for index in current.names.indices.reversed() where current.names[index] == name {
        return current.values[index]
      }
      scope = current.parent
    }
    return nil
  }

  func clear() {
    names = []
    values = []
  }

  /// Sets the variable in this block only.
  func set(_ name: Int, _ value: JinjaValue) {
    if let index = names.firstIndex(of: name) {
      values[index] = value
    } else {
      names.append(name)
      values.append(value)
    }
  }
}

/// A macro, or the body of a call block, with the block it was defined in.
final class JinjaMacro {
  let definition: JinjaMacroDefinition
  let scope: JinjaScope
  init(_ definition: JinjaMacroDefinition, in scope: JinjaScope) {
    self.definition = definition
    self.scope = scope
  }
}

/// The state of one `for`: the variable `loop`.
final class JinjaLoop {
  var items: [JinjaValue]
  let depth: Int
  let node: JinjaFor
  let scope: JinjaScope
  var index = 0
  /// The values `loop.changed` saw last.
  var lastChanged: [JinjaValue]?

  init(_ items: [JinjaValue], depth: Int, node: JinjaFor, in scope: JinjaScope) {
    self.items = items
    self.depth = depth
    self.node = node
    self.scope = scope
  }
}
