/// A JSON value that keeps what a strict reader must not lose: key order and the spelling of numbers.
///
/// Text compares by bytes (UTF-8), never by canonical equivalence.
package enum JSON: Sendable {
  case null
  case bool(Bool)
  case number(Number)
  case string(String)
  case array([JSON])
  case object(Object)

  /// A number as it was written.
  package struct Number: Sendable, Equatable {
    /// The literal, in JSON's grammar.
    package let literal: String

    package init(literal: String) { self.literal = literal }
    package init(_ value: Int) { literal = String(value) }

    /// A finite number; a non-finite one has no JSON form, so it becomes nil.
    package init?(_ value: Double) {
      guard value.isFinite else { return nil }
      if let whole = Int(exactly: value), abs(whole) < 1 << 53 {
        literal = String(whole)
      } else {
        literal = "\(value)"
      }
    }

    /// The value as a whole number, if the literal is one (also `1.0` and `1e3`) within Int's range.
    package var int: Int? {
      if let value = Int(literal) { return value }
      guard let value = Double(literal), value.rounded() == value, abs(value) < 0x1p53 else { return nil }
      return Int(value)
    }

    /// The nearest double; nil where the literal overflows.
    package var double: Double? {
      guard let value = Double(literal), value.isFinite else { return nil }
      return value
    }
  }

  /// Members in their order.
  package struct Object: Sendable, ExpressibleByDictionaryLiteral {
    package private(set) var members: [(key: String, value: JSON)]

    package init(_ members: [(key: String, value: JSON)] = []) { self.members = members }
    package init(dictionaryLiteral elements: (String, JSON)...) {
      members = elements.map { (key: $0.0, value: $0.1) }
    }

    package var count: Int { members.count }
    package var isEmpty: Bool { members.isEmpty }
    package var keys: [String] { members.map(\.key) }

    /// The value of the first member named `key` (compared by bytes). Setting nil removes it.
    package subscript(key: String) -> JSON? {
      get { members.first { sameBytes($0.key, key) }?.value }
      set {
        let place = members.firstIndex { sameBytes($0.key, key) }
        switch (place, newValue) {
        case (let place?, let value?): members[place].value = value
        case (let place?, nil): members.remove(at: place)
        case (nil, let value?): members.append((key: key, value: value))
        case (nil, nil): break
        }
      }
    }
  }
}

/// Whether two strings have the same UTF-8 bytes. `==` on String is canonical equivalence, which text data must not use.
package func sameBytes(_ a: String, _ b: String) -> Bool {
  guard a.utf8.count == b.utf8.count else { return false }
  let same = unsafe a.utf8.withContiguousStorageIfAvailable { left in
    unsafe b.utf8.withContiguousStorageIfAvailable { right in
      for index in left.indices where unsafe left[index] != right[index] { return false }
      return true
    }
  }
  return (same ?? nil) ?? a.utf8.elementsEqual(b.utf8)
}

extension JSON: Equatable {
  package static func == (a: JSON, b: JSON) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.bool(let x), .bool(let y)): x == y
    case (.number(let x), .number(let y)): x == y
    case (.string(let x), .string(let y)): sameBytes(x, y)
    case (.array(let x), .array(let y)): x == y
    case (.object(let x), .object(let y)):
      x.count == y.count
        && zip(x.members, y.members).allSatisfy { sameBytes($0.key, $1.key) && $0.value == $1.value }
    default: false
    }
  }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int) { self = .number(Number(value)) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(arrayLiteral elements: JSON...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(Object(elements.map { (key: $0.0, value: $0.1) }))
  }
  package init(nilLiteral: ()) { self = .null }

  package init(_ value: Int) { self = .number(Number(value)) }
  /// Non-finite numbers, which JSON lacks, become null.
  package init(_ value: Double) { self = Number(value).map { .number($0) } ?? .null }
  package init(_ value: String) { self = .string(value) }
  package init(_ value: Bool) { self = .bool(value) }
}

extension JSON {
  package var isNull: Bool { if case .null = self { true } else { false } }
  package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  package var string: String? { if case .string(let value) = self { value } else { nil } }
  package var int: Int? { if case .number(let value) = self { value.int } else { nil } }
  package var double: Double? { if case .number(let value) = self { value.double } else { nil } }
  package var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
  package var object: Object? { if case .object(let value) = self { value } else { nil } }

  /// The member `key` of an object; nil for other values and absent keys.
  package subscript(key: String) -> JSON? { object?[key] }

  /// "null", "a boolean", "a number", "a string", "an array", "an object": for messages.
  package var kindName: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}
