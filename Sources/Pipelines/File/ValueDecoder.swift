import Basics

/// Decodes values by their types, keeping positions: notes every fault, gathers references and expectations.
struct ValueDecoder {
  let scope: Scope
  let faults: FaultList
  /// The kind whose `with` is decoded; nil outside.
  let kind: StageKind?
  /// Finds the output of another stage; notes what is wrong with it.
  let wiring: (_ stage: String, _ output: String, _ wanted: [ArtifactKind], _ node: YAMLNode) -> Reference.Target?
  /// The kind of a stage by name; nil when there is none.
  let kindOfStage: (String) -> StageKind?
  /// The names of all stages of the file, also of those that could not be read.
  let stageNames: [String]

  private(set) var references: [Reference] = []
  private(set) var expectations: [Expectation] = []
  /// The stage named by a key of type `stage`.
  private(set) var namedStage: String?

  init(
    scope: Scope, kind: StageKind?, stageNames: [String] = [],
    kindOfStage: @escaping (String) -> StageKind? = { _ in nil },
    wiring: @escaping (String, String, [ArtifactKind], YAMLNode) -> Reference.Target? = { _, _, _, _ in nil }
  ) {
    self.scope = scope
    faults = scope.faults
    self.kind = kind
    self.stageNames = stageNames
    self.kindOfStage = kindOfStage
    self.wiring = wiring
  }

  /// The canonical object of a mapping: the table's order, defaults filled in; faults are noted.
  ///
  /// - Parameter title: how messages call the mapping: "`with` of finetune".
  mutating func object(_ node: YAMLNode, _ table: KeyTable, _ title: String, at place: [JSONStep] = []) -> JSON.Object {
    let members: [YAMLMember]
    if let known = node.members {
      members = known
    } else if node.isNull {
      members = []
    } else {
      faults.note(node, "\(title) must be a mapping, not \(node.kindName)", remedy: "write `key: value` lines")
      return JSON.Object()
    }
    var values = [JSON?](repeating: nil, count: table.keys.count)
    var given = [Bool](repeating: false, count: table.keys.count)
    for member in members {
      guard let index = table.place(of: member.name) else {
        let meant = UnknownKey(member: member, table: table, title: title, kind: kind).note(faults)
        // One mistake, one message: the key is not missing besides.
        if let place = meant.flatMap({ table.place(of: $0) }) { given[place] = true }
        continue
      }
      given[index] = true
      let key = table.keys[index]
      values[index] = value(member.value, key.type, key.name, at: place + [.key(key.name)])
    }
    var object: [(key: String, value: JSON)] = []
    for (index, key) in table.keys.enumerated() {
      if let condition = key.onlyWith, !holds(condition, values, table) {
        if given[index], let member = members.first(where: { sameBytes($0.name, key.name) }) {
          let other = word(condition.key, values, table)
          faults.note(
            member.key, "'\(key.name)' has no effect with \(condition.key): \(other ?? "another value")",
            remedy: "remove it; it belongs to \(condition.key): \(condition.values.joined(separator: " or "))")
        }
        continue
      }
      if given[index], let other = key.notWith, let place = table.place(of: other), let value = values[place],
        value != 0, let member = members.first(where: { sameBytes($0.name, key.name) })
      {
        faults.note(
          member.key, "'\(key.name)' has no effect with '\(other)'", remedy: "remove one of them")
      }
      if let value = values[index] {
        object.append((key: key.name, value: value))
      } else if !given[index] {
        if key.required {
          faults.note(
            node.position, "\(title) lacks the key '\(key.name)'", remedy: "add it: \(key.doc.lowercasedFirst)")
        } else if let fallback = key.fallback {
          object.append((key: key.name, value: fallback == "${seed}" ? JSON(scope.seed) : fallback.canonicalNumber))
        }
      }
    }
    return JSON.Object(object)
  }

  private func holds(_ condition: (key: String, values: [String]), _ values: [JSON?], _ table: KeyTable) -> Bool {
    guard table.place(of: condition.key) != nil else { return true }
    guard let value = word(condition.key, values, table) else { return false }
    return condition.values.contains { sameBytes($0, value) }
  }

  /// The word that a key has, by default too.
  private func word(_ key: String, _ values: [JSON?], _ table: KeyTable) -> String? {
    table.place(of: key).flatMap { (values[$0] ?? table.keys[$0].fallback)?.string }
  }

  /// The canonical value, or nil when it is faulty or stands outside the result.
  mutating func value(_ node: YAMLNode, _ type: ValueType, _ name: String, at place: [JSONStep]) -> JSON? {
    var shell = false
    if case .shell = type { shell = true }
    switch scope.resolve(node, shell: shell) {
    case nil: return nil
    case .output(let stage, let output)?: return reference(node, stage, output, type, name, at: place)
    case .node(let resolved)?: return typed(resolved, type, name, at: place)
    }
  }

  private mutating func typed(_ node: YAMLNode, _ type: ValueType, _ name: String, at place: [JSONStep]) -> JSON? {
    switch type {
    case .string, .shell: return text(node, name).map { JSON($0) }
    case .bool, .off, .exactly, .integer, .number, .size, .duration:
      return ScalarDecoder(node: node, name: name, faults: faults).value(type)
    case .choice(let words, let refused):
      return ScalarDecoder(node: node, name: name, faults: faults).choice(words, refused)
    case .word(let word, let inner):
      if let text = node.text, sameBytes(text, word) { return JSON(word) }
      return typed(node, inner, name, at: place)
    case .paths: return paths(node, name, at: place)
    case .model(let role): return model(node, role, name, at: place)
    case .list(let item, let count): return list(node, item, count, name, at: place)
    case .table(let table): return .object(object(node, table, "'\(name)'", at: place))
    case .one(let table): return one(node, table, name, at: place)
    case .map(let inner): return map(node, inner, name, at: place)
    case .stage(let kind): return stage(node, kind, name)
    case .expectations:
      expectations += ExpectationReader(scope: scope).read(node)
      return nil
    // Read elsewhere.
    case .values, .axes, .inputs, .kindName, .with, .stages: return nil
    }
  }

  private func text(_ node: YAMLNode, _ name: String) -> String? {
    ScalarDecoder(node: node, name: name, faults: faults).text()
  }

  private mutating func list(
    _ node: YAMLNode, _ type: ValueType, _ count: ClosedRange<Int>, _ name: String, at place: [JSONStep]
  ) -> JSON? {
    guard let items = node.items else {
      faults.note(node, "'\(name)' must be a list, not \(node.kindName)", remedy: "begin each item with '- '")
      return nil
    }
    guard count.contains(items.count) else {
      let bound = items.count < count.lowerBound ? "at least \(count.lowerBound)" : "at most \(count.upperBound)"
      faults.note(node, "'\(name)' has \(items.count) items, \(bound) are allowed")
      return nil
    }
    var values: [JSON] = []
    for (index, item) in items.enumerated() {
      if let value = value(item, type, name, at: place + [.index(index)]) { values.append(value) }
    }
    return values.count == items.count ? .array(values) : nil
  }

  private mutating func one(_ node: YAMLNode, _ table: KeyTable, _ name: String, at place: [JSONStep]) -> JSON? {
    guard let members = node.members else {
      let word = node.text ?? ""
      let remedy = table[word] != nil ? "write `\(word): {}`" : "write one of " + table.names
      faults.note(node, "an item of '\(name)' must be a mapping with one key, not \(node.kindName)", remedy: remedy)
      return nil
    }
    guard members.count == 1 else {
      let at = members.dropFirst().first?.key ?? node
      faults.note(
        at, "an item of '\(name)' must have exactly one key, not \(members.count)",
        remedy: members.isEmpty ? "write one of " + table.names : "begin the next one with '- '")
      return nil
    }
    guard let key = table[members[0].name] else {
      UnknownKey(member: members[0], table: table, title: "'\(name)'", kind: kind).note(faults)
      return nil
    }
    return value(members[0].value, key.type, key.name, at: place + [.key(key.name)])
      .map { .object(JSON.Object([(key: key.name, value: $0)])) }
  }

  private mutating func map(_ node: YAMLNode, _ type: ValueType, _ name: String, at place: [JSONStep]) -> JSON? {
    guard let members = node.members else {
      if node.isNull { return .object(JSON.Object()) }
      faults.note(node, "'\(name)' must be a mapping, not \(node.kindName)", remedy: "write `name: value` lines")
      return nil
    }
    var object: [(key: String, value: JSON)] = []
    for member in members {
      if let value = value(member.value, type, member.name, at: place + [.key(member.name)]) {
        object.append((key: member.name, value: value))
      }
    }
    // The author's order is spelling, not meaning.
    object.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    return object.count == members.count ? .object(JSON.Object(object)) : nil
  }

  private mutating func stage(_ node: YAMLNode, _ wanted: String, _ name: String) -> JSON? {
    guard let stage = text(node, name) else { return nil }
    guard let kind = kindOfStage(stage) else {
      if stageNames.contains(where: { sameBytes($0, stage) }) { return nil }
      let near = faults.wantsSuggestions ? Spelling.nearest(to: stage, among: stageNames) : nil
      faults.note(
        node, "there is no stage '\(Problem.shortened(stage))'",
        remedy: near.map { "did you mean '\($0)'?" } ?? "name a stage of this file")
      return nil
    }
    guard kind.name == wanted else {
      faults.note(node, "'\(name)' must name a \(wanted) stage, and '\(stage)' is of kind \(kind.name)")
      return nil
    }
    namedStage = stage
    return JSON(stage)
  }
}

// MARK: References

extension ValueDecoder {
  private mutating func reference(
    _ node: YAMLNode, _ stage: String, _ output: String, _ type: ValueType, _ name: String, at place: [JSONStep]
  ) -> JSON? {
    let role: ModelRole?
    let wanted: [ArtifactKind]
    var isList = false
    switch type {
    case .model(let known): (role, wanted) = (known, [.model, .files])
    case .paths:
      (role, wanted) = (nil, [.files, .rows])
      // One path among others already stands in a list.
      isList = if case .index? = place.last { false } else { true }
    default:
      faults.note(
        node, "'\(name)' cannot take a stage's output",
        remedy: "stage outputs go to inputs, models, tokenizers and paths")
      return nil
    }
    guard let target = wiring(stage, output, wanted, node) else { return nil }
    let text = "${stages.\(stage).\(output)}"
    references.append(
      Reference(
        place: isList ? place + [.index(0)] : place, role: role, target: target, text: text, position: node.position))
    return isList ? .array([JSON(text)]) : JSON(text)
  }

  private mutating func paths(_ node: YAMLNode, _ name: String, at place: [JSONStep]) -> JSON? {
    guard let items = node.items else {
      guard node.members == nil, !node.isNull else {
        faults.note(
          node, "'\(name)' must be a path or a list of paths, not \(node.kindName)", remedy: "name at least one file")
        return nil
      }
      return path(node, name, at: place + [.index(0)]).map { .array([$0]) }
    }
    guard !items.isEmpty else {
      faults.note(node, "'\(name)' is empty", remedy: "name at least one file")
      return nil
    }
    var values: [JSON] = []
    for (index, item) in items.enumerated() {
      let place = place + [.index(index)]
      switch scope.resolve(item) {
      case nil: break
      case .output(let stage, let output)?:
        if let value = reference(item, stage, output, .paths, name, at: place) { values.append(value) }
      case .node(let resolved)?:
        if let value = path(resolved, name, at: place) { values.append(value) }
      }
    }
    return values.count == items.count ? .array(values) : nil
  }

  private mutating func path(_ node: YAMLNode, _ name: String, at place: [JSONStep]) -> JSON? {
    guard let text = text(node, name) else { return nil }
    if let fault = ModelText.pathFault(text) {
      faults.note(node, "'\(name)' is no path: \(fault.what)", remedy: fault.remedy)
      return nil
    }
    let target: Reference.Target = Glob.isPattern(FilePath(text)) ? .glob(text) : .path(text)
    references.append(Reference(place: place, role: nil, target: target, text: text, position: node.position))
    return JSON(text)
  }

  private mutating func model(_ node: YAMLNode, _ role: ModelRole, _ name: String, at place: [JSONStep]) -> JSON? {
    guard let text = text(node, name) else { return nil }
    switch ModelText.target(text, role) {
    case .success(let target):
      references.append(Reference(place: place, role: role, target: target, text: text, position: node.position))
      return JSON(text)
    case .failure(let fault):
      faults.note(node, "'\(name)' is no \(role.words): \(fault.what)", remedy: fault.remedy)
      return nil
    }
  }
}

extension KeyTable {
  /// The names of all keys, for messages.
  var names: String { keys.map(\.name).joined(separator: ", ") }
}

extension String {
  /// The text with its first letter small, unless a code span or an abbreviation begins it.
  var lowercasedFirst: String {
    guard let first, first.isUppercase, !(dropFirst().first?.isUppercase ?? false) else { return self }
    return first.lowercased() + dropFirst()
  }
}
