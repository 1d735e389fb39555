import Basics

/// Reads one stage of the file: everything but the types of its `with`.
struct StageReader {
  let scope: Scope
  let stages: Set<String>
  /// The names in the file's order, for suggestions.
  let stageOrder: [String]
  /// The kinds of the stages whose `uses` is known.
  let kinds: [String: StageKind]
  /// Every output name any kind has: tells a mistyped `stage.output` from a file's name.
  let outputNames: Set<String>
  /// The pipeline file as it was named.
  let file: String

  private var faults: FaultList { scope.faults }

  func read(_ member: YAMLMember) -> StageDeclaration? {
    let node = member.value
    let title = "stage '\(member.name)'"
    guard node.members != nil else {
      faults.note(
        member.key, "\(title) must be a mapping, not \(node.kindName)", text: node.excerpt,
        remedy: "write `uses: …` below it")
      return nil
    }
    let kind = kind(node, title)
    let place = YAMLNode(node.content, line: member.key.line, column: member.key.column)
    var decoder = ValueDecoder(scope: scope, kind: kind)
    let values = decoder.object(place, FileKeys.stage, title)
    guard let kind else { return nil }
    let with = with(node["with"], at: member.key)
    let outputs = outputs(node["outputs"], kind, title, member.key)
    let (inputs, gate) = inputs(node["inputs"], kind, title, member.key)
    if kind.declaresOwn { checkVariables(node, with) } else { refuseEnvironment(node, kind) }
    return StageDeclaration(
      name: member.name, kind: kind, position: member.key.position, with: with, inputs: inputs, gate: gate,
      axes: axes(node["matrix"]), outputs: outputs, retries: RetryPolicy(values),
      environment: DeclaredEnvironment(
        names: StageReader.names(values["environment"]), secrets: StageReader.names(values["secrets"])),
      timeout: values["timeout"]?.double, resources: values["resources"]?.object ?? JSON.Object(),
      about: values["description"]?.string, expect: decoder.expectations, mentions: StageReader.mentions(in: with),
      forecast: forecast(with, kind))
  }

  private func kind(_ node: YAMLNode, _ title: String) -> StageKind? {
    guard let uses = node["uses"] else { return nil }
    guard let name = ScalarDecoder(node: uses, name: "uses", faults: faults).text() else { return nil }
    if let kind = StageKind.named(name) { return kind }
    let names = StageKind.all.map(\.name)
    let meant = StageKind.aliases[name] ?? (faults.wantsSuggestions ? Spelling.nearest(to: name, among: names) : nil)
    faults.note(
      uses, "unknown stage kind '\(Problem.shortened(name, limit: 60))'",
      remedy: meant.map { "did you mean '\($0)'?" } ?? "kinds: " + names.joined(separator: ", "))
    return nil
  }

  private func with(_ node: YAMLNode?, at key: YAMLNode) -> YAMLNode {
    let empty = YAMLNode(.mapping([]), line: key.line, column: key.column)
    guard let node else { return empty }
    guard node.members != nil || node.isNull else {
      faults.note(node, "'with' must be a mapping, not \(node.kindName)", remedy: "write `key: value` lines")
      return empty
    }
    return node.isNull ? empty : node
  }

  private func forecast(_ with: YAMLNode, _ kind: StageKind) -> (stage: String, node: YAMLNode)? {
    guard let key = kind.with.keys.first(where: { if case .stage = $0.type { true } else { false } }),
      let node = with[key.name], case .node(let resolved)? = scope.resolve(node), let name = resolved.text,
      stages.contains(name)
    else { return nil }
    return (name, node)
  }

  // MARK: inputs

  private func inputs(
    _ node: YAMLNode?, _ kind: StageKind, _ title: String, _ key: YAMLNode
  ) -> (inputs: [DeclaredInput], gate: (stage: String, node: YAMLNode)?) {
    var inputs: [DeclaredInput] = []
    var gate: (stage: String, node: YAMLNode)?
    if let node, node.members == nil, !node.isNull {
      faults.note(node, "'inputs' must be a mapping, not \(node.kindName)", remedy: "write `name: stage.output` lines")
    }
    for member in node?.members ?? [] {
      if member.name == "gate" {
        gate = self.gate(member)
        continue
      }
      guard let slot = slot(member, kind, title) else { continue }
      if let source = source(member.value, slot, kind) {
        inputs.append(DeclaredInput(name: member.name, kind: slot.kind, source: source, node: member.value))
      }
    }
    for slot in kind.inputs where slot.required && !(node?.members ?? []).contains(where: { $0.name == slot.name }) {
      faults.note(
        (node ?? key).position, "\(title) lacks the input '\(slot.name)': \(slot.doc.lowercasedFirst)", text: nil,
        remedy: "add `inputs: {\(slot.name): \(suggestion(for: slot.kind))}`")
    }
    // A kind's order is what counts; a command's own order is the file's.
    if !kind.declaresOwn {
      inputs.sort { a, b in
        (kind.inputs.firstIndex { $0.name == a.name } ?? 0) < (kind.inputs.firstIndex { $0.name == b.name } ?? 0)
      }
    }
    return (inputs, gate)
  }

  /// An example of what could be wired: an output of this kind that the file has.
  private func suggestion(for wanted: ArtifactKind) -> String {
    for name in stageOrder.prefix(1000) {
      if let output = kinds[name]?.outputs.first(where: { $0.kind == wanted }) { return "\(name).\(output.name)" }
    }
    return "STAGE.OUTPUT"
  }

  private func slot(_ member: YAMLMember, _ kind: StageKind, _ title: String) -> StageKind.Input? {
    if let slot = kind.input(member.name) { return slot }
    if kind.declaresOwn {
      if StageNames.isVariable(member.name), !CommandNames.reserved.contains(member.name) {
        return StageKind.Input(name: member.name, kind: .files, required: false, takesReferences: true, doc: "")
      }
      faults.note(
        member.key, "an input of a command cannot be named '\(Problem.shortened(member.name))'",
        remedy: CommandNames.rule(member.name))
      return nil
    }
    let names = kind.inputs.map(\.name) + ["gate"]
    var remedy = "inputs of \(kind.name): " + names.joined(separator: ", ")
    if kind.with[member.name] != nil {
      remedy = "'\(member.name)' stands under `with`"
    } else if let near = Spelling.nearest(to: member.name, among: names) {
      remedy = "did you mean '\(near)'?"
    }
    faults.note(member.key, "unknown input '\(Problem.shortened(member.name))' of \(title)", remedy: remedy)
    return nil
  }

  private func gate(_ member: YAMLMember) -> (stage: String, node: YAMLNode)? {
    guard case .node(let node)? = scope.resolve(member.value),
      let text = ScalarDecoder(node: node, name: "gate", faults: faults).text()
    else { return nil }
    let name = text.hasSuffix(".forecast") ? String(text.dropLast(".forecast".count)) : text
    guard stages.contains(name) else {
      faults.note(node, "there is no stage '\(Problem.shortened(name))'", remedy: near(name) ?? "name a dry-run stage")
      return nil
    }
    guard let kind = kinds[name] else { return nil }
    guard kind.name == StageKind.dryRun.name else {
      faults.note(
        node, "a gate must be a dry-run stage, and '\(name)' is of kind \(kind.name)", remedy: "name a dry-run stage")
      return nil
    }
    return (name, node)
  }

  private func source(_ node: YAMLNode, _ slot: StageKind.Input, _ kind: StageKind) -> DeclaredInput.Source? {
    if let scalar = node.scalar, case .string(let text) = scalar.value, text.contains("${matrix.") {
      if slot.takesReferences { return .text }
      faults.note(node, "an input cannot depend on a matrix", remedy: "name a stage's output; its cells are joined")
      return nil
    }
    let resolved: YAMLNode
    switch scope.resolve(node) {
    case nil: return nil
    case .output(let stage, let output)?: return .output(stage: stage, output: output)
    case .node(let known)?: resolved = known
    }
    guard let text = ScalarDecoder(node: resolved, name: slot.name, faults: faults).text() else { return nil }
    let steps = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    if steps.count == 2, stages.contains(steps[0]) { return .output(stage: steps[0], output: steps[1]) }
    if steps.count == 1, stages.contains(text) {
      let outputs = kinds[text]?.outputs.map { "\(text).\($0.name)" } ?? []
      faults.note(
        node, "'\(text)' is a stage, not an output",
        remedy: "write " + (outputs.isEmpty ? "\(text).OUTPUT" : outputs.joined(separator: " or ")))
      return nil
    }
    let looksWired = steps.count == 2 && StageNames.isStageName(steps[0]) && outputNames.contains(steps[1])
    let near = looksWired || !slot.takesReferences ? near(steps[0], "." + (steps.count == 2 ? steps[1] : "")) : nil
    if slot.takesReferences, near == nil { return .text }
    let remedy = near.map { $0 + (slot.takesReferences ? " For a file write './\(text)'" : "") }
    faults.note(
      node, "there is no stage '\(Problem.shortened(steps[0], limit: 60))'",
      remedy: remedy ?? "write `stage.output` of a stage in this file")
    return nil
  }

  private func near(_ name: String, _ rest: String = "") -> String? {
    guard faults.wantsSuggestions else { return nil }
    return Spelling.nearest(to: name, among: stageOrder).map { "did you mean '\($0)\(rest == "." ? "" : rest)'?" }
  }

  // MARK: outputs and matrix

  private func outputs(_ node: YAMLNode?, _ kind: StageKind, _ title: String, _ key: YAMLNode) -> [CellOutput] {
    guard kind.declaresOwn else {
      if let node {
        faults.note(
          node.position, "\(title) is of kind \(kind.name), whose outputs are fixed", text: nil,
          remedy: "leave `outputs` out: it gives " + kind.outputs.map(\.name).joined(separator: ", "))
      }
      return []
    }
    var outputs: [CellOutput] = []
    for member in node?.members ?? [] {
      guard StageNames.isVariable(member.name), !CommandNames.reserved.contains(member.name) else {
        faults.note(
          member.key, "an output of a command cannot be named '\(Problem.shortened(member.name))'",
          remedy: CommandNames.rule(member.name))
        continue
      }
      guard case .node(let resolved)? = scope.resolve(member.value), let path = resolved.text else { continue }
      if let fault = CommandNames.outputFault(path) {
        faults.note(resolved, "the output '\(member.name)' \(fault)", remedy: "write a path below the stage's folder")
      } else if CommandNames.overlap(path, file) {
        faults.note(
          resolved, "the output '\(member.name)' would overwrite the pipeline file", remedy: "write to another path")
      } else if let other = outputs.first(where: { CommandNames.overlap($0.path ?? "", path) }) {
        faults.note(
          resolved, "the outputs '\(other.name)' and '\(member.name)' lie in each other",
          remedy: "give each a path of its own")
      }
      outputs.append(CellOutput(name: member.name, kind: .files, path: path))
    }
    return outputs
  }

  /// A command's inputs, outputs and `env` are variables of one shell: no name may stand for two of them.
  private func checkVariables(_ node: YAMLNode, _ with: YAMLNode) {
    var taken: [String: String] = [:]
    for (words, key) in [("a variable of `environment`", "environment"), ("a secret", "secrets")] {
      for item in node[key]?.items ?? [] {
        guard let name = item.text else { continue }
        guard StageNames.isVariable(name) else {
          faults.note(
            item, "'\(Problem.shortened(name))' names no variable of the environment",
            remedy: "use letters, digits and '_', no digit first; the value stays in the environment")
          continue
        }
        if let other = taken[name] {
          faults.note(item, "'\(name)' is \(words) and also \(other)", remedy: "name it once")
        }
        taken[name] = words
      }
    }
    for (words, mapping) in [
      ("an entry of `env`", with["env"]), ("an input", node["inputs"]), ("an output", node["outputs"]),
    ] {
      for member in mapping?.members ?? [] where member.name != "gate" {
        if let other = taken[member.name] {
          faults.note(
            member.key, "'\(Problem.shortened(member.name))' is \(words) and also \(other)",
            remedy: "give each a name of its own: all are variables of the command's shell")
        }
        taken[member.name] = words
      }
    }
  }

  private static func names(_ value: JSON?) -> [String] { (value?.array ?? []).compactMap(\.string) }

  /// Only a command sees variables of the environment.
  private func refuseEnvironment(_ node: YAMLNode, _ kind: StageKind) {
    for member in node.members ?? [] where ["environment", "secrets"].contains(member.name) {
      faults.note(
        member.key, "'\(member.name)' belongs to commands, and \(kind.name) reads nothing from the environment",
        remedy: "remove it")
    }
  }

  private func axes(_ node: YAMLNode?) -> [DeclaredAxis] {
    guard let node else { return [] }
    guard let members = node.members else {
      faults.note(node, "'matrix' must be a mapping of lists, not \(node.kindName)", remedy: "write `axis: [a, b]`")
      return []
    }
    var scope = scope
    scope.knowsStages = false
    return members.compactMap { member in
      guard StageNames.isVariable(member.name) else {
        faults.note(
          member.key, "an axis cannot be named '\(Problem.shortened(member.name))'",
          remedy: "use letters, digits and '_', no digit first")
        return nil
      }
      guard let resolved = scope.resolveAll(member.value) else { return nil }
      return values(resolved, member)
    }
  }

  private func values(_ node: YAMLNode, _ member: YAMLMember) -> DeclaredAxis? {
    guard let items = node.items, !items.isEmpty, items.count <= CellBuilder.maximumAxis else {
      let got = node.items.map { "\($0.count) of them" } ?? node.kindName
      faults.note(
        node, "the axis '\(member.name)' must be a list of 1 to \(CellBuilder.maximumAxis) values, not \(got)",
        remedy: node.scalar.map { "write [\($0.text)]" })
      return nil
    }
    var seen: Set<[UInt8]> = []
    for item in items {
      guard let scalar = item.scalar, !scalar.value.isNull else {
        faults.note(
          item, "a value of the axis '\(member.name)' must be text, a number or a boolean, not \(item.kindName)")
        return nil
      }
      guard seen.insert(scalar.value.canonicalNumber.encoded()).inserted else {
        faults.note(item, "the axis '\(member.name)' has this value twice", remedy: "keep one of them")
        return nil
      }
    }
    return DeclaredAxis(name: member.name, node: member.key, values: items)
  }

  /// Every `${stages.NAME.OUTPUT}` that is a whole value inside a node.
  private static func mentions(in node: YAMLNode) -> [(stage: String, output: String, node: YAMLNode)] {
    switch node.content {
    case .scalar(let scalar):
      guard case .string(let text) = scalar.value, let (stage, output) = Template.stageOutput(text) else { return [] }
      return [(stage, output, node)]
    case .sequence(let items): return items.flatMap { mentions(in: $0) }
    case .mapping(let members): return members.flatMap { mentions(in: $0.value) }
    }
  }
}
