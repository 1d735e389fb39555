import Basics

/// A fault of training: options that do not fit, a budget that no plan meets, data that cannot be trained on.
package struct TrainingError: FettleError {
  package let problem: Problem
  /// Whether nothing failed and the work was stopped on request.
  package private(set) var isStop = false

  package init(_ problem: Problem) { self.problem = problem }

  package init(_ what: String, at place: String? = nil, value: String? = nil, remedy: String? = nil) {
    problem = Problem(what, at: place, value: value, remedy: remedy)
  }

  /// The work was stopped on request before it had a result.
  static func stopped(_ what: String) -> TrainingError {
    var error = TrainingError(what)
    error.isStop = true
    return error
  }
}

/// Runs `body` and turns another room's error into one of this room, keeping its words.
func rethrowing<T>(_ body: () throws -> T) throws(TrainingError) -> T {
  do { return try body() } catch let error as TrainingError { throw error } catch {
    throw TrainingError(problem(of: error))
  }
}
