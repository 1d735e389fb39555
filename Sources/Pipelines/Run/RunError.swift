import Basics
import Store

/// A failure while planning or running a pipeline.
package struct RunError: FettleError {
  package var problem: Problem
  /// Whether another run holds the project: exit code 4.
  package let isBusy: Bool
  /// Whether what was asked for names something that is not there: exit code 2.
  package let isRequest: Bool

  package init(_ problem: Problem, isBusy: Bool = false, isRequest: Bool = false) {
    self.problem = problem
    self.isBusy = isBusy
    self.isRequest = isRequest
  }

  package init(
    _ what: String, at place: String? = nil, value: String? = nil, remedy: String? = nil, isRequest: Bool = false
  ) {
    self.init(Problem(what, at: place, value: value, remedy: remedy), isRequest: isRequest)
  }
}

/// Runs what may fail with any room's error and gives its failure as the runner's own.
func running<T>(_ body: () throws -> T) throws(RunError) -> T {
  do { return try body() } catch {
    if let known = error as? RunError { throw known }
    throw RunError(Basics.problem(of: error), isBusy: (error as? StoreError)?.isBusy ?? false)
  }
}
