/// The filters that `|` knows.
enum JinjaFilter: String, CaseIterable {
  case abs, attr, batch, capitalize, center, count, d, dictsort, e, escape, filesizeformat, first, float, forceescape
  case format, groupby, indent, int, items, join, last, length, list, lower, map, max, min, pprint, random, reject
  case rejectattr, replace, reverse, round, safe, select, selectattr, slice, sort, string, striptags, sum, title, tojson
  case trim, truncate, unique, upper, urlencode, urlize, wordcount, wordwrap, xmlattr
  case byDefault = "default"
}

extension JinjaRenderer {
  func filter(_ filter: JinjaFilter, _ value: JinjaValue, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaValue
  {
    try spend()
    switch filter {
    case .byDefault, .d:
      let given = try arguments.bound(["default_value", "boolean"], to: "default")
      let isMissing = value.isUndefined || (given[1]?.isTrue ?? false) && !value.isTrue
      return isMissing ? given[0] ?? .text(JinjaText()) : value
    case .length, .count:
      _ = try arguments.bound([], to: "length")
      return .int(try length(value))
    case .tojson: return .text(try JinjaJSON(self, arguments).text(of: value))
    case .attr:
      let given = try arguments.bound(["name"], required: 1, to: "attr")
      let name = try requiredText(given[0], "attr")
      if case .dict = value.kind, !JinjaMethods.exists(name, on: value) {
        return .undefined("'dict object' has no attribute '\(name.string)'")
      }
      return try attribute(name, of: value)
    case .abs, .round, .int, .float, .filesizeformat: return try numberFilter(filter, value, arguments)
    case .first, .last, .list, .items, .batch, .slice, .join, .reverse, .sum:
      return try sequenceFilter(filter, value, arguments)
    case .map, .select, .reject, .selectattr, .rejectattr: return try choiceFilter(filter, value, arguments)
    case .sort, .dictsort, .unique, .groupby, .min, .max: return try orderFilter(filter, value, arguments)
    case .random: throw JinjaFault("the filter 'random' is not available in chat templates")
    default: return try textFilter(filter, value, arguments)
    }
  }

  func length(_ value: JinjaValue) throws(JinjaFault) -> Int {
    switch value.kind {
    case .text(let text):
      try spend(scan: text)
      return text.count
    case .list(let items), .tuple(let items): return items.count
    case .dict(let dict): return dict.count
    case .view(let view): return view.dict.count
    case .range(let range): return range.count
    case .loop(let loop): return loop.items.count
    case .undefined: return 0
    default: throw JinjaFault("object of type '\(value.typeName)' has no len()")
    }
  }

  // MARK: Numbers

  private func numberFilter(_ filter: JinjaFilter, _ value: JinjaValue, _ arguments: JinjaArguments)
    throws(JinjaFault) -> JinjaValue
  {
    switch filter {
    case .abs:
      _ = try arguments.bound([], to: "abs")
      if let number = value.int {
        return number < 0
          ? try negative(JinjaValue(.int(number), value.origin)) : JinjaValue(.int(number), value.origin)
      }
      guard let number = value.double else { throw try badOperand("abs", value) }
      return JinjaValue(.double(number.magnitude), value.origin)
    case .int:
      let given = try arguments.bound(["default", "base"], to: "int")
      if case .undefined(let undefined) = value.kind { throw JinjaFault(undefined.what) }
      let base = given[1]?.int ?? 10
      return JinjaValue(JinjaNumber.int(value, base: base).map { .int($0) } ?? (given[0] ?? .int(0)).kind, value.origin)
    case .float:
      let given = try arguments.bound(["default"], to: "float")
      if case .undefined(let undefined) = value.kind { throw JinjaFault(undefined.what) }
      let number = JinjaNumber.double(value)
      return JinjaValue(number.map { .double($0) } ?? given[0]?.kind ?? .double(0), value.origin)
    case .round:
      let given = try arguments.bound(["precision", "method"], to: "round")
      let method = try optionalText(given[1], "round")?.string ?? "common"
      return JinjaValue(try JinjaNumber.round(value, given[0]?.int ?? 0, method), value.origin)
    default:
      let given = try arguments.bound(["binary"], to: "filesizeformat")
      guard let size = JinjaNumber.double(value) else { throw JinjaFault("filesizeformat needs a number") }
      return .text(JinjaText(JinjaNumber.fileSize(size, isBinary: given[0]?.isTrue ?? false), value.origin))
    }
  }

  // MARK: Sequences

  private func sequenceFilter(_ filter: JinjaFilter, _ value: JinjaValue, _ arguments: JinjaArguments)
    throws(JinjaFault) -> JinjaValue
  {
    switch filter {
    case .first:
      if case .generator(let generator) = value.kind {
        return generator.next() ?? .undefined("no first item, sequence was empty")
      }
      if case .text(let text) = value.kind, !text.isEmpty { return .text(JinjaCase.split(text).first) }
      return try iterate(value).first ?? .undefined("no first item, sequence was empty")
    case .last:
      if case .generator = value.kind { throw JinjaFault("'generator' object is not reversible") }
      return try iterate(value).last ?? .undefined("no last item, sequence was empty")
    case .list:
      let items = try iterate(value)
      try spend(items: items.count)
      return JinjaValue(.list(items), value.origin)
    case .items:
      if value.isUndefined { return JinjaValue(.generator(JinjaGenerator([]))) }
      guard case .dict(let dict) = value.kind else { throw JinjaFault("can only get item pairs from a mapping") }
      let view = JinjaView(kind: .items, dict: dict, origin: value.origin)
      return JinjaValue(.generator(JinjaGenerator(view.items)), value.origin)
    case .reverse:
      if case .text(let text) = value.kind { return .text(try reversed(text)) }
      let items = try iterate(value)
      try spend(items: items.count)
      return JinjaValue(.generator(JinjaGenerator(items.reversed())), value.origin)
    case .join: return .text(try join(value, arguments))
    case .sum:
      let given = try arguments.bound(["attribute", "start"], to: "sum")
      var total = given[1] ?? .int(0)
      for item in try iterate(value) {
        try spend()
        total = try binary(.add, total, try attribute(given[0], of: item))
      }
      return total
    default: return try parts(filter, value, arguments)
    }
  }

  private func reversed(_ text: JinjaText) throws(JinjaFault) -> JinjaText {
    guard case .text(let result) = try slice(.text(text), nil, nil, -1).kind else { return text }
    return result
  }

  private func join(_ value: JinjaValue, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaText {
    let given = try arguments.bound(["d", "attribute"], to: "join")
    let separator = try given[0].map { (value) throws(JinjaFault) in try text(of: value) } ?? JinjaText()
    var result = JinjaText()
    for (index, item) in try iterate(value).enumerated() {
      if index > 0 { result.append(separator) }
      let piece = try text(of: try attribute(given[1], of: item))
      result.append(piece)
      try spend(text: result.bytes.count > Limit.text ? .max : piece.bytes.count + separator.bytes.count)
    }
    return result
  }

  private func parts(_ filter: JinjaFilter, _ value: JinjaValue, _ arguments: JinjaArguments)
    throws(JinjaFault) -> JinjaValue
  {
    let names = [filter == .batch ? "linecount" : "slices", "fill_with"]
    let given = try arguments.bound(names, required: 1, to: filter.rawValue)
    let size = try requiredInt(given[0], filter.rawValue)
    let items = try iterate(value)
    guard size > 0, size <= Limit.range else { throw JinjaFault("\(filter.rawValue) of \(size)") }
    try spend(items: items.count + size)
    let fill = given[1].flatMap { $0.isNone ? nil : $0 }
    var parts: [[JinjaValue]] = []
    if filter == .batch {
      for start in stride(from: 0, to: items.count, by: size) {
        var part = Array(items[start..<Swift.min(start + size, items.count)])
        if let fill { part += Array(repeating: fill, count: size - part.count) }
        parts.append(part)
      }
    } else {
      let (each, extra) = items.count.quotientAndRemainder(dividingBy: size)
      var start = 0
      for index in 0..<size {
        let end = start + each + (index < extra ? 1 : 0)
        var part = Array(items[start..<end])
        if let fill, index >= extra { part.append(fill) }
        parts.append(part)
        start = end
      }
    }
    return JinjaValue(.generator(JinjaGenerator(parts.map { .list($0) })))
  }

  // MARK: Choices

  private func choiceFilter(_ filter: JinjaFilter, _ value: JinjaValue, _ arguments: JinjaArguments)
    throws(JinjaFault) -> JinjaValue
  {
    guard value.isTrue else { return JinjaValue(.generator(JinjaGenerator([]))) }
    var results: [JinjaValue] = []
    for item in try iterate(value) {
      try spend()
      if filter == .map {
        results.append(try mapped(item, arguments))
      } else {
        let byAttribute = filter == .selectattr || filter == .rejectattr
        let isWanted = filter == .select || filter == .selectattr
        if try chosen(item, arguments, byAttribute) == isWanted { results.append(item) }
      }
    }
    return JinjaValue(.generator(JinjaGenerator(results)), value.origin)
  }

  private func mapped(_ item: JinjaValue, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaValue {
    if arguments.positional.isEmpty, let path = arguments.keywords.first(where: { $0.name == "attribute" })?.value {
      let given = try arguments.bound(["attribute", "default"], to: "map")
      return try attribute(path, of: item, fallback: given[1].flatMap { $0.isNone ? nil : $0 })
    }
    guard let name = arguments.positional.first else { throw JinjaFault("map requires a filter argument") }
    let text = try requiredText(name, "map").string
    guard let filter = JinjaFilter(rawValue: text) else { throw JinjaFault("no filter is named '\(text)'") }
    let rest = JinjaArguments(positional: Array(arguments.positional.dropFirst()), keywords: arguments.keywords)
    return try nested { () throws(JinjaFault) in try self.filter(filter, item, rest) }
  }

  private func chosen(_ item: JinjaValue, _ arguments: JinjaArguments, _ byAttribute: Bool) throws(JinjaFault) -> Bool {
    var rest = arguments
    var value = item
    if byAttribute {
      guard let path = rest.positional.first else { throw JinjaFault("missing parameter for attribute name") }
      rest.positional.removeFirst()
      value = try attribute(path, of: item)
    }
    guard let name = rest.positional.first else { return value.isTrue }
    rest.positional.removeFirst()
    let text = try requiredText(name, "select").string
    guard let test = JinjaTest(rawValue: text) else { throw JinjaFault("no test is named '\(text)'") }
    return try self.test(test, value, rest)
  }

  /// The value a dotted path leads to; no path is the item itself.
  func attribute(_ path: JinjaValue?, of item: JinjaValue, fallback: JinjaValue? = nil) throws(JinjaFault) -> JinjaValue
  {
    guard let path, !path.isNone else { return item }
    guard case .text(let text) = path.kind else { return try self.item(path, of: item) }
    var value = item
    for part in JinjaRenderer.split(text, [UInt8(ascii: ".")], -1, fromRight: false) {
      let key = Int(part.string).flatMap { $0 >= 0 ? JinjaValue.int($0) : nil }
      value = try self.item(key ?? .text(part), of: value)
      if let fallback, value.isUndefined { value = fallback }
    }
    return value
  }
}
