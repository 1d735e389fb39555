import Basics

/// What `${…}` can mean at one place of the file.
struct Scope {
  let faults: FaultList
  /// Values of `vars`, resolved.
  var vars: [String: YAMLNode] = [:]
  /// Variables that have had their fault.
  var brokenVars: Set<String> = []
  /// Values of the axes of the cell at hand, by the names `${matrix.…}` may use.
  var axes: [String: YAMLNode] = [:]
  /// Axis names that several stages declare, so that a bare name does not tell which.
  var ambiguousAxes: Set<String> = []
  var seed = 0
  /// Whether `${stages.…}` may stand here.
  var knowsStages = true
  /// Names that a command's shell knows.
  var shellNames: Set<String> = []
  /// Called with the name of each axis used.
  var used: (String) -> Void = { _ in }

  /// A node with its references resolved.
  enum Resolved {
    case node(YAMLNode)
    /// Exactly `${stages.NAME.OUTPUT}`.
    case output(stage: String, output: String)
  }

  /// The node, or what its references stand for; nil when a fault was noted.
  func resolve(_ node: YAMLNode, shell: Bool = false) -> Resolved? {
    guard let scalar = node.scalar, case .string(let source) = scalar.value, Template.isNeeded(source) else {
      return .node(node)
    }
    guard let template = Template(source) else {
      faults.note(node, "a '${' without its '}'", remedy: "close it, or write '$${' for the text itself")
      return nil
    }
    if template.parts.count == 1, case .reference(let path) = template.parts[0] {
      if shell, shellNames.contains(path) { return .node(node) }
      if path.hasPrefix("stages.") { return stageOutput(path, node) }
      return value(path, node, shell: shell).map { .node($0) }
    }
    var text = ""
    for part in template.parts {
      switch part {
      case .text(let piece): text += piece
      case .reference(let path) where shell && shellNames.contains(path): text += "${\(path)}"
      case .reference(let path):
        guard let piece = piece(path, node, shell: shell) else { return nil }
        text += piece
      }
    }
    let joined = YAMLScalar(text: text, isPlain: false, value: .string(text))
    return .node(YAMLNode(.scalar(joined), line: node.line, column: node.column))
  }

  /// The node with every reference inside it resolved: for `vars` and `matrix`, which know no stages.
  func resolveAll(_ node: YAMLNode) -> YAMLNode? {
    switch node.content {
    case .scalar:
      guard case .node(let resolved)? = resolve(node) else { return nil }
      return resolved
    case .sequence(let items):
      let resolved = items.compactMap { resolveAll($0) }
      return resolved.count == items.count ? YAMLNode(.sequence(resolved), line: node.line, column: node.column) : nil
    case .mapping(let members):
      let resolved = members.compactMap { member in
        resolveAll(member.value).map { YAMLMember(key: member.key, value: $0) }
      }
      return resolved.count == members.count ? YAMLNode(.mapping(resolved), line: node.line, column: node.column) : nil
    }
  }

  /// The text of a reference inside a longer text.
  private func piece(_ path: String, _ node: YAMLNode, shell: Bool) -> String? {
    if path.hasPrefix("stages.") {
      let remedy =
        shell
        ? "declare it under `inputs` and write $NAME" : "let \"${\(path)}\" be the whole value, without other text"
      faults.note(node, "a stage's output cannot be part of a text", text: "${\(path)}", remedy: remedy)
      return nil
    }
    guard let value = value(path, node, shell: shell) else { return nil }
    guard let scalar = value.scalar, !scalar.value.isNull else {
      faults.note(
        node, "\(value.kindName) cannot be part of a text", text: "${\(path)}", remedy: "use a text or a number")
      return nil
    }
    switch scalar.value {
    case .string(let text): return text
    case let value: return value.canonicalNumber.text()
    }
  }

  private func stageOutput(_ path: String, _ node: YAMLNode) -> Resolved? {
    guard knowsStages else {
      faults.note(node, "a stage's output cannot stand here", remedy: "use it in `with` or `inputs` of a stage")
      return nil
    }
    let steps = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard steps.count == 3, !steps[1].isEmpty, !steps[2].isEmpty else {
      faults.note(node, "a reference to no output", text: "${\(path)}", remedy: "write ${stages.NAME.OUTPUT}")
      return nil
    }
    return .output(stage: steps[1], output: steps[2])
  }

  private func value(_ path: String, _ node: YAMLNode, shell: Bool) -> YAMLNode? {
    if path == "seed" {
      let value = JSON(seed)
      let scalar = YAMLScalar(text: value.text(), isPlain: true, value: value)
      return YAMLNode(.scalar(scalar), line: node.line, column: node.column)
    }
    let steps = path.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let name = steps.count == 2 ? steps[1] : ""
    switch steps[0] {
    case "vars" where steps.count == 2:
      if let value = vars[name] { return value }
      if brokenVars.contains(name) { return nil }
      return unknown(path, node, shell, "no variable '\(name)'", vars.keys.map { "vars.\($0)" })
    case "matrix" where steps.count == 2:
      if ambiguousAxes.contains(name) {
        faults.note(
          node, "several stages have an axis '\(name)'", text: "${\(path)}", remedy: "write ${matrix.STAGE.\(name)}")
        return nil
      }
      if let value = axes[name] {
        used(name)
        return value
      }
      return unknown(path, node, shell, "no axis '\(name)' here", axes.keys.map { "matrix.\($0)" })
    default:
      let known = ["seed"] + vars.keys.map { "vars.\($0)" } + axes.keys.map { "matrix.\($0)" }
      return unknown(path, node, shell, "an unknown reference", known)
    }
  }

  private func unknown(
    _ path: String, _ node: YAMLNode, _ shell: Bool, _ what: String, _ known: [String]
  ) -> YAMLNode? {
    let candidates = known.sorted()
    var remedy: String?
    if faults.wantsSuggestions {
      let bare = candidates.first { $0.split(separator: ".").last.map(String.init) == path }
      let near = bare ?? Spelling.nearest(to: path, among: candidates)
      remedy =
        near.map { "did you mean ${\($0)}?" }
        ?? (candidates.isEmpty ? nil : "known here: " + candidates.prefix(12).joined(separator: ", "))
      if shell, near == nil { remedy = "write $${\(path)} for the shell's own, or $\(path)" }
    }
    faults.note(node, what, text: "${\(path)}", remedy: remedy)
    return nil
  }
}

extension JSON {
  /// A number in its one canonical spelling, so that 1e-4 and 0.0001 are the same; other values as they are.
  var canonicalNumber: JSON {
    guard case .number(let number) = self else { return self }
    if let int = number.int { return JSON(int) }
    return number.double.map { JSON($0) } ?? self
  }
}
