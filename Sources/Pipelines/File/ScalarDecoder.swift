import Basics

/// Decodes one scalar by its type and words what is wrong with it.
struct ScalarDecoder {
  let node: YAMLNode
  let name: String
  let faults: FaultList

  func text() -> String? {
    guard let scalar = node.scalar, case .string(let text) = scalar.value else {
      wrongType(
        "text", remedy: node.scalar.map { $0.value.isNull ? "write a value, or leave the key out" : "put it in quotes" }
      )
      return nil
    }
    return text
  }

  func value(_ type: ValueType) -> JSON? {
    switch type {
    case .bool: return flag()
    case .off(let reason):
      guard case .bool(let value)? = flag() else { return nil }
      if value { faults.note(node, "'\(name)' cannot be true: \(reason)", remedy: "write false, or leave it out") }
      return value ? nil : false
    case .exactly(let number):
      guard node.scalar?.value.int == number else {
        faults.note(node, "'\(name)' must be \(number)", remedy: "this version of Fettle reads form \(number)")
        return nil
      }
      return JSON(number)
    case .integer(let range): return integer(range)
    case .number(let range): return number(range)
    case .size(let range): return size(range)
    case .duration: return duration()
    default: return nil
    }
  }

  private func flag() -> JSON? {
    if case .bool(let value)? = node.scalar?.value { return .bool(value) }
    let yes = ["yes", "on", "y", "True", "1"]
    let no = ["no", "off", "n", "False", "0"]
    let word = node.text ?? ""
    wrongType(
      "true or false",
      remedy: yes.contains(word) || word == "true"
        ? "write true" : no.contains(word) || word == "false" ? "write false" : nil)
    return nil
  }

  private func integer(_ range: ClosedRange<Int>) -> JSON? {
    guard case .number(let number)? = node.scalar?.value else {
      wrongType("a whole number", remedy: quoted("a whole number"))
      return nil
    }
    guard let value = number.int else {
      let whole = number.double.map { $0.rounded() == $0 } ?? true
      if whole {
        outside(number.literal.hasPrefix("-") ? "at least \(range.lowerBound)" : "at most \(range.upperBound)")
      } else {
        faults.note(node, "'\(name)' must be a whole number, not a fraction")
      }
      return nil
    }
    guard range.contains(value) else {
      outside(value < range.lowerBound ? "at least \(range.lowerBound)" : "at most \(range.upperBound)")
      return nil
    }
    return JSON(value)
  }

  private func number(_ range: NumberRange) -> JSON? {
    guard case .number(let number)? = node.scalar?.value else {
      wrongType("a number", remedy: quoted("a number"))
      return nil
    }
    guard let value = number.double, range.contains(value) else {
      outside(range.words)
      return nil
    }
    return JSON.number(number).canonicalNumber
  }

  private func size(_ range: ClosedRange<Int>) -> JSON? {
    let bytes: Int?
    switch node.scalar?.value {
    case .number(let number)?: bytes = number.int
    case .string(let text)?: bytes = Quantity.bytes(text)
    default: bytes = nil
    }
    guard let bytes else {
      wrongType("a size such as 6GiB", remedy: "give a number with KiB, MiB, GiB, KB, MB or GB")
      return nil
    }
    guard range.contains(bytes) else {
      let bound = bytes < range.lowerBound ? range.lowerBound : range.upperBound
      outside("at \(bytes < bound ? "least" : "most") \(Quantity.describe(bytes: bound))")
      return nil
    }
    return JSON(bytes)
  }

  private func duration() -> JSON? {
    let seconds: Double?
    switch node.scalar?.value {
    case .number(let number)?: seconds = number.double
    case .string(let text)?: seconds = Quantity.seconds(text)
    default: seconds = nil
    }
    guard let seconds else {
      wrongType("a duration such as 12h", remedy: "give a number with ms, s, m, h or d")
      return nil
    }
    guard seconds > 0, seconds < 1e10 else {
      outside("above 0")
      return nil
    }
    return JSON(seconds)
  }

  func choice(_ words: [String], _ refused: [String: String]) -> JSON? {
    let list = words.joined(separator: ", ")
    guard let scalar = node.scalar, case .string(let word) = scalar.value else {
      wrongType("one of \(list)", remedy: nil)
      return nil
    }
    if words.contains(where: { sameBytes($0, word) }) { return JSON(word) }
    if let reason = refused[word] {
      faults.note(node, "'\(name)' cannot be \(word): \(reason)", remedy: "choose one of \(list)")
      return nil
    }
    let near = faults.wantsSuggestions ? Spelling.nearest(to: word, among: words) : nil
    faults.note(
      node, "'\(name)' must be one of \(list)", remedy: near.map { "did you mean '\($0)'?" } ?? "choose one of them")
    return nil
  }

  private func quoted(_ wanted: String) -> String? {
    guard let scalar = node.scalar, !scalar.isPlain, case .number? = YAMLScalarType.value(scalar.text) else {
      return nil
    }
    return "remove the quotes: in quotes it is text"
  }

  private func wrongType(_ wanted: String, remedy: String?) {
    faults.note(node, "'\(name)' must be \(wanted), not \(node.kindName)", remedy: remedy)
  }

  private func outside(_ range: String) {
    faults.note(node, "'\(name)' must be \(range)")
  }
}

extension NumberRange {
  func contains(_ value: Double) -> Bool {
    if let minimum, aboveMinimum ? value <= minimum : value < minimum { return false }
    if let maximum, belowMaximum ? value >= maximum : value > maximum { return false }
    return value.isFinite
  }

  /// "at least 0", "above 0 and below 1", "from 0 to 1", "finite".
  var words: String {
    let text = { (value: Double) in JSON(value).text() }
    switch (minimum, maximum) {
    case (let low?, let high?) where !aboveMinimum && !belowMaximum: return "from \(text(low)) to \(text(high))"
    case (let low?, let high?):
      let above = aboveMinimum ? "above" : "at least"
      return "\(above) \(text(low)) and \(belowMaximum ? "below" : "at most") \(text(high))"
    case (let low?, nil): return "\(aboveMinimum ? "above" : "at least") \(text(low))"
    case (nil, let high?): return "\(belowMaximum ? "below" : "at most") \(text(high))"
    case (nil, nil): return "finite"
    }
  }
}
