import Basics

/// What stops reading or cleaning altogether. A fault of one row is no error: the row is rejected with its reason.
package struct CorpusError: FettleError {
  package enum Kind: Sendable, Equatable {
    /// A source can not be found or read.
    case source
    /// An option is wrong.
    case option
    /// No row survives cleaning.
    case noRows
    /// The receiver of progress asked to stop.
    case stopped
  }

  package let kind: Kind
  package let problem: Problem

  package init(_ kind: Kind, _ problem: Problem) {
    self.kind = kind
    self.problem = problem
  }

  package init(
    _ kind: Kind, _ what: String, at place: String? = nil, value: String? = nil, remedy: String? = nil
  ) {
    self.init(kind, Problem(what, at: place, value: value, remedy: remedy))
  }

  package init(_ error: FileError) { self.init(.source, error.problem) }
}

/// Runs a file operation, its error worded as this room's.
func filed<T>(_ body: () throws(FileError) -> T) throws(CorpusError) -> T {
  do { return try body() } catch { throw CorpusError(error) }
}
