import Basics

/// A chat template that cannot be read or rendered, with the line of the template where it happened.
package struct TemplateError: FettleError, Equatable {
  /// Counted from 1.
  package let line: Int
  /// What went wrong, without the line.
  package let what: String

  package init(_ what: String, line: Int) {
    self.what = what
    self.line = line
  }

  package var problem: Problem { Problem(what, at: "chat template, line \(line)") }
}

/// A fault inside the engine; the renderer adds the line and makes it a `TemplateError`.
struct JinjaFault: Error {
  let what: String

  init(_ what: String) { self.what = what }
}
