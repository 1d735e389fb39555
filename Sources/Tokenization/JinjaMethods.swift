/// The methods of Python's values that templates may call.
enum JinjaMethods {
  private static let text: Set<String> = [
    "capitalize", "casefold", "center", "count", "encode", "endswith", "expandtabs", "find", "format", "format_map",
    "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric",
    "isprintable", "isspace", "istitle", "isupper", "join", "ljust", "lower", "lstrip", "maketrans", "partition",
    "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip", "split",
    "splitlines", "startswith", "strip", "swapcase", "title", "translate", "upper", "zfill",
  ]
  private static let list: Set<String> = ["copy", "count", "index"]
  private static let tuple: Set<String> = ["count", "index"]
  private static let dict: Set<String> = ["copy", "fromkeys", "get", "items", "keys", "values"]
  private static let range: Set<String> = ["count", "index", "start", "step", "stop"]
  /// Methods that would change a list or a dictionary; the sandbox refuses to call them.
  private static let changingList: Set<String> = [
    "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort",
  ]
  private static let changingDict: Set<String> = ["clear", "pop", "popitem", "setdefault", "update"]

  static func exists(_ name: JinjaText, on value: JinjaValue) -> Bool {
    let name = name.string
    return switch value.kind {
    case .text: text.contains(name)
    case .list: list.contains(name) || changingList.contains(name)
    case .tuple: tuple.contains(name)
    case .dict: dict.contains(name) || changingDict.contains(name)
    case .range: range.contains(name)
    case .double: ["is_integer", "hex", "as_integer_ratio", "conjugate"].contains(name)
    case .int, .bool, .wide: ["bit_length", "conjugate", "to_bytes", "as_integer_ratio"].contains(name)
    default: false
    }
  }

  /// Whether calling the method is what jinja2's immutable sandbox forbids.
  static func isForbidden(_ name: String, on value: JinjaValue) -> Bool {
    switch value.kind {
    case .list: changingList.contains(name)
    case .dict: changingDict.contains(name)
    default: false
    }
  }
}

extension JinjaRenderer {
  func call(_ method: JinjaMethod, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaValue {
    let receiver = method.receiver
    let name = method.name
    guard !JinjaMethods.isForbidden(name, on: receiver) else {
      throw JinjaFault("access to attribute '\(name)' of '\(receiver.typeName)' object is unsafe: values never change")
    }
    switch receiver.kind {
    case .text(let text): return try call(name, on: text, arguments)
    case .dict(let dict): return try call(name, on: dict, receiver, arguments)
    case .list(let items), .tuple(let items): return try call(name, on: items, receiver, arguments)
    case .range(let range):
      return try call(name, on: (0..<range.count).map { .int(range[$0]) }, receiver, arguments)
    case .loop(let loop): return try call(name, on: loop, arguments)
    case .cycler(let cycler):
      if name == "reset" {
        cycler.position = 0
        return .none
      }
      guard !cycler.items.isEmpty else { return .none }
      defer { cycler.position = (cycler.position + 1) % cycler.items.count }
      return cycler.items[cycler.position]
    case .double(let number) where name == "is_integer": return .bool(number.rounded() == number)
    case .int(let number) where name == "bit_length": return .int(Int.bitWidth - number.magnitude.leadingZeroBitCount)
    default: throw JinjaFault("the method '\(name)' of '\(receiver.typeName)' is not available in templates")
    }
  }

  private func call(_ name: String, on loop: JinjaLoop, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaValue {
    if name == "cycle" {
      guard !arguments.positional.isEmpty else { throw JinjaFault("no items for cycling given") }
      return arguments.positional[loop.index % arguments.positional.count]
    }
    if let last = loop.lastChanged, try equal(.list(last), .list(arguments.positional)) { return .bool(false) }
    loop.lastChanged = arguments.positional
    return .bool(true)
  }

  private func call(_ name: String, on dict: JinjaDict, _ receiver: JinjaValue, _ arguments: JinjaArguments)
    throws(JinjaFault) -> JinjaValue
  {
    func view(_ kind: JinjaView.Kind) -> JinjaValue {
      JinjaValue(.view(JinjaView(kind: kind, dict: dict, origin: receiver.origin)), receiver.origin)
    }
    switch name {
    case "get":
      guard arguments.keywords.isEmpty else { throw JinjaFault("dict.get() takes no keyword arguments") }
      let given = try arguments.bound(["key", "default"], required: 1, to: "dict.get()")
      return try dict.value(given[0] ?? .none) ?? given[1] ?? .none
    case "fromkeys": return try call(JinjaFunction.fromKeys, arguments)
    default: _ = try arguments.bound([], to: "dict.\(name)()")
    }
    switch name {
    case "items": return view(.items)
    case "keys": return view(.keys)
    case "values": return view(.values)
    default: return receiver
    }
  }

  private func call(_ name: String, on items: [JinjaValue], _ receiver: JinjaValue, _ arguments: JinjaArguments)
    throws(JinjaFault) -> JinjaValue
  {
    if name == "copy" { return receiver }
    let given = try arguments.bound(["value", "start", "stop"], required: 1, to: "\(receiver.typeName).\(name)()")
    let wanted = given[0] ?? .none
    var places: [Int] = []
    for (place, item) in items.enumerated() {
      try spend()
      if try equal(item, wanted) { places.append(place) }
    }
    if name == "count" { return .int(places.count) }
    let window = JinjaRenderer.places(items.count, given[1]?.int, given[2]?.int, 1)
    guard let place = places.first(where: { $0 >= window.start && $0 < window.start + window.count }) else {
      throw JinjaFault("\(try representation(of: wanted, .template).string) is not in \(receiver.typeName)")
    }
    return .int(place)
  }

  // MARK: Functions

  func call(_ function: JinjaFunction, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaValue {
    switch function {
    case .range: return try range(arguments)
    case .dict: return try dictionary(arguments)
    case .namespace:
      let space = JinjaNamespace()
      register(space)
      guard case .dict(let dict) = try dictionary(arguments).kind else { return .none }
      for (key, value) in zip(dict.keys, dict.values) {
        guard let name = key.text else { throw JinjaFault("the attributes of a namespace are named by strings") }
        try JinjaRenderer.checkMember(name)
        space[name] = value
      }
      return JinjaValue(.namespace(space))
    case .cycler:
      guard !arguments.positional.isEmpty else { throw JinjaFault("at least one item has to be provided") }
      return JinjaValue(.cycler(JinjaCycler(arguments.positional)))
    case .joiner:
      let given = try arguments.bound(["sep"], to: "joiner()")
      return JinjaValue(.joiner(JinjaJoiner(given[0] ?? .text(JinjaText(", ")))))
    case .raiseException:
      let given = try arguments.bound(["message"], required: 1, to: "raise_exception()")
      throw JinjaFault(try text(of: given[0] ?? .none).string)
    case .strftimeNow:
      let given = try arguments.bound(["format"], required: 1, to: "strftime_now()")
      guard let format = given[0]?.text else { throw JinjaFault("strftime_now() takes a string") }
      try spend(text: format.bytes.count * 16)
      return .text(JinjaText(clock.now.formatted(format.string)))
    case .fromKeys:
      let given = try arguments.bound(["iterable", "value"], required: 1, to: "dict.fromkeys()")
      let dict = JinjaDict()
      for key in try iterate(given[0] ?? .none) { try dict.set(key, given[1] ?? .none) }
      return JinjaValue(.dict(dict))
    case .lipsum: throw JinjaFault("lipsum() is random and not available in chat templates")
    }
  }

  private func range(_ arguments: JinjaArguments) throws(JinjaFault) -> JinjaValue {
    guard arguments.keywords.isEmpty else { throw JinjaFault("range() takes no keyword arguments") }
    var numbers: [Int] = []
    for value in arguments.positional {
      guard let number = value.int else {
        if case .undefined(let undefined) = value.kind { throw JinjaFault(undefined.what) }
        throw JinjaFault("'\(value.typeName)' object cannot be interpreted as an integer")
      }
      numbers.append(number)
    }
    guard (1...3).contains(numbers.count) else { throw JinjaFault("range() takes 1 to 3 arguments") }
    let step = numbers.count == 3 ? numbers[2] : 1
    guard step != 0 else { throw JinjaFault("range() arg 3 must not be zero") }
    let range =
      numbers.count == 1
      ? JinjaRange(from: 0, to: numbers[0], by: 1) : JinjaRange(from: numbers[0], to: numbers[1], by: step)
    guard range.count <= Limit.range else {
      throw JinjaFault("range too big: the sandbox blocks ranges larger than \(Limit.range)")
    }
    return JinjaValue(.range(range))
  }

  /// `dict(mapping or pairs, name=value…)`.
  private func dictionary(_ arguments: JinjaArguments) throws(JinjaFault) -> JinjaValue {
    guard arguments.positional.count <= 1 else { throw JinjaFault("dict() takes at most 1 positional argument") }
    let result = JinjaDict()
    var origin = JinjaOrigin.template
    if let first = arguments.positional.first {
      origin = first.origin
      if case .dict(let dict) = first.kind {
        for (key, value) in zip(dict.keys, dict.values) { try result.set(key, value) }
      } else {
        for item in try iterate(first) {
          let pair = try iterate(item)
          guard pair.count == 2 else { throw JinjaFault("dict() needs pairs, got \(pair.count) values") }
          try result.set(pair[0], pair[1])
        }
      }
    }
    for (name, value) in arguments.keywords { try result.set(.text(JinjaText(name)), value) }
    try spend(items: result.count)
    return JinjaValue(.dict(result), origin)
  }
}
