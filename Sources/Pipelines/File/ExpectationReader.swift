import Basics

/// Reads `expect`: limits by metric, nested or dotted.
struct ExpectationReader {
  let scope: Scope

  func read(_ node: YAMLNode) -> [Expectation] { read(node, []) }

  private func read(_ node: YAMLNode, _ path: [String]) -> [Expectation] {
    guard let members = node.members, !members.isEmpty else {
      let name = path.last ?? "expect"
      let remedy =
        node.scalar?.value.double != nil ? "write {min: \(node.text ?? "0")} or {max: …}" : "write {min: …, max: …}"
      scope.faults.note(node, "'\(name)' must be a mapping with min or max, not \(node.kindName)", remedy: remedy)
      return []
    }
    if !path.isEmpty, members.contains(where: { ["min", "max"].contains($0.name) && $0.value.members == nil }) {
      return limit(node, members, path).map { [$0] } ?? []
    }
    return members.flatMap { member in
      read(member.value, path + member.name.split(separator: ".").map(String.init))
    }
  }

  private func limit(_ node: YAMLNode, _ members: [YAMLMember], _ path: [String]) -> Expectation? {
    var bounds: [String: Double] = [:]
    for member in members {
      guard ["min", "max"].contains(member.name) else {
        let near = Spelling.nearest(to: member.name, among: ["min", "max"])
        scope.faults.note(
          member.key, "unknown key '\(member.name)' beside a limit",
          remedy: near.map { "did you mean '\($0)'?" } ?? "only min and max are known")
        return nil
      }
      guard case .node(let value)? = scope.resolve(member.value),
        let number = ScalarDecoder(node: value, name: member.name, faults: scope.faults).value(.number(NumberRange()))
      else { return nil }
      bounds[member.name] = number.double
    }
    if let low = bounds["min"], let high = bounds["max"], low > high {
      scope.faults.note(node, "'min' is above 'max'", remedy: "swap them")
      return nil
    }
    return Expectation(metric: path, minimum: bounds["min"], maximum: bounds["max"], position: node.position)
  }
}
