import Basics

/// A token shard that cannot be written, or that is not what it should be.
package struct TokenShardError: FettleError {
  package let problem: Problem

  package init(_ what: String, at path: FilePath, value: String? = nil) {
    problem = Problem(
      what, at: path.display, value: value, remedy: "the file is not a whole token shard: run the tokenize stage again")
  }

  init(_ problem: Problem) { self.problem = problem }

  /// Runs `body`; a failed file operation keeps its own words.
  static func wrapping<T>(_ body: () throws(FileError) -> T) throws(TokenShardError) -> T {
    do {
      return try body()
    } catch {
      throw TokenShardError(error.problem)
    }
  }
}
