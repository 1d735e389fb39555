/// The tests that `is` knows.
enum JinjaTest: String, CaseIterable {
  case odd, even, divisibleby, defined, undefined, filter, test, none, boolean, integer, float, lower, upper, string
  case mapping, number, sequence, iterable, callable, sameas, escaped
  case isFalse = "false"
  case isTrue = "true"
  case within = "in"
  case eq, equalto, ne, gt, greaterthan, ge, lt, lessthan, le
  case eqSign = "=="
  case neSign = "!="
  case gtSign = ">"
  case geSign = ">="
  case ltSign = "<"
  case leSign = "<="

  /// The comparison a test stands for.
  var comparison: JinjaComparison? {
    switch self {
    case .eq, .equalto, .eqSign: .equal
    case .ne, .neSign: .notEqual
    case .gt, .greaterthan, .gtSign: .greater
    case .ge, .geSign: .greaterOrEqual
    case .lt, .lessthan, .ltSign: .less
    case .le, .leSign: .lessOrEqual
    case .within: .within
    default: nil
    }
  }
}

extension JinjaRenderer {
  func test(_ test: JinjaTest, _ value: JinjaValue, _ arguments: JinjaArguments) throws(JinjaFault) -> Bool {
    if let comparison = test.comparison {
      let given = try arguments.bound(["other"], required: 1, to: "test '\(test.rawValue)'")
      return try compare(comparison, value, given[0] ?? .none)
    }
    switch test {
    case .divisibleby:
      let given = try arguments.bound(["num"], required: 1, to: "test 'divisibleby'")
      let rest = try binary(.modulo, value, given[0] ?? .none)
      return rest.double == 0
    case .sameas:
      let given = try arguments.bound(["other"], required: 1, to: "test 'sameas'")
      return same(value, given[0] ?? .none)
    default:
      _ = try arguments.bound([], to: "test '\(test.rawValue)'")
      return try test0(test, value)
    }
  }

  /// Tests without an argument.
  private func test0(_ test: JinjaTest, _ value: JinjaValue) throws(JinjaFault) -> Bool {
    switch test {
    case .odd: return try binary(.modulo, value, .int(2)).double == 1
    case .even: return try binary(.modulo, value, .int(2)).double == 0
    case .defined: return !value.isUndefined
    case .undefined: return value.isUndefined
    case .none: return value.isNone
    case .filter: return value.text.map { JinjaFilter(rawValue: $0.string) != nil } ?? false
    case .test: return value.text.map { JinjaTest(rawValue: $0.string) != nil } ?? false
    case .lower, .upper:
      let text = try text(of: value)
      try spend(mapping: text)
      return test == .lower ? JinjaCase.isLower(text) : JinjaCase.isUpper(text)
    case .escaped: return value.text?.isMarkup ?? false
    default: return JinjaRenderer.isOfType(test, value)
    }
  }

  private static func isOfType(_ test: JinjaTest, _ value: JinjaValue) -> Bool {
    switch (test, value.kind) {
    case (.boolean, .bool): true
    case (.isTrue, .bool(let flag)): flag
    case (.isFalse, .bool(let flag)): !flag
    case (.integer, .int), (.integer, .wide): true
    case (.float, .double): true
    case (.number, .bool), (.number, .int), (.number, .wide), (.number, .double): true
    case (.string, .text): true
    case (.mapping, .dict): true
    case (.sequence, .undefined), (.sequence, .text), (.sequence, .list), (.sequence, .tuple), (.sequence, .dict),
      (.sequence, .range):
      true
    case (.iterable, .text), (.iterable, .list), (.iterable, .tuple), (.iterable, .dict), (.iterable, .range): true
    case (.iterable, .view), (.iterable, .generator), (.iterable, .undefined), (.iterable, .loop): true
    case (.callable, .macro), (.callable, .method), (.callable, .function), (.callable, .joiner): true
    case (.callable, .loop), (.callable, .undefined): true
    default: false
    }
  }

  private func same(_ a: JinjaValue, _ b: JinjaValue) -> Bool {
    switch (a.kind, b.kind) {
    case (.bool(let x), .bool(let y)): x == y
    case (.none, .none): true
    case (.int(let x), .int(let y)): x == y
    case (.text(let x), .text(let y)): x.sameBytes(y)
    case (.dict(let x), .dict(let y)): x === y
    case (.namespace(let x), .namespace(let y)): x === y
    case (.macro(let x), .macro(let y)): x === y
    default: false
    }
  }
}
