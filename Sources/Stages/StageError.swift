import Basics

/// A stage that can not do its work with what it was given.
package struct StageError: FettleError {
  package let problem: Problem
  package init(_ problem: Problem) { self.problem = problem }

  package init(_ what: String, at place: String? = nil, value: String? = nil, remedy: String? = nil) {
    problem = Problem(what, at: place, value: value, remedy: remedy)
  }
}
