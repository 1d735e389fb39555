import Basics

/// The grammar of expressions, from the loosest binding down.
extension JinjaParser {
  mutating func expression(withCondition: Bool = true) throws(TemplateError) -> JinjaExpression {
    try nested { (parser) throws(TemplateError) in
      withCondition ? try parser.conditional() : try parser.or()
    }
  }

  /// One expression, or several with commas between: a tuple.
  mutating func tuple(withCondition: Bool = true, end: String? = nil, inParentheses: Bool = false)
    throws(TemplateError) -> JinjaExpression
  {
    var items: [JinjaExpression] = []
    var isTuple = false
    while !isTupleEnd(end) {
      items.append(try expression(withCondition: withCondition))
      guard skipSymbol(",") else { break }
      isTuple = true
    }
    if isTuple { return .tuple(items) }
    if let only = items.first { return only }
    guard inParentheses else { throw fault("expected an expression, got '\(current.description)'") }
    return .tuple([])
  }

  private func isTupleEnd(_ end: String?) -> Bool {
    if current.kind == .variableEnd || current.kind == .blockEnd || isSymbol(")") { return true }
    return end.map { isName($0) } ?? false
  }

  private mutating func conditional() throws(TemplateError) -> JinjaExpression {
    let saved = isSoft
    defer { isSoft = saved }
    // What stands before `if` is read before it is known to be conditional; jinja2 checks filters later.
    if conditionFollows() { isSoft = true }
    var result = try or()
    while skipName("if") {
      isSoft = true
      let test = try or()
      let otherwise = skipName("else") ? try nested { (p) throws(TemplateError) in try p.conditional() } : nil
      result = .conditional(test, then: result, otherwise: otherwise)
    }
    return result
  }

  private mutating func or() throws(TemplateError) -> JinjaExpression {
    var left = try and()
    while skipName("or") { left = .or(left, try and()) }
    return left
  }

  private mutating func and() throws(TemplateError) -> JinjaExpression {
    var left = try not()
    while skipName("and") { left = .and(left, try not()) }
    return left
  }

  private mutating func not() throws(TemplateError) -> JinjaExpression {
    guard skipName("not") else { return try comparison() }
    return .not(try nested { (parser) throws(TemplateError) in try parser.not() })
  }

  private static let comparisons: [String: JinjaComparison] = [
    "==": .equal, "!=": .notEqual, "<": .less, "<=": .lessOrEqual, ">": .greater, ">=": .greaterOrEqual,
  ]

  private mutating func comparison() throws(TemplateError) -> JinjaExpression {
    let first = try sum()
    var rest: [(JinjaComparison, JinjaExpression)] = []
    while true {
      if case .symbol(let symbol) = current.kind, let operation = JinjaParser.comparisons[symbol] {
        advance()
        rest.append((operation, try sum()))
      } else if skipName("in") {
        rest.append((.within, try sum()))
      } else if isName("not"), following.kind == .name("in") {
        advance()
        advance()
        rest.append((.notWithin, try sum()))
      } else {
        return rest.isEmpty ? first : .comparison(first, rest)
      }
    }
  }

  private mutating func sum() throws(TemplateError) -> JinjaExpression {
    var left = try concatenation()
    while true {
      if skipSymbol("+") {
        left = .binary(.add, left, try concatenation())
      } else if skipSymbol("-") {
        left = .binary(.subtract, left, try concatenation())
      } else {
        return left
      }
    }
  }

  private mutating func concatenation() throws(TemplateError) -> JinjaExpression {
    var parts = [try product()]
    while skipSymbol("~") { parts.append(try product()) }
    return parts.count == 1 ? parts[0] : .concatenation(parts)
  }

  private static let products: [String: JinjaBinary] = [
    "*": .multiply, "/": .divide, "//": .floorDivide, "%": .modulo,
  ]

  private mutating func product() throws(TemplateError) -> JinjaExpression {
    var left = try power()
    while case .symbol(let symbol) = current.kind, let operation = JinjaParser.products[symbol] {
      advance()
      left = .binary(operation, left, try power())
    }
    return left
  }

  private mutating func power() throws(TemplateError) -> JinjaExpression {
    var left = try unary()
    while skipSymbol("**") { left = .binary(.power, left, try unary()) }
    return left
  }

  private mutating func unary(withFilter: Bool = true) throws(TemplateError) -> JinjaExpression {
    var result: JinjaExpression
    if skipSymbol("-") {
      result = .negative(try nested { (parser) throws(TemplateError) in try parser.unary(withFilter: false) })
    } else if skipSymbol("+") {
      result = .positive(try nested { (parser) throws(TemplateError) in try parser.unary(withFilter: false) })
    } else {
      result = try primary()
    }
    result = try postfix(result)
    return withFilter ? try filtered(result) : result
  }

  private mutating func primary() throws(TemplateError) -> JinjaExpression {
    let token = current
    advance()
    switch token.kind {
    case .name(let name):
      switch name {
      case "true", "True": return .literal(.bool(true))
      case "false", "False": return .literal(.bool(false))
      case "none", "None": return .literal(.none)
      default:
        noteRead(name)
        return .name(symbol(name))
      }
    case .string(var bytes):
      while case .string(let more) = current.kind {
        bytes += more
        advance()
      }
      return .literal(.text(JinjaText(bytes)))
    case .integer(let digits): return .literal(Int(digits).map { .int($0) } ?? .wide(digits))
    case .double(let value): return .literal(.double(value))
    case .symbol("("):
      let inner = try tuple(inParentheses: true)
      try expect(")")
      return inner
    case .symbol("["): return .list(try items(until: "]"))
    case .symbol("{"): return try dictionary()
    default: throw TemplateError("unexpected '\(token.description)'", line: token.line)
    }
  }

  private mutating func items(until end: String) throws(TemplateError) -> [JinjaExpression] {
    var result: [JinjaExpression] = []
    while !isSymbol(end) {
      if !result.isEmpty { try expect(",") }
      if isSymbol(end) { break }
      result.append(try expression())
    }
    try expect(end)
    return result
  }

  private mutating func dictionary() throws(TemplateError) -> JinjaExpression {
    var result: [(key: JinjaExpression, value: JinjaExpression)] = []
    while !isSymbol("}") {
      if !result.isEmpty { try expect(",") }
      if isSymbol("}") { break }
      let key = try expression()
      try expect(":")
      result.append((key, try expression()))
    }
    try expect("}")
    return .dict(result)
  }

  private mutating func postfix(_ start: JinjaExpression) throws(TemplateError) -> JinjaExpression {
    var result = start
    var links = 0
    while true {
      if isSymbol(".") || isSymbol("[") {
        result = try subscripted(result)
      } else if isSymbol("(") {
        let line = line
        result = .call(result, try callArguments(), line: line)
      } else {
        return result
      }
      links += 1
      guard links <= 100 else { throw fault("more than 100 accesses in a row") }
    }
  }

  private mutating func filtered(_ start: JinjaExpression) throws(TemplateError) -> JinjaExpression {
    var result = start
    var links = 0
    while true {
      if skipSymbol("|") {
        result = .filter(result, try filterUse())
      } else if isName("is") {
        result = try test(result)
      } else if isSymbol("(") {
        let line = line
        result = .call(result, try callArguments(), line: line)
      } else {
        return result
      }
      links += 1
      guard links <= 100 else { throw fault("more than 100 filters in a row") }
    }
  }

  private mutating func subscripted(_ object: JinjaExpression) throws(TemplateError) -> JinjaExpression {
    if skipSymbol(".") {
      switch current.kind {
      case .name(let name):
        advance()
        return .attribute(object, JinjaText(name))
      case .integer(let digits):
        guard let index = Int(digits) else { throw fault("expected a name or a number") }
        advance()
        return .item(object, .literal(.int(index)))
      default: throw fault("expected a name or a number, got '\(current.description)'")
      }
    }
    try expect("[")
    if isSymbol("]") { throw fault("expected a subscript") }
    let first = try itemOrSlice(of: object)
    guard isSymbol(",") else {
      try expect("]")
      return first
    }
    var keys: [JinjaExpression] = []
    guard case .item(_, let key) = first else { throw fault("a slice among several subscripts") }
    keys.append(key)
    while skipSymbol(","), !isSymbol("]") { keys.append(try expression()) }
    try expect("]")
    return .item(object, .tuple(keys))
  }

  private mutating func itemOrSlice(of object: JinjaExpression) throws(TemplateError) -> JinjaExpression {
    var parts: [JinjaExpression?] = [nil]
    if !isSymbol(":") { parts[0] = try expression() }
    guard isSymbol(":") else { return .item(object, parts[0] ?? .literal(.none)) }
    while parts.count < 3, skipSymbol(":") {
      parts.append(isSymbol("]") || isSymbol(",") || isSymbol(":") ? nil : try expression())
    }
    while parts.count < 3 { parts.append(nil) }
    return .slice(object, parts[0], parts[1], parts[2])
  }

  mutating func callArguments() throws(TemplateError) -> JinjaCallArguments {
    var result = JinjaCallArguments()
    try expect("(")
    var isFirst = true
    while !isSymbol(")") {
      if !isFirst {
        try expect(",")
        if isSymbol(")") { break }
      }
      isFirst = false
      if skipSymbol("*") {
        guard result.splat == nil, result.doubleSplat == nil else { throw fault("misplaced '*' in a call") }
        result.splat = try expression()
      } else if skipSymbol("**") {
        guard result.doubleSplat == nil else { throw fault("two '**' in a call") }
        result.doubleSplat = try expression()
      } else if case .name(let name) = current.kind, following.kind == .symbol("=") {
        guard result.doubleSplat == nil else { throw fault("an argument behind '**'") }
        advance()
        advance()
        guard !result.keywords.contains(where: { $0.name == name }) else {
          throw fault("the argument '\(name)' is given twice")
        }
        result.keywords.append((name, try expression()))
      } else {
        guard result.splat == nil, result.doubleSplat == nil, result.keywords.isEmpty else {
          throw fault("a positional argument behind a named one")
        }
        result.positional.append(try expression())
      }
    }
    try expect(")")
    return result
  }

  private mutating func dottedName() throws(TemplateError) -> String {
    var name = try expectName()
    while skipSymbol(".") { name += "." + (try expectName()) }
    return name
  }

  mutating func filterUse() throws(TemplateError) -> JinjaFilterUse {
    let line = line
    let name = try dottedName()
    if !isSoft, JinjaFilter(rawValue: name) == nil { throw unknown("filter", name, JinjaFilter.allCases, line) }
    let arguments = isSymbol("(") ? try callArguments() : JinjaCallArguments()
    return JinjaFilterUse(name: name, arguments: arguments, line: line)
  }

  private func unknown<T: RawRepresentable<String>>(_ what: String, _ name: String, _ all: [T], _ line: Int)
    -> TemplateError
  {
    let hint = Spelling.nearest(to: name, among: all.map(\.rawValue)).map { "; did you mean '\($0)'?" } ?? ""
    return TemplateError("no \(what) is named '\(name)'\(hint)", line: line)
  }

  private mutating func test(_ value: JinjaExpression) throws(TemplateError) -> JinjaExpression {
    let line = line
    advance()
    let isNegated = skipName("not")
    let name = try dottedName()
    if !isSoft, JinjaTest(rawValue: name) == nil { throw unknown("test", name, JinjaTest.allCases, line) }
    var arguments = JinjaCallArguments()
    if isSymbol("(") {
      arguments = try callArguments()
    } else if startsTestArgument {
      if isName("is") { throw fault("tests with 'is' cannot be chained") }
      arguments.positional = [try postfix(try primary())]
    }
    let result = JinjaExpression.test(value, name: name, arguments, line: line)
    return isNegated ? .not(result) : result
  }

  private var startsTestArgument: Bool {
    switch current.kind {
    case .name(let name): !["else", "or", "and"].contains(name)
    case .string, .integer, .double: true
    case .symbol(let symbol): symbol == "[" || symbol == "{"
    default: false
    }
  }
}
