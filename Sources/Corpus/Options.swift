import Basics

/// The type of one option's value.
package enum OptionType: Sendable, Equatable {
  case boolean
  case integer(ClosedRange<Int>)
  case number(ClosedRange<Double>)
  case choice([String])
  case string
  /// A list of strings, or one string.
  case strings
  /// A mapping that its reader checks itself.
  case object
  /// A list of paths or globs, or one: references to files.
  case paths
}

/// One key of a mapping: the table that readers, schema and reference page share.
package struct OptionKey: Sendable {
  package let name: String
  package let type: OptionType
  /// The value when the key is absent; null when there is none.
  package let fallback: JSON
  package let required: Bool
  /// One sentence without a final full stop.
  package let doc: String

  package init(
    _ name: String, _ type: OptionType, default fallback: JSON = .null, required: Bool = false, _ doc: String
  ) {
    self.name = name
    self.type = type
    self.fallback = fallback
    self.required = required
    self.doc = doc
  }
}

/// A mapping checked against its keys: unknown keys and wrong types are errors that name the place.
struct Options {
  private let values: JSON.Object
  private let keys: [OptionKey]
  let place: String

  init(_ json: JSON, keys: [OptionKey], at place: String) throws(CorpusError) {
    self.keys = keys
    self.place = place
    guard let object = json.isNull ? [:] : json.object else {
      throw CorpusError(.option, "expected a mapping, found \(json.kindName)", at: place, value: json.text())
    }
    values = object
    for (name, value) in object.members {
      guard let key = keys.first(where: { sameBytes($0.name, name) }) else {
        let near = Spelling.nearest(to: name, among: keys.map(\.name))
        let known = keys.map(\.name).joined(separator: ", ")
        throw CorpusError(
          .option, "unknown key '\(name)'", at: place,
          remedy: near.map { "did you mean '\($0)'?" } ?? "known keys: \(known)")
      }
      if let wanted = Options.fault(value, key.type) {
        throw CorpusError(.option, "'\(name)' must be \(wanted)", at: place, value: value.text())
      }
    }
    if let missing = keys.first(where: { $0.required && (object[$0.name] ?? .null).isNull }) {
      throw CorpusError(.option, "'\(missing.name)' is missing", at: place, remedy: "add it: \(missing.doc)")
    }
  }

  /// What the value should have been; nil when it is right. Null stands for an absent key.
  private static func fault(_ value: JSON, _ type: OptionType) -> String? {
    if value.isNull { return nil }
    switch type {
    case .boolean: return value.bool == nil ? "true or false" : nil
    case .integer(let range):
      if let number = value.int, range.contains(number) { return nil }
      return range.upperBound == .max
        ? "a whole number of at least \(range.lowerBound)"
        : "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .number(let range):
      if let number = value.double, range.contains(number) { return nil }
      return range.upperBound == .infinity
        ? "a number of at least \(range.lowerBound)" : "a number from \(range.lowerBound) to \(range.upperBound)"
    case .choice(let words):
      if let word = value.string, words.contains(where: { sameBytes($0, word) }) { return nil }
      return "one of " + words.joined(separator: ", ")
    case .string: return value.string == nil ? "a string" : nil
    case .strings, .paths:
      if value.string != nil { return nil }
      if let items = value.array, items.allSatisfy({ $0.string != nil }) { return nil }
      return "a string or a list of strings"
    case .object: return value.object == nil ? "a mapping" : nil
    }
  }

  /// The value of `name`, or its default.
  func value(_ name: String) -> JSON {
    if let value = values[name], !value.isNull { return value }
    return keys.first { sameBytes($0.name, name) }?.fallback ?? .null
  }

  func flag(_ name: String) -> Bool { value(name).bool ?? false }
  func int(_ name: String) -> Int? { value(name).int }
  func double(_ name: String) -> Double? { value(name).double }
  func string(_ name: String) -> String? { value(name).string }

  func strings(_ name: String) -> [String] {
    let value = value(name)
    return value.string.map { [$0] } ?? value.array?.compactMap(\.string) ?? []
  }

  /// A number of `name`'s mapping, checked to be known.
  func given(_ name: String) -> Bool { !(values[name] ?? .null).isNull }
}
