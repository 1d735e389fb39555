import Basics

/// One key of a mapping in the pipeline file.
package final class Key: Sendable {
  package let name: String
  package let type: ValueType
  /// The value when the key is absent; nil when there is none.
  package let fallback: JSON?
  package let required: Bool
  /// Whether the value can change a stage's result, so that it belongs to the fingerprint.
  package let identity: Bool
  /// The key has a meaning only while another key of the mapping has one of some values.
  package let onlyWith: (key: String, values: [String])?
  /// Another key of the mapping that decides instead where both are given.
  package let notWith: String?
  /// One sentence without a final full stop.
  package let doc: String

  package init(
    _ name: String, _ type: ValueType, default fallback: JSON? = nil, required: Bool = false, identity: Bool = true,
    onlyWith: (key: String, values: [String])? = nil, notWith: String? = nil, _ doc: String
  ) {
    self.onlyWith = onlyWith
    self.notWith = notWith
    self.name = name
    self.type = type
    self.fallback = fallback
    self.required = required
    self.identity = identity
    self.doc = doc
  }
}

/// The keys of one mapping: the one table behind decoding, help, the JSON Schema and the reference page.
package struct KeyTable: Sendable {
  package let keys: [Key]
  /// Names that other tools use for a key, with the name used here; they are refused with it.
  package let aliases: [String: String]
  private let places: [[UInt8]: Int]

  package init(_ keys: [Key], aliases: [String: String] = [:]) {
    self.keys = keys
    self.aliases = aliases
    var places: [[UInt8]: Int] = [:]
    for (index, key) in keys.enumerated() { places[Array(key.name.utf8)] = index }
    self.places = places
  }

  /// The key of exactly this name, compared by bytes.
  package subscript(name: String) -> Key? { places[Array(name.utf8)].map { keys[$0] } }

  /// The place in `keys` of the key of exactly this name.
  package func place(of name: String) -> Int? { places[Array(name.utf8)] }
}
