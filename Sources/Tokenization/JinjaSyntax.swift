/// A constant of a template.
enum JinjaLiteral: Sendable {
  case none
  case bool(Bool)
  case int(Int)
  case wide(String)
  case double(Double)
  case text(JinjaText)
}

enum JinjaBinary: Sendable { case add, subtract, multiply, divide, floorDivide, modulo, power }

enum JinjaComparison: Sendable { case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, within, notWithin }

/// An expression. Variables are numbered by the parser.
indirect enum JinjaExpression: Sendable {
  case literal(JinjaLiteral)
  case name(Int)
  case list([JinjaExpression])
  case tuple([JinjaExpression])
  case dict([(key: JinjaExpression, value: JinjaExpression)])
  case attribute(JinjaExpression, JinjaText)
  case item(JinjaExpression, JinjaExpression)
  case slice(JinjaExpression, JinjaExpression?, JinjaExpression?, JinjaExpression?)
  case call(JinjaExpression, JinjaCallArguments, line: Int)
  case filter(JinjaExpression, JinjaFilterUse)
  case test(JinjaExpression, name: String, JinjaCallArguments, line: Int)
  case not(JinjaExpression)
  case negative(JinjaExpression)
  case positive(JinjaExpression)
  case binary(JinjaBinary, JinjaExpression, JinjaExpression)
  case concatenation([JinjaExpression])
  case comparison(JinjaExpression, [(JinjaComparison, JinjaExpression)])
  case and(JinjaExpression, JinjaExpression)
  case or(JinjaExpression, JinjaExpression)
  case conditional(JinjaExpression, then: JinjaExpression, otherwise: JinjaExpression?)
}

struct JinjaCallArguments: Sendable {
  var positional: [JinjaExpression] = []
  var keywords: [(name: String, value: JinjaExpression)] = []
  var splat: JinjaExpression?
  var doubleSplat: JinjaExpression?
}

struct JinjaFilterUse: Sendable {
  let name: String
  let arguments: JinjaCallArguments
  let line: Int
}

/// What `set` and `for` assign to.
indirect enum JinjaTarget: Sendable {
  case name(Int)
  case attribute(Int, JinjaText)
  case tuple([JinjaTarget])
}

indirect enum JinjaStatement: Sendable {
  case text(JinjaText)
  case output(JinjaExpression, line: Int)
  case set(JinjaTarget, JinjaExpression, line: Int)
  case setBlock(JinjaTarget, filters: [JinjaFilterUse], [JinjaStatement], line: Int)
  case condition([(test: JinjaExpression, line: Int, body: [JinjaStatement])], otherwise: [JinjaStatement])
  case loop(JinjaFor)
  case macro(JinjaMacroDefinition)
  case callBlock(JinjaMacroDefinition, JinjaExpression, line: Int)
  case filterBlock([JinjaFilterUse], [JinjaStatement], line: Int)
  case with([(target: JinjaTarget, value: JinjaExpression)], [JinjaStatement], line: Int)
  case block([JinjaStatement])
  case generation([JinjaStatement])
  case exit(JinjaFlow)
  /// A tag that needs other templates, which there are none of.
  case unavailable(String, line: Int)
}

enum JinjaFlow: Sendable { case goOn, leave, nextItem }

final class JinjaFor: Sendable {
  let target: JinjaTarget
  let iterable: JinjaExpression
  let condition: JinjaExpression?
  let isRecursive: Bool
  let body: [JinjaStatement]
  let otherwise: [JinjaStatement]
  let line: Int

  init(
    target: JinjaTarget, iterable: JinjaExpression, condition: JinjaExpression?, isRecursive: Bool,
    body: [JinjaStatement], otherwise: [JinjaStatement], line: Int
  ) {
    self.target = target
    self.iterable = iterable
    self.condition = condition
    self.isRecursive = isRecursive
    self.body = body
    self.otherwise = otherwise
    self.line = line
  }
}

final class JinjaMacroDefinition: Sendable {
  struct Special: OptionSet, Sendable {
    let rawValue: Int
    static let caller = Special(rawValue: 1)
    static let varargs = Special(rawValue: 2)
    static let kwargs = Special(rawValue: 4)
  }
  struct Parameter: Sendable {
    let name: String
    let symbol: Int
    let fallback: JinjaExpression?
  }

  let name: String
  let symbol: Int
  let parameters: [Parameter]
  /// The special variables the body reads; only then does a call take such arguments.
  let special: Special
  let body: [JinjaStatement]
  let line: Int

  init(
    name: String, symbol: Int, parameters: [Parameter], special: Special, body: [JinjaStatement], line: Int
  ) {
    self.name = name
    self.symbol = symbol
    self.parameters = parameters
    self.special = special
    self.body = body
    self.line = line
  }
}

/// A parsed template: its statements, and the names that its variables' numbers stand for.
struct JinjaTemplate: Sendable {
  let body: [JinjaStatement]
  let names: [String]
}
