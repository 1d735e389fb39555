/// A value of a template, as Python has it, with the origin that its text takes when it is printed.
struct JinjaValue {
  enum Kind {
    case undefined(JinjaUndefined)
    case none
    case bool(Bool)
    case int(Int)
    /// A whole number beyond 64 bits, kept as its digits: it can be printed and compared for equality only.
    case wide(String)
    case double(Double)
    case text(JinjaText)
    case list([JinjaValue])
    case tuple([JinjaValue])
    case dict(JinjaDict)
    case view(JinjaView)
    case range(JinjaRange)
    case generator(JinjaGenerator)
    case namespace(JinjaNamespace)
    case loop(JinjaLoop)
    case macro(JinjaMacro)
    case method(JinjaMethod)
    case function(JinjaFunction)
    case cycler(JinjaCycler)
    case joiner(JinjaJoiner)
  }

  var kind: Kind
  /// Of scalars and containers; text has its own for every byte.
  var origin: JinjaOrigin
  /// How many containers are nested here; bounded where values are kept, so that walking them never runs deep.
  let depth: UInt16

  init(_ kind: Kind, _ origin: JinjaOrigin = .template) {
    self.kind = kind
    self.origin = origin
    depth =
      switch kind {
      case .list(let items), .tuple(let items): JinjaValue.depth(over: items)
      case .dict(let dict): dict.depth
      case .view(let view): view.dict.depth
      case .generator(let generator): generator.depth
      case .method(let method): method.receiver.depth + 1
      case .cycler(let cycler): JinjaValue.depth(over: cycler.items)
      case .joiner(let joiner): joiner.separator.depth + 1
      default: 0
      }
  }

  static func depth(over items: [JinjaValue]) -> UInt16 { items.reduce(0) { max($0, $1.depth) } + 1 }

  static var none: JinjaValue { JinjaValue(.none) }
  static func bool(_ value: Bool) -> JinjaValue { JinjaValue(.bool(value)) }
  static func int(_ value: Int) -> JinjaValue { JinjaValue(.int(value)) }
  static func text(_ value: JinjaText) -> JinjaValue { JinjaValue(.text(value)) }
  static func list(_ items: [JinjaValue]) -> JinjaValue { JinjaValue(.list(items)) }
  static func tuple(_ items: [JinjaValue]) -> JinjaValue { JinjaValue(.tuple(items)) }
  static func undefined(_ what: String) -> JinjaValue { JinjaValue(.undefined(JinjaUndefined(what))) }

  var isUndefined: Bool { if case .undefined = kind { true } else { false } }
  var isNone: Bool { if case .none = kind { true } else { false } }
  var text: JinjaText? { if case .text(let text) = kind { text } else { nil } }

  /// A number that counts: an int, or a bool as 0 and 1.
  var int: Int? {
    switch kind {
    case .int(let value): value
    case .bool(let value): value ? 1 : 0
    default: nil
    }
  }

  /// Any number as a double.
  var double: Double? {
    switch kind {
    case .double(let value): value
    case .wide(let digits): Double(digits)
    default: int.map(Double.init)
    }
  }

  /// Python's name of the type, for messages.
  var typeName: String {
    switch kind {
    case .undefined: "Undefined"
    case .none: "NoneType"
    case .bool: "bool"
    case .int, .wide: "int"
    case .double: "float"
    case .text: "str"
    case .list: "list"
    case .tuple: "tuple"
    case .dict: "dict"
    case .view(let view): view.kind.rawValue
    case .range: "range"
    case .generator: "generator"
    case .namespace: "Namespace"
    case .loop: "LoopContext"
    case .macro: "Macro"
    case .method: "builtin_function_or_method"
    case .function: "function"
    case .cycler: "Cycler"
    case .joiner: "Joiner"
    }
  }

  /// Python's truth value.
  var isTrue: Bool {
    switch kind {
    case .undefined, .none: false
    case .bool(let value): value
    case .int(let value): value != 0
    case .double(let value): value != 0
    case .text(let text): !text.isEmpty
    case .list(let items), .tuple(let items): !items.isEmpty
    case .dict(let dict): dict.count > 0
    case .view(let view): view.dict.count > 0
    case .range(let range): range.count > 0
    case .loop(let loop): !loop.items.isEmpty
    default: true
    }
  }
}

/// Why a value is not defined; using it in most ways raises this.
final class JinjaUndefined {
  let what: String
  init(_ what: String) { self.what = what }
}

/// A dictionary in the order of insertion; templates cannot change one.
final class JinjaDict {
  private(set) var keys: [JinjaValue] = []
  private(set) var values: [JinjaValue] = []
  private(set) var depth: UInt16 = 1
  /// Positions by key once a linear search would be slow.
  private var index: [JinjaKey: Int] = [:]

  init() {}

  var count: Int { keys.count }

  /// Sets a member while the dictionary is being built.
  func set(_ key: JinjaValue, _ value: JinjaValue) throws(JinjaFault) {
    let hashed = try JinjaKey(key)
    depth = max(depth, value.depth + 1, key.depth + 1)
    if index.isEmpty, keys.count == 8 {
      for (position, key) in keys.enumerated() { index[try JinjaKey(key)] = position }
    }
    if let position = try position(of: key) {
      values[position] = value
      return
    }
    if !index.isEmpty { index[hashed] = keys.count }
    keys.append(key)
    values.append(value)
  }

  private func position(of key: JinjaValue) throws(JinjaFault) -> Int? {
    let hashed = try JinjaKey(key)
    if !index.isEmpty { return index[hashed] }
    for (position, candidate) in keys.enumerated() {
      if case .text(let a) = candidate.kind, case .text(let b) = key.kind {
        if a.sameBytes(b) { return position }
      } else if try JinjaKey(candidate) == hashed {
        return position
      }
    }
    return nil
  }

  func value(_ key: JinjaValue) throws(JinjaFault) -> JinjaValue? { try position(of: key).map { values[$0] } }

  /// The value under a string key.
  func value(_ key: JinjaText) -> JinjaValue? {
    if !index.isEmpty { return index[.text(key.bytes)].map { values[$0] } }
    for (position, candidate) in keys.enumerated() {
      if case .text(let text) = candidate.kind, text.sameBytes(key) { return values[position] }
    }
    return nil
  }
}

/// What Python's dictionaries hash: numbers of equal value are one key.
enum JinjaKey: Hashable {
  case none
  case int(Int)
  case wide(String)
  case double(Double)
  case text([UInt8])
  case tuple([JinjaKey])

  init(_ value: JinjaValue) throws(JinjaFault) {
    switch value.kind {
    case .none: self = .none
    case .bool(let flag): self = .int(flag ? 1 : 0)
    case .int(let number): self = .int(number)
    case .wide(let digits): self = .wide(digits)
    case .double(let number): self = Int(exactly: number).map { .int($0) } ?? .double(number)
    case .text(let text): self = .text(text.bytes)
    case .tuple(let items):
      var keys: [JinjaKey] = []
      for item in items { keys.append(try JinjaKey(item)) }
      self = .tuple(keys)
    default: throw JinjaFault("unhashable type: '\(value.typeName)'")
    }
  }
}

/// `dict.keys()`, `dict.values()` or `dict.items()`.
struct JinjaView {
  enum Kind: String {
    case keys = "dict_keys"
    case values = "dict_values"
    case items = "dict_items"
  }
  let kind: Kind
  let dict: JinjaDict
  let origin: JinjaOrigin

  var items: [JinjaValue] {
    switch kind {
    case .keys: dict.keys
    case .values: dict.values
    case .items: zip(dict.keys, dict.values).map { JinjaValue(.tuple([$0, $1]), origin) }
    }
  }
}

/// Python's `range`.
struct JinjaRange {
  let start: Int
  /// Where it stops; needed to print it only.
  let end: Int
  let step: Int
  let count: Int

  init(start: Int, end: Int, step: Int, count: Int) {
    self.start = start
    self.end = end
    self.step = step
    self.count = count
  }

  /// The numbers from `start` on by `step`, which is not zero, before `end`.
  init(from start: Int, to end: Int, by step: Int) {
    let isEmpty = step > 0 ? end <= start : end >= start
    let distance = UInt(bitPattern: step > 0 ? end &- start : start &- end)
    let count = isEmpty ? 0 : Int(clamping: (distance - 1) / step.magnitude + 1)
    self.init(start: start, end: end, step: step, count: count)
  }

  subscript(index: Int) -> Int { start &+ index &* step }
}

/// The result of a filter that Python makes lazily: it can be read once.
final class JinjaGenerator {
  private var items: [JinjaValue]
  let depth: UInt16
  init(_ items: [JinjaValue]) {
    self.items = items
    depth = JinjaValue.depth(over: items)
  }

  func take() -> [JinjaValue] {
    defer { items = [] }
    return items
  }

  func next() -> JinjaValue? { items.isEmpty ? nil : items.removeFirst() }
}

/// `namespace(…)`: the one value whose attributes a template may set.
final class JinjaNamespace {
  var members: [(name: JinjaText, value: JinjaValue)] = []

  subscript(name: JinjaText) -> JinjaValue? {
    get { members.first { $0.name.sameBytes(name) }?.value }
    set {
      guard let newValue else { return }
      if let place = members.firstIndex(where: { $0.name.sameBytes(name) }) {
        members[place].value = newValue
      } else {
        members.append((name, newValue))
      }
    }
  }
}

/// A method taken from a value and not called yet.
struct JinjaMethod {
  let name: String
  private let box: [JinjaValue]
  var receiver: JinjaValue { box[0] }

  init(_ name: String, of receiver: JinjaValue) {
    self.name = name
    box = [receiver]
  }
}

/// The functions a template finds defined.
enum JinjaFunction: String, CaseIterable {
  case range, dict, namespace, cycler, joiner, lipsum
  case raiseException = "raise_exception"
  case strftimeNow = "strftime_now"
  case fromKeys = "dict.fromkeys"
}

final class JinjaCycler {
  let items: [JinjaValue]
  var position = 0
  init(_ items: [JinjaValue]) { self.items = items }
}

final class JinjaJoiner {
  let separator: JinjaValue
  var used = false
  init(_ separator: JinjaValue) { self.separator = separator }
}

/// Positional and keyword arguments of a call.
struct JinjaArguments {
  var positional: [JinjaValue] = []
  var keywords: [(name: String, value: JinjaValue)] = []

  /// The arguments in the order of `names`, nil where one was left out; anything more or unknown is an error.
  func bound(_ names: [String], required: Int = 0, to function: String) throws(JinjaFault) -> [JinjaValue?] {
    guard positional.count <= names.count else {
      throw JinjaFault("\(function) takes at most \(names.count) arguments, got \(positional.count)")
    }
    var result: [JinjaValue?] = positional
    result += Array(repeating: nil, count: names.count - positional.count)
    for (name, value) in keywords {
      guard let place = names.firstIndex(of: name) else {
        throw JinjaFault("\(function) got an unexpected keyword argument '\(name)'")
      }
      guard result[place] == nil else { throw JinjaFault("\(function) got multiple values for argument '\(name)'") }
      result[place] = value
    }
    for place in 0..<required where result[place] == nil {
      throw JinjaFault("\(function) misses the argument '\(names[place])'")
    }
    return result
  }
}
