import Basics

/// A key that its mapping does not know, and what its author may have meant.
struct UnknownKey {
  let member: YAMLMember
  let table: KeyTable
  let title: String
  let kind: StageKind?

  /// Notes the fault; returns the key of the table that was meant, where that can be told.
  @discardableResult
  func note(_ faults: FaultList) -> String? {
    let name = member.name
    let (remedy, meant) = faults.wantsSuggestions ? remedy(name) : (nil, nil)
    faults.note(
      member.key, "unknown key '\(Problem.shortened(name, limit: 60))' in \(title)", text: member.key.excerpt,
      remedy: remedy)
    return meant
  }

  private func remedy(_ name: String) -> (remedy: String?, meant: String?) {
    let lower = name.lowercased().replacing("-", with: "_")
    if let own = table.aliases[name] ?? table.aliases[lower], table[own] != nil {
      return ("here it is called '\(own)'", own)
    }
    if table[lower] != nil { return ("did you mean '\(lower)'?", lower) }
    if let place = elsewhere(name) { return (place, nil) }
    if let near = Spelling.nearest(to: name, among: table.keys.map(\.name)) { return ("did you mean '\(near)'?", near) }
    return ("known keys: " + table.names, nil)
  }

  /// The place of the file where a key of this name belongs.
  private func elsewhere(_ name: String) -> String? {
    if let kind, FileKeys.stage[name] != nil, table[name] == nil, title.hasPrefix("`with`") {
      return "'\(name)' stands beside `with` of \(kind.name), not in it"
    }
    if let kind, title.hasPrefix("`with`"), kind.input(name) != nil { return "'\(name)' stands under `inputs`" }
    let kinds = StageKind.all.filter { $0.with[name] != nil }
    if title.hasPrefix("stage"), let kind, kind.with[name] != nil { return "'\(name)' stands under `with`" }
    if kinds.isEmpty || kinds.count > 3 { return nil }
    guard title.hasPrefix("`with`") || title.hasPrefix("stage") else { return nil }
    return "'\(name)' is a key of " + kinds.map(\.name).joined(separator: ", ")
  }
}
