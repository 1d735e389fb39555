import Basics

extension JSON {
  /// The value at a place; nil when nothing is there.
  package func value(at place: some Collection<JSONStep>) -> JSON? {
    guard let step = place.first else { return self }
    switch (step, self) {
    case (.key(let key), .object(let object)): return object[key]?.value(at: place.dropFirst())
    case (.index(let index), .array(let items)) where items.indices.contains(index):
      return items[index].value(at: place.dropFirst())
    default: return nil
    }
  }

  /// This value with the one at `place` replaced; unchanged when nothing is there.
  package func replacing(at place: some Collection<JSONStep>, with value: JSON) -> JSON {
    guard let step = place.first else { return value }
    switch (step, self) {
    case (.key(let key), .object(var object)):
      guard let member = object[key] else { return self }
      object[key] = member.replacing(at: place.dropFirst(), with: value)
      return .object(object)
    case (.index(let index), .array(var items)) where items.indices.contains(index):
      items[index] = items[index].replacing(at: place.dropFirst(), with: value)
      return .array(items)
    default: return self
    }
  }
}
