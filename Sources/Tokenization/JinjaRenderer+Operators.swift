import Foundation

/// Python's operators on values.
extension JinjaRenderer {
  func badOperand(_ operation: String, _ value: JinjaValue) throws(JinjaFault) -> JinjaFault {
    if case .undefined(let undefined) = value.kind { throw JinjaFault(undefined.what) }
    return JinjaFault("bad operand type for unary \(operation): '\(value.typeName)'")
  }

  func badOperands(_ operation: String, _ a: JinjaValue, _ b: JinjaValue) -> JinjaFault {
    if case .undefined(let undefined) = a.kind { return JinjaFault(undefined.what) }
    if case .undefined(let undefined) = b.kind { return JinjaFault(undefined.what) }
    return JinjaFault("unsupported operand types for \(operation): '\(a.typeName)' and '\(b.typeName)'")
  }

  func negative(_ value: JinjaValue) throws(JinjaFault) -> JinjaValue {
    if case .double(let number) = value.kind { return JinjaValue(.double(-number), value.origin) }
    if case .wide(let digits) = value.kind {
      let opposite = digits.hasPrefix("-") ? String(digits.dropFirst()) : "-" + digits
      return JinjaValue(Int(opposite).map { .int($0) } ?? .wide(opposite), value.origin)
    }
    guard let number = value.int else { throw try badOperand("-", value) }
    return JinjaValue(number == .min ? .wide("9223372036854775808") : .int(-number), value.origin)
  }

  // MARK: Arithmetic

  func binary(_ operation: JinjaBinary, _ a: JinjaValue, _ b: JinjaValue) throws(JinjaFault) -> JinjaValue {
    let origin = a.origin.joined(b.origin)
    if let x = a.int, let y = b.int { return JinjaValue(try whole(operation, x, y), origin) }
    if let x = a.double, let y = b.double { return JinjaValue(.double(try real(operation, x, y)), origin) }
    switch operation {
    case .add: return try sum(a, b)
    case .multiply:
      if let count = b.int { return try repeated(a, count, b) }
      if let count = a.int { return try repeated(b, count, a) }
    case .modulo: if case .text(let format) = a.kind { return .text(try percentFormat(format, b)) }
    default: break
    }
    throw badOperands(JinjaRenderer.symbol(of: operation), a, b)
  }

  private static func symbol(of operation: JinjaBinary) -> String {
    switch operation {
    case .add: "+"
    case .subtract: "-"
    case .multiply: "*"
    case .divide: "/"
    case .floorDivide: "//"
    case .modulo: "%"
    case .power: "**"
    }
  }

  private func whole(_ operation: JinjaBinary, _ x: Int, _ y: Int) throws(JinjaFault) -> JinjaValue.Kind {
    let result: (partialValue: Int, overflow: Bool)
    switch operation {
    case .add: result = x.addingReportingOverflow(y)
    case .subtract: result = x.subtractingReportingOverflow(y)
    case .multiply: result = x.multipliedReportingOverflow(by: y)
    case .divide:
      guard y != 0 else { throw JinjaFault("division by zero") }
      return .double(Double(x) / Double(y))
    case .floorDivide, .modulo:
      guard y != 0 else { throw JinjaFault("division by zero") }
      if y == -1, operation == .modulo { return .int(0) }
      guard x != .min || y != -1 else { throw JinjaFault("a whole number beyond 64 bits") }
      let isBelow = x % y != 0 && (x % y < 0) != (y < 0)
      return .int(operation == .modulo ? x % y + (isBelow ? y : 0) : x / y - (isBelow ? 1 : 0))
    case .power:
      if y < 0 { return .double(try real(.power, Double(x), Double(y))) }
      return .int(try power(x, y))
    }
    guard !result.overflow else { throw JinjaFault("a whole number beyond 64 bits") }
    return .int(result.partialValue)
  }

  private func power(_ base: Int, _ exponent: Int) throws(JinjaFault) -> Int {
    if base == 1 || exponent == 0 { return 1 }
    if base == 0 { return 0 }
    if base == -1 { return exponent % 2 == 0 ? 1 : -1 }
    guard exponent < 64 else { throw JinjaFault("a whole number beyond 64 bits") }
    var result = 1
    for _ in 0..<exponent {
      let next = result.multipliedReportingOverflow(by: base)
      guard !next.overflow else { throw JinjaFault("a whole number beyond 64 bits") }
      result = next.partialValue
    }
    return result
  }

  private func real(_ operation: JinjaBinary, _ x: Double, _ y: Double) throws(JinjaFault) -> Double {
    switch operation {
    case .add: return x + y
    case .subtract: return x - y
    case .multiply: return x * y
    case .power:
      let result = Foundation.pow(x, y)
      guard result.isFinite || !x.isFinite || !y.isFinite else { throw JinjaFault("the power is out of range") }
      return result
    default:
      guard y != 0 else { throw JinjaFault("float division by zero") }
      if operation == .divide { return x / y }
      let remainder = fmod(x, y)
      let isBelow = remainder != 0 && (remainder < 0) != (y < 0)
      if operation == .modulo { return isBelow ? remainder + y : remainder }
      return ((x - remainder) / y - (isBelow ? 1 : 0)).rounded()
    }
  }

  private func sum(_ a: JinjaValue, _ b: JinjaValue) throws(JinjaFault) -> JinjaValue {
    switch (a.kind, b.kind) {
    case (.text(let x), .text(let y)):
      try spend(text: x.bytes.count + y.bytes.count)
      if x.isMarkup || y.isMarkup {
        var result = JinjaRenderer.escaped(x) + JinjaRenderer.escaped(y)
        result.isMarkup = true
        return .text(result)
      }
      return .text(x + y)
    case (.list(let x), .list(let y)):
      try spend(items: x.count + y.count)
      return JinjaValue(.list(x + y), a.origin.joined(b.origin))
    case (.tuple(let x), .tuple(let y)):
      try spend(items: x.count + y.count)
      return JinjaValue(.tuple(x + y), a.origin.joined(b.origin))
    default: throw badOperands("+", a, b)
    }
  }

  private func repeated(_ value: JinjaValue, _ count: Int, _ other: JinjaValue) throws(JinjaFault) -> JinjaValue {
    let count = max(0, count)
    switch value.kind {
    case .text(let text):
      let (size, overflow) = text.bytes.count.multipliedReportingOverflow(by: count)
      try spend(text: overflow ? .max : size)
      guard count > 0, size > 0 else { return .text(text.bytes(0..<0)) }
      var result = text
      while result.bytes.count * 2 <= size { result.append(result) }
      result.append(result.bytes(0..<size - result.bytes.count))
      return .text(result)
    case .list(let items), .tuple(let items):
      let (size, overflow) = items.count.multipliedReportingOverflow(by: count)
      try spend(items: overflow ? .max : size)
      let all = Array(repeatElement(items, count: items.isEmpty ? 0 : count).joined())
      if case .list = value.kind { return JinjaValue(.list(all), value.origin) }
      return JinjaValue(.tuple(all), value.origin)
    default: throw badOperands("*", value, other)
    }
  }

  // MARK: Equality, order, membership

  func equal(_ a: JinjaValue, _ b: JinjaValue) throws(JinjaFault) -> Bool {
    if let x = a.int, let y = b.int { return x == y }
    if let x = a.double, let y = b.double {
      if case .wide(let m) = a.kind, case .wide(let n) = b.kind { return m == n }
      return x == y
    }
    switch (a.kind, b.kind) {
    case (.text(let x), .text(let y)):
      try spend(text: min(x.bytes.count, y.bytes.count))
      return x.sameBytes(y)
    case (.none, .none), (.undefined, .undefined): return true
    case (.list(let x), .list(let y)), (.tuple(let x), .tuple(let y)):
      guard x.count == y.count else { return false }
      for (left, right) in zip(x, y) {
        try spend()
        guard try equal(left, right) else { return false }
      }
      return true
    case (.dict(let x), .dict(let y)): return try equal(x, y)
    case (.range(let x), .range(let y)):
      return x.count == y.count && (x.count == 0 || x.start == y.start && (x.count == 1 || x.step == y.step))
    case (.namespace(let x), .namespace(let y)): return x === y
    case (.macro(let x), .macro(let y)): return x === y
    case (.function(let x), .function(let y)): return x == y
    case (.loop(let x), .loop(let y)): return x === y
    default: return false
    }
  }

  private func equal(_ x: JinjaDict, _ y: JinjaDict) throws(JinjaFault) -> Bool {
    if x === y { return true }
    guard x.count == y.count else { return false }
    for (key, value) in zip(x.keys, x.values) {
      try spend()
      guard let other = try y.value(key), try equal(value, other) else { return false }
    }
    return true
  }

  /// Python's rich comparison; `holds` judges the sign of the difference.
  func order(_ a: JinjaValue, _ b: JinjaValue, _ symbol: String, _ holds: (Int, Int) -> Bool) throws(JinjaFault) -> Bool
  {
    if let x = a.double, let y = b.double, x.isNaN || y.isNaN { return false }
    guard let difference = try difference(a, b) else { throw badOrder(symbol, a, b) }
    return holds(difference, 0)
  }

  private func badOrder(_ symbol: String, _ a: JinjaValue, _ b: JinjaValue) -> JinjaFault {
    if case .undefined(let undefined) = a.kind { return JinjaFault(undefined.what) }
    if case .undefined(let undefined) = b.kind { return JinjaFault(undefined.what) }
    return JinjaFault("'\(symbol)' not supported between instances of '\(a.typeName)' and '\(b.typeName)'")
  }

  /// -1, 0 or 1; nil where Python knows no order.
  func difference(_ a: JinjaValue, _ b: JinjaValue) throws(JinjaFault) -> Int? {
    if let x = a.int, let y = b.int { return x < y ? -1 : x > y ? 1 : 0 }
    if let x = a.double, let y = b.double { return x < y ? -1 : x > y ? 1 : 0 }
    switch (a.kind, b.kind) {
    case (.text(let x), .text(let y)):
      try spend(text: min(x.bytes.count, y.bytes.count))
      if x.bytes.lexicographicallyPrecedes(y.bytes) { return -1 }
      return x.sameBytes(y) ? 0 : 1
    case (.list(let x), .list(let y)), (.tuple(let x), .tuple(let y)):
      for (left, right) in zip(x, y) {
        try spend()
        if try equal(left, right) { continue }
        return try difference(left, right)
      }
      return x.count < y.count ? -1 : x.count > y.count ? 1 : 0
    default: return nil
    }
  }

  func contains(_ container: JinjaValue, _ value: JinjaValue) throws(JinjaFault) -> Bool {
    switch container.kind {
    case .text(let text):
      guard case .text(let part) = value.kind else {
        if case .undefined(let undefined) = value.kind { throw JinjaFault(undefined.what) }
        throw JinjaFault("'in <string>' requires string as left operand, not \(value.typeName)")
      }
      try spend(text: text.bytes.count)
      return text.find(part.bytes) != nil
    case .dict(let dict): return try dict.value(value) != nil
    case .view(let view) where view.kind == .keys: return try view.dict.value(value) != nil
    case .none, .bool, .int, .wide, .double, .method, .function, .macro, .namespace, .cycler, .joiner:
      throw JinjaFault("argument of type '\(container.typeName)' is not iterable")
    default:
      for item in try iterate(container) {
        try spend()
        if try equal(item, value) { return true }
      }
      return false
    }
  }

  // MARK: Iteration

  func iterate(_ value: JinjaValue) throws(JinjaFault) -> [JinjaValue] {
    switch value.kind {
    case .list(let items), .tuple(let items): return items
    case .text(let text):
      try spend(text.bytes.count)
      return text.characters.map { .text($0) }
    case .dict(let dict): return dict.keys
    case .view(let view): return view.items
    case .range(let range):
      try spend(items: range.count)
      return (0..<range.count).map { .int(range[$0]) }
    case .generator(let generator): return generator.take()
    case .undefined: return []
    case .loop(let loop): return loop.items.suffix(from: min(loop.index + 1, loop.items.count)).map { $0 }
    default: throw JinjaFault("'\(value.typeName)' object is not iterable")
    }
  }
}
