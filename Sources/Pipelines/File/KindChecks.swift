import Basics

/// What no single key can show: settings of one stage that do not go together.
struct KindChecks {
  let declaration: StageDeclaration
  let faults: FaultList

  func check(_ with: JSON.Object) {
    switch declaration.kind.name {
    case "finetune":
      if let ratio = with["warmup_ratio"]?.double, ratio > 0, let steps = with["warmup_steps"]?.int, steps > 0 {
        note("warmup_steps", "'warmup_ratio' and 'warmup_steps' are both set", "keep one of them")
      }
    case "clean":
      for item in declaration.with["steps"]?.items ?? [] { checkBounds(item["drop_if"]) }
      for source in declaration.with["sources"]?.items ?? [] { checkFields(source["fields"]) }
      if let share = declaration.with["split"]?["validation"], let value = share.scalar?.value.double, value >= 1,
        value.rounded() != value
      {
        faults.note(share, "'validation' must be a share below 1 or a whole number of rows")
      }
    case "command":
      for member in declaration.with["env"]?.members ?? [] where !StageNames.isVariable(member.name) {
        faults.note(
          member.key, "a variable of the environment cannot be named '\(Problem.shortened(member.name))'",
          remedy: "use letters, digits and '_', no digit first")
      }
      let inputs = Set(declaration.inputs.map(\.name))
      for output in declaration.outputs where inputs.contains(output.name) {
        faults.note(
          declaration.position, "'\(output.name)' is both an input and an output of '\(declaration.name)'",
          remedy: "give them two names: both become variables of the shell")
      }
    default: break
    }
  }

  private func checkBounds(_ node: YAMLNode?) {
    for measure in ["chars", "words", "answer_chars", "answer_words"] {
      guard let low = node?["\(measure)_below"]?.scalar?.value.int, let above = node?["\(measure)_above"],
        let high = above.scalar?.value.int, low > high
      else { continue }
      faults.note(above, "no row has between \(low) and \(high) \(measure)", remedy: "raise '\(measure)_above'")
    }
  }

  /// `fields` describes one shape of rows, whole.
  private func checkFields(_ node: YAMLNode?) {
    guard let node, node.members != nil else { return }
    let shapes = ["messages", "prompt", "user", "text"].filter { node[$0] != nil }
    if shapes.count != 1 {
      faults.note(node, "'fields' must name one of messages, prompt, user and text, not \(shapes.count) of them")
    }
    for (one, other) in [("prompt", "completion"), ("user", "assistant")] where node[one] != nil && node[other] == nil {
      faults.note(node, "'fields' names '\(one)' and no '\(other)'", remedy: "add '\(other)'")
    }
  }

  private func note(_ key: String, _ what: String, _ remedy: String) {
    let node = declaration.with[key] ?? declaration.with
    faults.note(node.position, what, text: declaration.with[key]?.excerpt, remedy: remedy)
  }
}
