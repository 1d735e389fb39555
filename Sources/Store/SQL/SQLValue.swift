import Basics

/// One value as SQLite stores it.
package enum SQLValue: Sendable, Equatable {
  case null
  case integer(Int64)
  case real(Double)
  /// Compared by bytes, as the database does.
  case text(String)
  case blob([UInt8])

  package static func == (a: SQLValue, b: SQLValue) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.integer(let x), .integer(let y)): x == y
    case (.real(let x), .real(let y)): x == y
    case (.text(let x), .text(let y)): sameBytes(x, y)
    case (.blob(let x), .blob(let y)): x == y
    default: false
    }
  }

  package init(_ value: Int) { self = .integer(Int64(value)) }
  package init(_ value: Int?) { self = value.map { .integer(Int64($0)) } ?? .null }
  package init(_ value: Int64?) { self = value.map { .integer($0) } ?? .null }
  package init(_ value: UInt64) { self = .integer(Int64(bitPattern: value)) }
  package init(_ value: Double?) { self = value.map { .real($0) } ?? .null }
  package init(_ value: String?) { self = value.map { .text($0) } ?? .null }
  package init(_ value: Bool) { self = .integer(value ? 1 : 0) }
  package init(_ value: Digest?) { self = value.map { .text($0.hex) } ?? .null }
  package init(_ value: FilePath?) { self = value.map { .blob($0.bytes) } ?? .null }
}

/// One row of a result; columns are numbered from 0 in the order of the statement.
package struct Row: Sendable {
  package let values: [SQLValue]

  /// The whole number in a column.
  package func int(_ column: Int) throws(StoreError) -> Int {
    guard case .integer(let value) = self[column] else { throw wrong(column, "a whole number") }
    return Int(value)
  }

  package func optionalInt(_ column: Int) throws(StoreError) -> Int? {
    if case .null = self[column] { return nil }
    return try int(column)
  }

  /// The number in a column.
  package func double(_ column: Int) throws(StoreError) -> Double {
    switch self[column] {
    case .real(let value): return value
    case .integer(let value): return Double(value)
    default: throw wrong(column, "a number")
    }
  }

  package func optionalDouble(_ column: Int) throws(StoreError) -> Double? {
    if case .null = self[column] { return nil }
    return try double(column)
  }

  package func text(_ column: Int) throws(StoreError) -> String {
    guard case .text(let value) = self[column] else { throw wrong(column, "text") }
    return value
  }

  package func optionalText(_ column: Int) throws(StoreError) -> String? {
    if case .null = self[column] { return nil }
    return try text(column)
  }

  package func bytes(_ column: Int) throws(StoreError) -> [UInt8] {
    guard case .blob(let value) = self[column] else { throw wrong(column, "bytes") }
    return value
  }

  package func optionalBytes(_ column: Int) throws(StoreError) -> [UInt8]? {
    if case .null = self[column] { return nil }
    return try bytes(column)
  }

  package func path(_ column: Int) throws(StoreError) -> FilePath { FilePath(bytes: try bytes(column)) }

  package func digest(_ column: Int) throws(StoreError) -> Digest {
    guard let digest = Digest(hex: try text(column)) else { throw wrong(column, "a digest") }
    return digest
  }

  package func optionalDigest(_ column: Int) throws(StoreError) -> Digest? {
    if case .null = self[column] { return nil }
    return try digest(column)
  }

  private subscript(column: Int) -> SQLValue { values.indices.contains(column) ? values[column] : .null }

  private func wrong(_ column: Int, _ expected: String) -> StoreError {
    StoreError(
      "the cache database holds another value than \(expected) in column \(column)", value: "\(self[column])",
      remedy: "the database is damaged or of another version: move it away and run again")
  }
}
