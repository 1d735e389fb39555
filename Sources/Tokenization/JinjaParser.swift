import Basics

/// Reads a template's tokens into statements, by jinja2's grammar with loop controls and `{% generation %}`.
struct JinjaParser {
  static let maximumSize = 1 << 20
  private static let maximumDepth = 100
  private static let maximumTag = 10_000

  private let tokens: [JinjaToken]
  /// By token: whether an `if` follows within its tag.
  private var conditionAhead: [Bool]
  private var index = 0
  private var names: [String] = []
  private var symbols: [String: Int] = [:]
  private var depth = 0
  /// Inside `if`, where an unknown filter is an error only once it is used.
  var isSoft = false
  private var loops = 0
  private var special: JinjaMacroDefinition.Special = []
  /// The tags to be closed, for messages.
  private var openTags: [String] = []

  static func parse(_ text: [UInt8]) throws(TemplateError) -> JinjaTemplate {
    guard text.count <= maximumSize else {
      throw TemplateError("the template has \(text.count) bytes, more than \(maximumSize)", line: 1)
    }
    var parser = try JinjaParser(tokens: try JinjaLexer.tokens(of: text))
    let body = try parser.statements(until: [])
    return JinjaTemplate(body: body, names: parser.names)
  }

  private init(tokens: [JinjaToken]) throws(TemplateError) {
    self.tokens = tokens
    conditionAhead = Array(repeating: false, count: tokens.count)
    var isAhead = false
    var length = 0
    for (index, token) in tokens.enumerated().reversed() {
      switch token.kind {
      case .name("if"): isAhead = true
      case .variableEnd, .blockEnd, .end: (isAhead, length) = (false, 0)
      default: break
      }
      conditionAhead[index] = isAhead
      length += 1
      guard length <= JinjaParser.maximumTag else {
        throw TemplateError("a tag of more than \(JinjaParser.maximumTag) words", line: token.line)
      }
    }
  }

  // MARK: Tokens

  var current: JinjaToken { tokens[index] }
  var following: JinjaToken { tokens[min(index + 1, tokens.count - 1)] }
  var line: Int { current.line }

  mutating func advance() { if index < tokens.count - 1 { index += 1 } }

  func isName(_ word: String) -> Bool { current.kind == .name(word) }
  func isSymbol(_ symbol: String) -> Bool { current.kind == .symbol(symbol) }

  mutating func skipName(_ word: String) -> Bool {
    guard isName(word) else { return false }
    advance()
    return true
  }

  mutating func skipSymbol(_ symbol: String) -> Bool {
    guard isSymbol(symbol) else { return false }
    advance()
    return true
  }

  func fault(_ what: String) -> TemplateError { TemplateError(what, line: line) }

  mutating func expect(_ symbol: String) throws(TemplateError) {
    guard skipSymbol(symbol) else { throw fault("expected '\(symbol)', got '\(current.description)'") }
  }

  mutating func expectName() throws(TemplateError) -> String {
    guard case .name(let name) = current.kind else { throw fault("expected a name, got '\(current.description)'") }
    advance()
    return name
  }

  mutating func expect(_ kind: JinjaToken.Kind) throws(TemplateError) {
    guard current.kind == kind else {
      throw fault("expected '\(JinjaToken(kind: kind, line: 0).description)', got '\(current.description)'")
    }
    advance()
  }

  /// The number of the variable `name`.
  mutating func symbol(_ name: String) -> Int {
    if let known = symbols[name] { return known }
    symbols[name] = names.count
    names.append(name)
    return names.count - 1
  }

  /// Notes that a variable is read, for macros with special arguments.
  mutating func noteRead(_ name: String) {
    switch name {
    case "caller": special.insert(.caller)
    case "varargs": special.insert(.varargs)
    case "kwargs": special.insert(.kwargs)
    default: break
    }
  }

  /// Whether an `if` comes before the tag ends.
  func conditionFollows() -> Bool { conditionAhead[index] }

  mutating func nested<T>(_ body: (inout JinjaParser) throws(TemplateError) -> T) throws(TemplateError) -> T {
    depth += 1
    defer { depth -= 1 }
    guard depth <= JinjaParser.maximumDepth else {
      throw fault("nested deeper than \(JinjaParser.maximumDepth) levels")
    }
    return try body(&self)
  }

  // MARK: Statements

  /// Statements up to a tag named one of `ends`, which stays unread; up to the end of the template when empty.
  private mutating func statements(until ends: [String]) throws(TemplateError) -> [JinjaStatement] {
    var result: [JinjaStatement] = []
    while true {
      switch current.kind {
      case .end:
        guard ends.isEmpty else {
          let open = openTags.last.map { "; '\($0)' is still open" } ?? ""
          throw fault("unexpected end of the template, looked for \(ends.joined(separator: " or "))\(open)")
        }
        return result
      case .data(let bytes):
        result.append(.text(JinjaText(bytes)))
        advance()
      case .variableBegin:
        advance()
        let line = line
        result.append(.output(try tuple(), line: line))
        try expect(.variableEnd)
      case .blockBegin:
        advance()
        if case .name(let name) = current.kind, ends.contains(name) { return result }
        if let statement = try nested({ (parser) throws(TemplateError) in try parser.statement() }) {
          result.append(statement)
        }
        try expect(.blockEnd)
      default: throw fault("unexpected '\(current.description)'")
      }
    }
  }

  /// The body of a tag up to one of `ends`; leaves the end's name unread.
  private mutating func body(until ends: String...) throws(TemplateError) -> [JinjaStatement] {
    _ = skipSymbol(":")
    try expect(.blockEnd)
    return try statements(until: ends)
  }

  /// A body with variables of its own.
  private mutating func scope(until ends: String..., isLoop: Bool = false, isFunction: Bool = false)
    throws(TemplateError) -> [JinjaStatement]
  {
    let saved = (isSoft, loops)
    defer { (isSoft, loops) = saved }
    isSoft = false
    loops = isFunction ? 0 : loops + (isLoop ? 1 : 0)
    _ = skipSymbol(":")
    try expect(.blockEnd)
    return try statements(until: ends)
  }

  private mutating func statement() throws(TemplateError) -> JinjaStatement? {
    let line = line
    guard case .name(let tag) = current.kind else { throw fault("expected the name of a tag") }
    advance()
    openTags.append(tag)
    defer { openTags.removeLast() }
    switch tag {
    case "if": return try condition()
    case "for": return try loop(line)
    case "set": return try set(line)
    case "macro": return try macro(line)
    case "call": return try callBlock(line)
    case "filter": return try filterBlock(line)
    case "with": return try with(line)
    case "print": return try print(line)
    case "break", "continue":
      guard loops > 0 else { throw fault("'\(tag)' outside a loop") }
      return .exit(tag == "break" ? .leave : .nextItem)
    case "generation":
      let body = try scope(until: "endgeneration", isFunction: true)
      advance()
      return .generation(body)
    case "autoescape":
      _ = try expression()
      let body = try scope(until: "endautoescape")
      advance()
      return .block(body)
    case "block": return try block()
    case "include", "import", "from", "extends":
      while current.kind != .blockEnd, current.kind != .end { advance() }
      return .unavailable(tag, line: line)
    default:
      let looking = openTags.dropLast().last.map { "; '\($0)' is still open" } ?? ""
      throw TemplateError("unknown tag '\(tag)'\(looking)", line: line)
    }
  }

  private mutating func condition() throws(TemplateError) -> JinjaStatement {
    let saved = isSoft
    defer { isSoft = saved }
    isSoft = true
    var branches: [(test: JinjaExpression, line: Int, body: [JinjaStatement])] = []
    repeat {
      let line = line
      let test = try tuple(withCondition: false)
      branches.append((test, line, try body(until: "elif", "else", "endif")))
    } while skipName("elif")
    var otherwise: [JinjaStatement] = []
    if skipName("else") { otherwise = try body(until: "endif") }
    advance()
    return .condition(branches, otherwise: otherwise)
  }

  private mutating func loop(_ line: Int) throws(TemplateError) -> JinjaStatement {
    let target = try target(end: "in")
    guard skipName("in") else { throw fault("expected 'in', got '\(current.description)'") }
    let iterable = try tuple(withCondition: false, end: "recursive")
    let condition = skipName("if") ? try expression() : nil
    let isRecursive = skipName("recursive")
    let body = try scope(until: "endfor", "else", isLoop: true)
    var otherwise: [JinjaStatement] = []
    if skipName("else") { otherwise = try scope(until: "endfor") }
    advance()
    return .loop(
      JinjaFor(
        target: target, iterable: iterable, condition: condition, isRecursive: isRecursive, body: body,
        otherwise: otherwise, line: line))
  }

  private mutating func set(_ line: Int) throws(TemplateError) -> JinjaStatement {
    let target = try target(withAttributes: true)
    if skipSymbol("=") { return .set(target, try tuple(), line: line) }
    var filters: [JinjaFilterUse] = []
    while skipSymbol("|") { filters.append(try filterUse()) }
    let body = try scope(until: "endset")
    advance()
    return .setBlock(target, filters: filters, body, line: line)
  }

  private mutating func signature() throws(TemplateError) -> [JinjaMacroDefinition.Parameter] {
    var parameters: [JinjaMacroDefinition.Parameter] = []
    try expect("(")
    while !isSymbol(")") {
      if !parameters.isEmpty { try expect(",") }
      let name = try assignableName()
      var fallback: JinjaExpression?
      if skipSymbol("=") {
        fallback = try expression()
      } else if parameters.last?.fallback != nil {
        throw fault("a parameter without a default follows one with a default")
      }
      parameters.append(.init(name: name, symbol: symbol(name), fallback: fallback))
    }
    try expect(")")
    return parameters
  }

  private mutating func macro(_ line: Int) throws(TemplateError) -> JinjaStatement {
    let name = try assignableName()
    let parameters = try signature()
    let (body, special) = try function(until: "endmacro")
    return .macro(
      JinjaMacroDefinition(
        name: name, symbol: symbol(name), parameters: parameters, special: special, body: body, line: line))
  }

  private mutating func function(until end: String) throws(TemplateError)
    -> ([JinjaStatement], JinjaMacroDefinition.Special)
  {
    let outer = special
    special = []
    let body = try scope(until: end, isFunction: true)
    advance()
    defer { special.formUnion(outer) }
    return (body, special)
  }

  private mutating func callBlock(_ line: Int) throws(TemplateError) -> JinjaStatement {
    let parameters = isSymbol("(") ? try signature() : []
    let call = try expression()
    guard case .call = call else { throw TemplateError("expected a call after 'call'", line: line) }
    let (body, special) = try function(until: "endcall")
    let definition = JinjaMacroDefinition(
      name: "caller", symbol: symbol("caller"), parameters: parameters, special: special, body: body, line: line)
    return .callBlock(definition, call, line: line)
  }

  private mutating func filterBlock(_ line: Int) throws(TemplateError) -> JinjaStatement {
    var filters = [try filterUse()]
    while skipSymbol("|") { filters.append(try filterUse()) }
    let body = try scope(until: "endfilter")
    advance()
    return .filterBlock(filters, body, line: line)
  }

  private mutating func with(_ line: Int) throws(TemplateError) -> JinjaStatement {
    var assignments: [(target: JinjaTarget, value: JinjaExpression)] = []
    while current.kind != .blockEnd {
      if !assignments.isEmpty { try expect(",") }
      let target = try target(single: true)
      try expect("=")
      assignments.append((target, try expression()))
    }
    let body = try scope(until: "endwith")
    advance()
    return .with(assignments, body, line: line)
  }

  private mutating func print(_ line: Int) throws(TemplateError) -> JinjaStatement {
    var parts: [JinjaExpression] = []
    while current.kind != .blockEnd {
      if !parts.isEmpty { try expect(",") }
      parts.append(try expression())
    }
    return .output(.concatenation(parts), line: line)
  }

  private mutating func block() throws(TemplateError) -> JinjaStatement {
    let name = try expectName()
    _ = skipName("scoped")
    _ = skipName("required")
    let body = try scope(until: "endblock", isFunction: true)
    advance()
    _ = skipName(name)
    return .block(body)
  }

  // MARK: Targets

  private mutating func assignableName() throws(TemplateError) -> String {
    let name = try expectName()
    if ["true", "false", "none", "True", "False", "None"].contains(name) { throw fault("can't assign to '\(name)'") }
    return name
  }

  /// A name, names with commas between, or, in `set`, an attribute of a namespace.
  private mutating func target(end: String? = nil, withAttributes: Bool = false, single: Bool = false)
    throws(TemplateError) -> JinjaTarget
  {
    var parts: [JinjaTarget] = []
    var isTuple = false
    while true {
      if let end, isName(end) { break }
      if current.kind == .blockEnd || isSymbol("=") || isSymbol(")") { break }
      parts.append(try primaryTarget(withAttributes))
      guard !single, skipSymbol(",") else { break }
      isTuple = true
    }
    if isTuple { return .tuple(parts) }
    guard let only = parts.first else { throw fault("expected a name, got '\(current.description)'") }
    return only
  }

  private mutating func primaryTarget(_ withAttributes: Bool) throws(TemplateError) -> JinjaTarget {
    if skipSymbol("(") {
      let inner = try nested { (parser) throws(TemplateError) in try parser.target(withAttributes: withAttributes) }
      try expect(")")
      return inner
    }
    let name = try assignableName()
    if withAttributes, skipSymbol(".") {
      noteRead(name)
      return .attribute(symbol(name), JinjaText(try expectName()))
    }
    return .name(symbol(name))
  }
}
