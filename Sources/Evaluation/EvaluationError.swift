import Basics

/// A task file that is wrong, a document that lacks a field, a model that can not be scored.
package struct EvaluationError: FettleError {
  package let problem: Problem
  package init(_ problem: Problem) { self.problem = problem }

  package init(_ what: String, at place: String? = nil, value: String? = nil, remedy: String? = nil) {
    problem = Problem(what, at: place, value: value, remedy: remedy)
  }
}
