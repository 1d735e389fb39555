import Basics

/// Reads `vars`, lets `--set` replace values, and resolves variables that use others.
struct VariableReader {
  let scope: Scope

  func read(_ node: YAMLNode?, overrides: [String]) -> (values: [String: YAMLNode], object: JSON.Object) {
    var members: [YAMLMember] = []
    if let node, !node.isNull {
      if let known = node.members {
        members = known
      } else {
        scope.faults.note(node, "'vars' must be a mapping, not \(node.kindName)", remedy: "write `name: value` lines")
      }
    }
    for member in members where !StageNames.isStageName(member.name) {
      scope.faults.note(
        member.key, "a variable cannot be named '\(Problem.shortened(member.name))'", remedy: StageNames.rule)
    }
    replace(in: &members, overrides)
    let values = resolve(members)
    let object = members.compactMap { member in values[member.name].map { (key: member.name, value: $0.json) } }
    return (values, JSON.Object(object))
  }

  private func replace(in members: inout [YAMLMember], _ overrides: [String]) {
    for override in overrides {
      let halves = override.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard halves.count == 2, halves[0].hasPrefix("vars.") else {
        scope.faults.note(
          nil, "--set takes vars.NAME=VALUE", text: override, remedy: "name one of the file's variables")
        continue
      }
      let name = String(halves[0].dropFirst("vars.".count))
      guard let place = members.firstIndex(where: { sameBytes($0.name, name) }) else {
        let names = members.map(\.name)
        let near = Spelling.nearest(to: name, among: names).map { "did you mean vars.\($0)?" }
        let list = names.isEmpty ? "the file has none" : "variables: " + names.prefix(20).joined(separator: ", ")
        scope.faults.note(nil, "--set: there is no variable '\(name)'", text: override, remedy: near ?? list)
        continue
      }
      let key = members[place].key
      members[place] = YAMLMember(key: key, value: VariableReader.value(halves[1], at: key))
    }
  }

  /// A value from the command line: typed as in the file where it is one scalar or a flow collection, else text.
  private static func value(_ text: String, at key: YAMLNode) -> YAMLNode {
    let isFlow = text.hasPrefix("[") || text.hasPrefix("{")
    let outcome = YAML.read(Array(text.utf8))
    if let root = outcome.root, outcome.faults.isEmpty, root.scalar != nil || isFlow {
      return YAMLNode(root.content, line: key.line, column: key.column)
    }
    return YAMLNode(
      .scalar(YAMLScalar(text: text, isPlain: false, value: .string(text))), line: key.line, column: key.column)
  }

  /// Resolves variables in the order they need each other.
  private func resolve(_ members: [YAMLMember]) -> [String: YAMLNode] {
    var scope = scope
    scope.knowsStages = false
    var pending = members
    while !pending.isEmpty {
      var left: [YAMLMember] = []
      let waiting = Set(pending.map(\.name))
      for member in pending {
        let needs = VariableReader.needs(member.value)
        if needs.isDisjoint(with: waiting) {
          if let value = scope.resolveAll(member.value) { scope.vars[member.name] = value }
        } else {
          left.append(member)
        }
      }
      if left.count == pending.count {
        let circle = left.map(\.name)
        if let first = left.first {
          scope.faults.note(
            first.value, "the variable '\(first.name)' needs itself",
            remedy: circle.count > 1 ? "break the circle: " + circle.joined(separator: ", ") : "give it a value")
        }
        break
      }
      pending = left
    }
    return scope.vars
  }

  /// The variables a value uses.
  private static func needs(_ node: YAMLNode) -> Set<String> {
    switch node.content {
    case .scalar(let scalar):
      guard case .string(let text) = scalar.value, Template.isNeeded(text), let template = Template(text) else {
        return []
      }
      return Set(
        template.parts.compactMap { part in
          guard case .reference(let path) = part, path.hasPrefix("vars.") else { return nil }
          return String(path.dropFirst(5))
        })
    case .sequence(let items): return items.reduce(into: []) { $0.formUnion(needs($1)) }
    case .mapping(let members): return members.reduce(into: []) { $0.formUnion(needs($1.value)) }
    }
  }
}
