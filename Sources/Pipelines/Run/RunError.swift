import Basics
import Store

/// A failure while planning or running a pipeline.
package struct RunError: FettleError {
  package var problem: Problem

  package init(_ problem: Problem) { self.problem = problem }

  package init(_ what: String, at place: String? = nil, value: String? = nil, remedy: String? = nil) {
    self.init(Problem(what, at: place, value: value, remedy: remedy))
  }
}

/// Runs what may fail with any room's error and gives its failure as the runner's own.
func running<T>(_ body: () throws -> T) throws(RunError) -> T {
  do { return try body() } catch { throw RunError(Basics.problem(of: error)) }
}
