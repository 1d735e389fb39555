import Basics
import CSQLite

extension Database {
  /// The error of the last failed call, worded by its cause.
  func failure(_ action: String, code: Int32, sql: String? = nil) -> StoreError {
    let message = unsafe String(cString: sqlite3_errmsg(handle))
    return Database.error(action, path: path, code: code, message: message, sql: sql)
  }

  /// Words a result code of SQLite: what failed, on which database, and what to do about it.
  static func error(
    _ action: String, path: FilePath, code: Int32, message: String, sql: String? = nil
  ) -> StoreError {
    let remedy: String? =
      switch code & 0xFF {
      case SQLITE_BUSY, SQLITE_LOCKED: "another program holds the database: wait for it, then run again"
      case SQLITE_READONLY: "make the file and its folder writable, or run from a copy of the project"
      case SQLITE_CORRUPT, SQLITE_NOTADB:
        "the database is damaged: 'fettle fsck' sets it aside and rebuilds what the stored results still tell"
      case SQLITE_FULL: "the disk is full: free some space and run again; nothing done so far is lost"
      case SQLITE_IOERR: "check the disk and the space left on it, then run again"
      case SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH: "check that the folder exists and its permissions"
      default: nil
      }
    return StoreError(
      Problem("cannot \(action): \(message) (SQLite code \(code))", at: path.display, value: sql, remedy: remedy),
      code: code, sql: sql)
  }
}
