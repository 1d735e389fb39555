import Basics

/// A task file that is wrong, a document that lacks a field, a model that can not be scored.
package struct EvaluationError: FettleError {
  package let problem: Problem
  /// Whether nothing failed: the work was stopped on request.
  package let isStop: Bool

  package init(_ problem: Problem, isStop: Bool = false) {
    self.problem = problem
    self.isStop = isStop
  }

  package static let stopped = EvaluationError(Problem("stopped on request"), isStop: true)

  package init(_ what: String, at place: String? = nil, value: String? = nil, remedy: String? = nil) {
    self.init(Problem(what, at: place, value: value, remedy: remedy))
  }
}
