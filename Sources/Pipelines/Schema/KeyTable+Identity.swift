import Basics

extension KeyTable {
  /// `value` without the members that cannot change a result, at every depth the table knows.
  package func identity(of value: JSON) -> JSON {
    guard case .object(let object) = value else { return value }
    var kept: [(key: String, value: JSON)] = []
    for (name, member) in object.members {
      guard let key = self[name] else {
        kept.append((key: name, value: member))
        continue
      }
      if key.identity { kept.append((key: name, value: key.type.identity(of: member))) }
    }
    return .object(JSON.Object(kept))
  }
}

extension ValueType {
  fileprivate func identity(of value: JSON) -> JSON {
    switch (self, value) {
    case (.table(let table), _), (.one(let table), _): table.identity(of: value)
    case (.list(let item, _), .array(let items)): .array(items.map { item.identity(of: $0) })
    case (.word(_, let type), _): type.identity(of: value)
    default: value
    }
  }
}
