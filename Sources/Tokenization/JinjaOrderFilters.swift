/// Filters that compare items.
extension JinjaRenderer {
  func orderFilter(_ filter: JinjaFilter, _ value: JinjaValue, _ arguments: JinjaArguments)
    throws(JinjaFault) -> JinjaValue
  {
    switch filter {
    case .sort:
      let given = try arguments.bound(["reverse", "case_sensitive", "attribute"], to: "sort")
      let isSensitive = given[1]?.isTrue ?? false
      let items = try sorted(try iterate(value), isReversed: given[0]?.isTrue ?? false) { (item) throws(JinjaFault) in
        try sortKey(item, given[2], isSensitive)
      }
      return JinjaValue(.list(items), value.origin)
    case .dictsort: return try dictsort(value, arguments)
    case .unique:
      let given = try arguments.bound(["case_sensitive", "attribute"], to: "unique")
      var seen: Set<JinjaKey> = []
      var kept: [JinjaValue] = []
      for item in try iterate(value) {
        let key = try key(item, given[1], given[0]?.isTrue ?? false)
        if seen.insert(try JinjaKey(key)).inserted { kept.append(item) }
      }
      return JinjaValue(.generator(JinjaGenerator(kept)), value.origin)
    case .groupby: return try groups(value, arguments)
    default:
      let given = try arguments.bound(["case_sensitive", "attribute"], to: filter.rawValue)
      let isSensitive = given[0]?.isTrue ?? false
      var best: (item: JinjaValue, key: JinjaValue)?
      for item in try iterate(value) {
        try spend()
        let key = try key(item, given[1], isSensitive)
        guard let known = best else {
          best = (item, key)
          continue
        }
        if try compare(filter == .min ? .less : .greater, key, known.key) { best = (item, key) }
      }
      return best?.item ?? .undefined("no aggregated item, sequence was empty")
    }
  }

  /// What an item is compared by: small letters unless `isSensitive`.
  private func key(_ item: JinjaValue, _ path: JinjaValue?, _ isSensitive: Bool, fallback: JinjaValue? = nil)
    throws(JinjaFault) -> JinjaValue
  {
    let value = try attribute(path, of: item, fallback: fallback)
    guard !isSensitive, case .text(let text) = value.kind else { return value }
    try spend(mapping: text)
    return .text(JinjaCase.lower(text))
  }

  /// Several paths may stand in one string, with commas between.
  private func sortKey(_ item: JinjaValue, _ path: JinjaValue?, _ isSensitive: Bool) throws(JinjaFault) -> JinjaValue {
    guard case .text(let text)? = path?.kind else { return .list([try key(item, path, isSensitive)]) }
    var keys: [JinjaValue] = []
    for part in JinjaRenderer.split(text, [UInt8(ascii: ",")], -1, fromRight: false) {
      keys.append(try key(item, .text(part), isSensitive))
    }
    return .list(keys)
  }

  /// A stable sort; keys without an order are an error.
  func sorted<T>(_ items: [T], isReversed: Bool, by key: (T) throws(JinjaFault) -> JinjaValue) throws(JinjaFault) -> [T]
  {
    try spend(items: items.count * 8)
    var keyed: [(item: T, key: JinjaValue)] = []
    for item in items { keyed.append((item, try key(item))) }
    var width = 1
    while width < keyed.count {
      var merged: [(item: T, key: JinjaValue)] = []
      merged.reserveCapacity(keyed.count)
      for start in stride(from: 0, to: keyed.count, by: 2 * width) {
        let middle = min(start + width, keyed.count)
        let end = min(start + 2 * width, keyed.count)
        var (left, right) = (start, middle)
        while left < middle, right < end {
          try spend()
          let takesRight = try compare(isReversed ? .greater : .less, keyed[right].key, keyed[left].key)
          merged.append(keyed[takesRight ? right : left])
          if takesRight { right += 1 } else { left += 1 }
        }
        merged += keyed[left..<middle]
        merged += keyed[right..<end]
      }
      keyed = merged
      width *= 2
    }
    return keyed.map(\.item)
  }

  private func dictsort(_ value: JinjaValue, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaValue {
    let given = try arguments.bound(["case_sensitive", "by", "reverse"], to: "dictsort")
    let by = try optionalText(given[1], "dictsort")?.string ?? "key"
    guard by == "key" || by == "value" else { throw JinjaFault("you can only sort by either \"key\" or \"value\"") }
    if case .undefined(let undefined) = value.kind { throw JinjaFault(undefined.what) }
    guard case .dict(let dict) = value.kind else {
      throw JinjaFault("'\(value.typeName)' object has no attribute 'items'")
    }
    let isSensitive = given[0]?.isTrue ?? false
    let pairs = JinjaView(kind: .items, dict: dict, origin: value.origin).items
    let items = try sorted(pairs, isReversed: given[2]?.isTrue ?? false) { (pair) throws(JinjaFault) in
      try key(pair, .int(by == "key" ? 0 : 1), isSensitive)
    }
    return JinjaValue(.list(items), value.origin)
  }

  private func groups(_ value: JinjaValue, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaValue {
    let given = try arguments.bound(["attribute", "default", "case_sensitive"], required: 1, to: "groupby")
    let isSensitive = given[2]?.isTrue ?? false
    let fallback = given[1].flatMap { $0.isNone ? nil : $0 }
    let items = try sorted(try iterate(value), isReversed: false) { (item) throws(JinjaFault) in
      try key(item, given[0], isSensitive, fallback: fallback)
    }
    var groups: [(key: JinjaValue, items: [JinjaValue])] = []
    for item in items {
      let key = try key(item, given[0], isSensitive, fallback: fallback)
      if let last = groups.last, try equal(last.key, key) {
        groups[groups.count - 1].items.append(item)
      } else {
        groups.append((key, [item]))
      }
    }
    var result: [JinjaValue] = []
    for group in groups {
      let name = isSensitive ? group.key : try attribute(given[0], of: group.items[0], fallback: fallback)
      result.append(.tuple([name, .list(group.items)]))
    }
    return JinjaValue(.list(result), value.origin)
  }
}
