import Basics

extension ValueType {
  /// What a value of the type is, for the reference page and help: "a whole number, at least 1".
  package var words: String {
    switch self {
    case .string: "text"
    case .shell: "a shell command"
    case .bool: "true or false"
    case .off: "false"
    case .exactly(let number): "\(number)"
    case .integer(let range): "a whole number" + range.words
    case .number(let range): range == NumberRange() ? "a number" : "a number, \(range.words)"
    case .size: "a size such as 6GiB"
    case .duration: "a duration such as 12h"
    case .paths: "a path or glob, or a list"
    case .model(.model): "a model"
    case .model(.tokenizer): "a tokenizer"
    case .model(.template): "a chat template"
    case .choice(let words, _): words.count == 1 ? words[0] : words.joined(separator: " | ")
    case .word(let word, let inner): "\(word) | \(inner.words)"
    case .list(let item, _): "a list: \(item.words)"
    case .table: "a mapping, below"
    case .one: "a mapping with one key, below"
    case .map(let inner): "names with \(inner.words)"
    case .stage(let kind): "the name of a \(kind) stage"
    case .expectations: "limits by metric"
    case .values: "names with values"
    case .axes: "names with lists"
    case .inputs: "names with outputs"
    case .kindName: StageKind.all.map(\.name).joined(separator: " | ")
    case .with: "the kind's keys, below"
    case .stages: "stages by name"
    }
  }

  /// The table of a type that has keys of its own, also inside a list.
  var table: KeyTable? {
    switch self {
    case .table(let table), .one(let table): table
    case .list(let item, _): item.table
    case .word(_, let inner): inner.table
    default: nil
    }
  }
}

extension ClosedRange<Int> {
  /// ", at least 1", ", from 1 to 8": nothing where any whole number goes.
  fileprivate var words: String {
    upperBound >= 1_000_000_000 ? ", at least \(lowerBound)" : ", from \(lowerBound) to \(upperBound)"
  }
}

extension Key {
  /// The default as it would be written; nil without one.
  var writtenDefault: String? {
    guard let fallback else { return nil }
    if case .size = type, let bytes = fallback.int {
      return bytes % 1_000_000_000 == 0 ? "\(bytes / 1_000_000_000)GB" : Quantity.describe(bytes: bytes)
    }
    return fallback.string ?? fallback.text()
  }
}
