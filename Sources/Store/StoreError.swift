import Basics
import CSQLite

/// A failure of the cache: the database's, a stored object's, or the lock's.
package struct StoreError: FettleError {
  package var problem: Problem
  /// SQLite's extended result code; nil when the database is not the cause.
  package let code: Int32?
  /// The statement that failed.
  package let sql: String?
  /// Whether bytes are not what they should be, as opposed to a failing disk or database.
  private(set) var isAboutContent = false

  package init(_ problem: Problem, code: Int32? = nil, sql: String? = nil) {
    self.problem = problem
    self.code = code
    self.sql = sql
  }

  package init(_ what: String, at place: FilePath? = nil, value: String? = nil, remedy: String? = nil) {
    self.init(Problem(what, at: place?.display, value: value, remedy: remedy))
  }

  /// Whether another program held what was needed.
  package var isBusy: Bool { holdsLock || code.map { [SQLITE_BUSY, SQLITE_LOCKED].contains($0 & 0xFF) } ?? false }
  var holdsLock = false
  /// Whether the database's file is not what SQLite wrote.
  package var isDamage: Bool { code.map { [SQLITE_CORRUPT, SQLITE_NOTADB].contains($0 & 0xFF) } ?? false }

  init(content what: String, at place: FilePath?, value: String? = nil, remedy: String? = nil) {
    self.init(what, at: place, value: value, remedy: remedy)
    isAboutContent = true
  }

  package init(_ error: FileError) { self.init(error.problem) }
}

/// Runs file operations and gives their failure as the room's own.
package func storing<T>(_ body: () throws(FileError) -> T) throws(StoreError) -> T {
  do { return try body() } catch { throw StoreError(error) }
}
