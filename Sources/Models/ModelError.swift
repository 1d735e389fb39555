import Basics

/// What can go wrong with a model's files, its configuration or its reference.
package struct ModelError: FettleError {
  package let problem: Problem

  package init(_ problem: Problem) { self.problem = problem }

  package init(_ what: String, at place: String? = nil, value: String? = nil, remedy: String? = nil) {
    problem = Problem(what, at: place, value: value, remedy: remedy)
  }

  /// Another room's error, with the file it happened in when it does not say one itself.
  package init(_ error: some FettleError, in path: FilePath) {
    var problem = error.problem
    problem.place = problem.place.map { $0.hasPrefix(path.display) ? $0 : "\(path.display), \($0)" } ?? path.display
    self.problem = problem
  }
}
