import Basics

/// A fault of training: options that do not fit, a budget that no plan meets, data that cannot be trained on.
package struct TrainingError: FettleError {
  package let problem: Problem

  package init(_ problem: Problem) { self.problem = problem }

  package init(_ what: String, at place: String? = nil, value: String? = nil, remedy: String? = nil) {
    problem = Problem(what, at: place, value: value, remedy: remedy)
  }
}

/// Runs `body` and turns another room's error into one of this room, keeping its words.
func rethrowing<T>(_ body: () throws -> T) throws(TrainingError) -> T {
  do { return try body() } catch let error as TrainingError { throw error } catch {
    throw TrainingError(problem(of: error))
  }
}
