import Basics

/// A tokenizer file that can not be used, or a text that it could not encode.
package struct TokenizerError: FettleError {
  package let problem: Problem

  package init(_ problem: Problem) { self.problem = problem }
  package init(_ what: String, at place: String? = nil, value: String? = nil, remedy: String? = nil) {
    problem = Problem(what, at: place, value: value, remedy: remedy)
  }
}
