/// Runs a parsed template over its variables.
///
/// Semantics are those of transformers' sandboxed jinja2 environment. Work, depth and output are bounded, so that no
/// template can hang or overflow.
final class JinjaRenderer {
  /// Bounds of one rendering.
  enum Limit {
    /// Steps: statements, expressions, iterations, and every 16 bytes of text made.
    static let work = 20_000_000
    static let depth = 700
    static let calls = 120
    /// Bytes of any one string, the output included.
    static let text = 1 << 26
    /// Items of `range`, as jinja2's sandbox has it.
    static let range = 100_000
    static let items = 1 << 22
    /// Containers within containers.
    static let valueDepth = 600
  }

  let names: [String]
  let clock: TemplateClock
  private let isStrict: Bool
  private var context: [JinjaValue?]
  var scope = JinjaScope(nil)
  private var outputs = [JinjaText()]
  private var line = 1
  private var work = 0
  private var depth = 0
  private var calls = 0

  /// `isStrict`: writing an undefined value is an error instead of an empty text.
  static func render(
    _ template: JinjaTemplate, _ variables: JinjaDict, clock: TemplateClock, isStrict: Bool = false
  ) throws(TemplateError) -> JinjaText {
    let renderer = JinjaRenderer(template, variables, clock, isStrict)
    defer { renderer.dismantle() }
    do {
      _ = try renderer.run(template.body)
    } catch {
      throw TemplateError(error.what, line: renderer.line)
    }
    return renderer.outputs[0]
  }

  private init(_ template: JinjaTemplate, _ variables: JinjaDict, _ clock: TemplateClock, _ isStrict: Bool) {
    names = template.names
    self.isStrict = isStrict
    self.clock = clock
    context = template.names.map { name in
      variables.value(JinjaText(name)) ?? JinjaFunction(rawValue: name).map { JinjaValue(.function($0)) }
    }
  }

  // MARK: Bounds

  func spend(_ steps: Int = 1) throws(JinjaFault) {
    work += steps
    guard work <= Limit.work else { throw JinjaFault("the template does too much work (over \(Limit.work) steps)") }
  }

  /// Accounts for a new string of `count` bytes.
  func spend(text count: Int) throws(JinjaFault) {
    guard count <= Limit.text else { throw JinjaFault("a text of more than \(Limit.text) bytes") }
    try spend(1 + count / 16)
  }

  /// Accounts for looking at every byte of a string.
  func spend(scan text: JinjaText) throws(JinjaFault) { try spend(text.bytes.count / 32) }

  /// Accounts for mapping every code point of a string.
  func spend(mapping text: JinjaText) throws(JinjaFault) { try spend(text.bytes.count / 2) }

  func spend(items count: Int) throws(JinjaFault) {
    guard count <= Limit.items else { throw JinjaFault("a list of more than \(Limit.items) items") }
    try spend(1 + count / 4)
  }

  func nested<T>(_ body: () throws(JinjaFault) -> T) throws(JinjaFault) -> T {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Limit.depth else { throw JinjaFault("the template nests too deep (over \(Limit.depth) levels)") }
    return try body()
  }

  func at(_ line: Int) { self.line = line }

  /// Objects that can come to hold each other; emptied one by one at the end.
  private var namespaces: [JinjaNamespace] = []
  private var scopes: [JinjaScope] = []
  private var loops: [JinjaLoop] = []

  func register(_ namespace: JinjaNamespace) { namespaces.append(namespace) }

  private func register(_ scope: JinjaScope) {
    var current: JinjaScope? = scope
    while let scope = current, !scope.isRegistered {
      scope.isRegistered = true
      scopes.append(scope)
      current = scope.parent
    }
  }

  private func dismantle() {
    for namespace in namespaces { namespace.members = [] }
    for scope in scopes { scope.clear() }
    for loop in loops { loop.items = [] }
  }

  // MARK: Names

  func lookUp(_ symbol: Int) -> JinjaValue {
    scope.find(symbol) ?? context[symbol] ?? .undefined("'\(names[symbol])' is undefined")
  }

  // MARK: Output

  private func write(_ text: JinjaText) throws(JinjaFault) {
    guard !text.isEmpty else { return }
    let last = outputs.count - 1
    outputs[last].append(text)
    try spend(text: text.bytes.count)
    guard outputs[last].bytes.count <= Limit.text else {
      throw JinjaFault("the output exceeds \(Limit.text) bytes")
    }
  }

  /// What `body` writes, as a text.
  private func capture(_ body: () throws(JinjaFault) -> Void) throws(JinjaFault) -> JinjaText {
    outputs.append(JinjaText())
    let count = outputs.count
    defer { outputs.removeLast(outputs.count - count + 1) }
    try body()
    return outputs[count - 1]
  }

  private func inScope<T>(_ inner: JinjaScope, _ body: () throws(JinjaFault) -> T) throws(JinjaFault) -> T {
    let outer = scope
    scope = inner
    defer { scope = outer }
    return try body()
  }

  // MARK: Statements

  private func run(_ statements: [JinjaStatement]) throws(JinjaFault) -> JinjaFlow {
    for statement in statements {
      let flow = try run(statement)
      if flow != .goOn { return flow }
    }
    return .goOn
  }

  private func run(_ statement: JinjaStatement) throws(JinjaFault) -> JinjaFlow {
    try spend()
    switch statement {
    case .text(let text): try write(text)
    case .output(let expression, let line):
      at(line)
      let value = try evaluate(expression)
      if isStrict, case .undefined(let undefined) = value.kind { throw JinjaFault(undefined.what) }
      try write(try text(of: value))
    case .set(let target, let expression, let line):
      at(line)
      try assign(target, try evaluate(expression))
    case .condition(let branches, let otherwise):
      return try nested { () throws(JinjaFault) in
        try condition(branches, otherwise)
      }
    case .loop(let node): return try nested { () throws(JinjaFault) in try loop(node) }
    case .exit(let flow): return flow
    default: return try nested { () throws(JinjaFault) in try runBlock(statement) }
    }
    return .goOn
  }

  private func condition(
    _ branches: [(test: JinjaExpression, line: Int, body: [JinjaStatement])], _ otherwise: [JinjaStatement]
  ) throws(JinjaFault) -> JinjaFlow {
    for branch in branches {
      at(branch.line)
      if try evaluate(branch.test).isTrue { return try run(branch.body) }
    }
    return try run(otherwise)
  }

  /// Statements with a body of their own.
  private func runBlock(_ statement: JinjaStatement) throws(JinjaFault) -> JinjaFlow {
    switch statement {
    case .setBlock(let target, let filters, let body, let line):
      var flow = JinjaFlow.goOn
      let text = try capture { () throws(JinjaFault) in flow = try runScoped(body) }
      guard flow == .goOn else { return flow }
      at(line)
      try assign(target, try apply(filters, to: .text(text)))
    case .filterBlock(let filters, let body, let line):
      var flow = JinjaFlow.goOn
      let text = try capture { () throws(JinjaFault) in flow = try runScoped(body) }
      guard flow == .goOn else { return flow }
      at(line)
      try write(try self.text(of: try apply(filters, to: .text(text))))
    case .macro(let definition):
      register(scope)
      scope.set(definition.symbol, JinjaValue(.macro(JinjaMacro(definition, in: scope))))
    case .callBlock(let definition, let call, let line):
      at(line)
      register(scope)
      let caller = JinjaValue(.macro(JinjaMacro(definition, in: scope)))
      try write(try text(of: try evaluateCall(call, caller: caller)))
    case .with(let assignments, let body, let line):
      at(line)
      let inner = JinjaScope(scope)
      for (target, expression) in assignments {
        let value = try evaluate(expression)
        try inScope(inner) { () throws(JinjaFault) in try assign(target, value) }
      }
      return try inScope(inner) { () throws(JinjaFault) in try run(body) }
    case .block(let body): return try runScoped(body)
    case .generation(let body):
      let text = try capture { () throws(JinjaFault) in _ = try runScoped(body) }
      try write(text.generated)
    case .unavailable(let tag, let line):
      at(line)
      throw JinjaFault("'\(tag)' needs another template, and a chat template stands alone")
    default: break
    }
    return .goOn
  }

  private func runScoped(_ body: [JinjaStatement]) throws(JinjaFault) -> JinjaFlow {
    try inScope(JinjaScope(scope)) { () throws(JinjaFault) in try run(body) }
  }

  private func assign(_ target: JinjaTarget, _ value: JinjaValue) throws(JinjaFault) {
    guard value.depth <= Limit.valueDepth else {
      throw JinjaFault("a value nested deeper than \(Limit.valueDepth) levels")
    }
    switch target {
    case .name(let symbol): scope.set(symbol, value)
    case .attribute(let symbol, let name):
      guard case .namespace(let space) = lookUp(symbol).kind else {
        throw JinjaFault("cannot assign an attribute on '\(names[symbol])', which is not a namespace")
      }
      try JinjaRenderer.checkMember(name)
      space[name] = value
    case .tuple(let targets):
      let items = try iterate(value)
      guard items.count == targets.count else {
        throw JinjaFault("\(targets.count) names for \(items.count) values")
      }
      for (target, item) in zip(targets, items) { try assign(target, item) }
    }
  }

  /// transformers refuses attributes of a namespace that begin with an underscore.
  static func checkMember(_ name: JinjaText) throws(JinjaFault) {
    if name.bytes.first == UInt8(ascii: "_") {
      throw JinjaFault("a namespace cannot have the attribute '\(name.string)': it begins with an underscore")
    }
  }

  // MARK: Loops

  private func loop(_ node: JinjaFor) throws(JinjaFault) -> JinjaFlow {
    at(node.line)
    return try run(node, over: try evaluate(node.iterable), depth: 0, in: scope)
  }

  private func run(_ node: JinjaFor, over iterable: JinjaValue, depth: Int, in outer: JinjaScope)
    throws(JinjaFault) -> JinjaFlow
  {
    var items = try iterate(iterable)
    if let condition = node.condition { items = try filtered(items, satisfying: condition, of: node, in: outer) }
    if items.isEmpty {
      return try inScope(JinjaScope(outer)) { () throws(JinjaFault) in try run(node.otherwise) }
    }
    register(outer)
    let state = JinjaLoop(items, depth: depth, node: node, in: outer)
    loops.append(state)
    for index in items.indices {
      try spend()
      state.index = index
      let inner = JinjaScope(outer)
      let flow = try inScope(inner) { () throws(JinjaFault) in
        at(node.line)
        if let symbol = loopSymbol { inner.set(symbol, JinjaValue(.loop(state))) }
        try assign(node.target, items[index])
        return try run(node.body)
      }
      if flow == .leave { break }
    }
    return .goOn
  }

  /// The number of the name `loop`, if the template has it.
  private lazy var loopSymbol: Int? = names.firstIndex(of: "loop")
  private lazy var callerSymbol: Int? = names.firstIndex(of: "caller")
  private lazy var varargsSymbol: Int? = names.firstIndex(of: "varargs")
  private lazy var kwargsSymbol: Int? = names.firstIndex(of: "kwargs")

  private func filtered(
    _ items: [JinjaValue], satisfying condition: JinjaExpression, of node: JinjaFor, in outer: JinjaScope
  ) throws(JinjaFault) -> [JinjaValue] {
    var kept: [JinjaValue] = []
    for item in items {
      try spend()
      let holds = try inScope(JinjaScope(outer)) { () throws(JinjaFault) in
        try assign(node.target, item)
        return try evaluate(condition).isTrue
      }
      if holds { kept.append(item) }
    }
    return kept
  }

  /// `loop(items)`: the body of a recursive loop over other items.
  func recurse(_ loop: JinjaLoop, over items: JinjaValue) throws(JinjaFault) -> JinjaValue {
    guard loop.node.isRecursive else { throw JinjaFault("the loop is not marked 'recursive'") }
    return .text(
      try called { () throws(JinjaFault) in
        try capture { () throws(JinjaFault) in
          _ = try run(loop.node, over: items, depth: loop.depth + 1, in: loop.scope)
        }
      })
  }

  private func called<T>(_ body: () throws(JinjaFault) -> T) throws(JinjaFault) -> T {
    calls += 1
    defer { calls -= 1 }
    guard calls <= Limit.calls else { throw JinjaFault("macros call each other deeper than \(Limit.calls) levels") }
    return try nested(body)
  }

  // MARK: Macros

  /// What a macro writes when it is called.
  func call(_ macro: JinjaMacro, _ arguments: JinjaArguments) throws(JinjaFault) -> JinjaValue {
    let definition = macro.definition
    let inner = JinjaScope(macro.scope)
    let callLine = line
    let text = try called { () throws(JinjaFault) in
      try inScope(inner) { () throws(JinjaFault) in
        try bind(arguments, of: definition, in: inner)
        return try capture { () throws(JinjaFault) in _ = try run(definition.body) }
      }
    }
    at(callLine)
    return .text(text)
  }

  private func bind(_ arguments: JinjaArguments, of definition: JinjaMacroDefinition, in inner: JinjaScope)
    throws(JinjaFault)
  {
    var keywords = arguments.keywords
    var missing: [JinjaMacroDefinition.Parameter] = []
    for (index, parameter) in definition.parameters.enumerated() {
      if index < arguments.positional.count {
        inner.set(parameter.symbol, arguments.positional[index])
      } else if let place = keywords.firstIndex(where: { $0.name == parameter.name }) {
        inner.set(parameter.symbol, keywords.remove(at: place).value)
      } else {
        missing.append(parameter)
      }
    }
    for parameter in missing {
      let value = try parameter.fallback.map { (expression) throws(JinjaFault) in try evaluate(expression) }
      inner.set(parameter.symbol, value ?? .undefined("parameter '\(parameter.name)' was not provided"))
    }
    try bindSpecial(arguments, keywords, of: definition, in: inner)
  }

  private func bindSpecial(
    _ arguments: JinjaArguments, _ keywords: [(name: String, value: JinjaValue)],
    of definition: JinjaMacroDefinition, in inner: JinjaScope
  ) throws(JinjaFault) {
    var keywords = keywords
    let hasOwnCaller = definition.parameters.contains { $0.name == "caller" }
    if definition.special.contains(.caller), !hasOwnCaller, let symbol = callerSymbol {
      let place = keywords.firstIndex { $0.name == "caller" }
      inner.set(symbol, place.map { keywords.remove(at: $0).value } ?? .undefined("No caller defined"))
    }
    if definition.special.contains(.kwargs), let symbol = kwargsSymbol {
      let dict = JinjaDict()
      for (name, value) in keywords { try dict.set(.text(JinjaText(name)), value) }
      inner.set(symbol, JinjaValue(.dict(dict)))
    } else if let first = keywords.first {
      throw JinjaFault("macro '\(definition.name)' takes no keyword argument '\(first.name)'")
    }
    let count = definition.parameters.count
    if definition.special.contains(.varargs), let symbol = varargsSymbol {
      inner.set(symbol, .tuple(Array(arguments.positional.dropFirst(count))))
    } else if arguments.positional.count > count {
      throw JinjaFault("macro '\(definition.name)' takes not more than \(count) argument(s)")
    }
  }
}
