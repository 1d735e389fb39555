/// A fault in YAML text: where, what, the offending text, what to write instead.
package struct YAMLError: FettleError, Equatable {
  /// From 1.
  package let line: Int
  /// In code points, from 1.
  package let column: Int
  package let what: String
  package let text: String?
  package let remedy: String?

  package init(line: Int, column: Int, _ what: String, text: String? = nil, remedy: String? = nil) {
    self.line = line
    self.column = column
    self.what = what
    self.text = text
    self.remedy = remedy
  }

  package var problem: Problem {
    Problem("YAML: \(what)", at: "line \(line), column \(column)", value: text, remedy: remedy)
  }
}
