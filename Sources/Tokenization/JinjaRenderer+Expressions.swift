/// How expressions come to their values.
extension JinjaRenderer {
  func evaluate(_ expression: JinjaExpression) throws(JinjaFault) -> JinjaValue {
    try spend()
    switch expression {
    case .literal(let literal): return JinjaRenderer.value(literal)
    case .name(let symbol): return lookUp(symbol)
    default: return try nested { () throws(JinjaFault) in try evaluateNested(expression) }
    }
  }

  static func value(_ literal: JinjaLiteral) -> JinjaValue {
    switch literal {
    case .none: .none
    case .bool(let value): .bool(value)
    case .int(let value): .int(value)
    case .wide(let digits): JinjaValue(.wide(digits))
    case .double(let value): JinjaValue(.double(value))
    case .text(let text): .text(text)
    }
  }

  private func evaluateNested(_ expression: JinjaExpression) throws(JinjaFault) -> JinjaValue {
    switch expression {
    case .attribute(let object, let name): return try attribute(name, of: try evaluate(object))
    case .item(let object, let key): return try item(try evaluate(key), of: try evaluate(object))
    case .slice(let object, let lower, let upper, let step):
      return try slice(try evaluate(object), try bound(lower), try bound(upper), try bound(step))
    case .call: return try evaluateCall(expression, caller: nil)
    case .filter(let value, let use): return try apply([use], to: try evaluate(value))
    case .test(let value, let name, let arguments, let line):
      let value = try evaluate(value)
      let given = try self.arguments(arguments)
      at(line)
      guard let test = JinjaTest(rawValue: name) else { throw JinjaFault("no test is named '\(name)'") }
      return .bool(try self.test(test, value, given))
    case .not(let value): return .bool(!(try evaluate(value).isTrue))
    case .binary, .and, .or: return try evaluateChain(expression)
    case .comparison(let first, let rest): return .bool(try compare(first, rest))
    case .conditional(let test, let then, let otherwise):
      if try evaluate(test).isTrue { return try evaluate(then) }
      guard let otherwise else {
        return .undefined("the inline if-expression evaluated to false and no else section was defined")
      }
      return try evaluate(otherwise)
    default: return try evaluateMaking(expression)
    }
  }

  /// Expressions that make a new container, text or number of their parts.
  private func evaluateMaking(_ expression: JinjaExpression) throws(JinjaFault) -> JinjaValue {
    switch expression {
    case .list(let items): return .list(try values(items))
    case .tuple(let items): return .tuple(try values(items))
    case .dict(let pairs):
      let dict = JinjaDict()
      for (key, value) in pairs { try dict.set(try evaluate(key), try evaluate(value)) }
      return JinjaValue(.dict(dict))
    case .negative(let value): return try negative(try evaluate(value))
    case .positive(let value):
      let value = try evaluate(value)
      if let int = value.int { return JinjaValue(.int(int), value.origin) }
      guard case .double = value.kind else { throw try badOperand("+", value) }
      return value
    case .concatenation(let parts):
      var result = JinjaText()
      for part in parts { result.append(try text(of: try evaluate(part))) }
      try spend(text: result.bytes.count)
      return .text(result)
    default: return .none
    }
  }

  private func values(_ expressions: [JinjaExpression]) throws(JinjaFault) -> [JinjaValue] {
    var result: [JinjaValue] = []
    result.reserveCapacity(expressions.count)
    for expression in expressions { result.append(try evaluate(expression)) }
    return result
  }

  private func bound(_ expression: JinjaExpression?) throws(JinjaFault) -> Int? {
    guard let expression else { return nil }
    let value = try evaluate(expression)
    if value.isNone { return nil }
    guard let int = value.int else { throw JinjaFault("slice indices must be integers, got \(value.typeName)") }
    return int
  }

  /// Chains of operators bind to the left; they are walked without recursion.
  private func evaluateChain(_ expression: JinjaExpression) throws(JinjaFault) -> JinjaValue {
    var rest: [JinjaExpression] = []
    var current = expression
    loop: while true {
      switch current {
      case .binary(_, let left, _), .and(let left, _), .or(let left, _):
        rest.append(current)
        current = left
      default: break loop
      }
    }
    var result = try evaluate(current)
    for link in rest.reversed() {
      switch link {
      case .binary(let operation, _, let right): result = try binary(operation, result, try evaluate(right))
      case .and(_, let right): if result.isTrue { result = try evaluate(right) }
      case .or(_, let right): if !result.isTrue { result = try evaluate(right) }
      default: break
      }
    }
    return result
  }

  // MARK: Calls

  func arguments(_ given: JinjaCallArguments) throws(JinjaFault) -> JinjaArguments {
    var result = JinjaArguments(positional: try values(given.positional))
    for (name, expression) in given.keywords { result.keywords.append((name, try evaluate(expression))) }
    if let splat = given.splat { result.positional += try iterate(try evaluate(splat)) }
    if let splat = given.doubleSplat {
      let value = try evaluate(splat)
      guard case .dict(let dict) = value.kind else {
        throw JinjaFault("argument after ** must be a mapping, not \(value.typeName)")
      }
      for (key, value) in zip(dict.keys, dict.values) {
        guard let name = key.text?.string else { throw JinjaFault("keywords must be strings") }
        guard !result.keywords.contains(where: { $0.name == name }) else {
          throw JinjaFault("got multiple values for keyword argument '\(name)'")
        }
        result.keywords.append((name, value))
      }
    }
    return result
  }

  /// Evaluates a call; `caller` is the body of a call block.
  func evaluateCall(_ expression: JinjaExpression, caller: JinjaValue?) throws(JinjaFault) -> JinjaValue {
    guard case .call(let function, let given, let line) = expression else { return .none }
    let callee = try evaluate(function)
    var arguments = try arguments(given)
    if let caller { arguments.keywords.append(("caller", caller)) }
    at(line)
    return try call(callee, arguments)
  }

  func call(_ callee: JinjaValue, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaValue {
    switch callee.kind {
    case .macro(let macro): return try call(macro, arguments)
    case .method(let method): return try call(method, arguments)
    case .function(let function): return try call(function, arguments)
    case .loop(let loop):
      let given = try arguments.bound(["iterable"], required: 1, to: "loop")
      return try recurse(loop, over: given[0] ?? .none)
    case .joiner(let joiner):
      defer { joiner.used = true }
      return joiner.used ? joiner.separator : .text(JinjaText())
    case .undefined(let undefined): throw JinjaFault(undefined.what)
    default: throw JinjaFault("'\(callee.typeName)' object is not callable")
    }
  }

  func apply(_ uses: [JinjaFilterUse], to value: JinjaValue) throws(JinjaFault) -> JinjaValue {
    var result = value
    for use in uses {
      let given = try arguments(use.arguments)
      at(use.line)
      guard let filter = JinjaFilter(rawValue: use.name) else { throw JinjaFault("no filter is named '\(use.name)'") }
      result = try self.filter(filter, result, given)
    }
    return result
  }

  // MARK: Comparisons

  private func compare(_ first: JinjaExpression, _ rest: [(JinjaComparison, JinjaExpression)]) throws(JinjaFault)
    -> Bool
  {
    var left = try evaluate(first)
    for (operation, expression) in rest {
      let right = try evaluate(expression)
      guard try compare(operation, left, right) else { return false }
      left = right
    }
    return true
  }

  func compare(_ operation: JinjaComparison, _ left: JinjaValue, _ right: JinjaValue) throws(JinjaFault) -> Bool {
    switch operation {
    case .equal: return try equal(left, right)
    case .notEqual: return !(try equal(left, right))
    case .within: return try contains(right, left)
    case .notWithin: return !(try contains(right, left))
    case .less: return try order(left, right, "<") { $0 < $1 }
    case .lessOrEqual: return try order(left, right, "<=") { $0 <= $1 }
    case .greater: return try order(left, right, ">") { $0 > $1 }
    case .greaterOrEqual: return try order(left, right, ">=") { $0 >= $1 }
    }
  }
}
