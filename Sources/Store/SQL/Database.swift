import Basics
import CSQLite

/// An open SQLite database: write-ahead log, full synchronisation, foreign keys on, prepared statements kept.
///
/// One value serves one thread at a time.
@safe package final class Database {
  package enum Access: Sendable { case readWrite, readOnly }

  package let path: FilePath
  let handle: OpaquePointer
  private var statements: [String: Statement] = [:]
  private var depth = 0
  private var isClosed = false

  /// Opens the file, which read-write access makes when it is absent.
  ///
  /// `patience` is how long a statement waits for another program's lock, in milliseconds.
  package init(_ path: FilePath, access: Access = .readWrite, patience: Int32 = 10_000) throws(StoreError) {
    self.path = path
    var opened: OpaquePointer?
    let flags = access == .readWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY
    let code = unsafe path.withCString {
      unsafe sqlite3_open_v2($0, &opened, flags | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE, nil)
    }
    guard let handle = unsafe opened, code == SQLITE_OK else {
      let message = unsafe opened.map { unsafe String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
      unsafe sqlite3_close_v2(opened)
      throw Database.error("open the database", path: path, code: code, message: message)
    }
    unsafe self.handle = handle
    unsafe sqlite3_busy_timeout(handle, patience)
    if access == .readWrite {
      try run("PRAGMA journal_mode = WAL")
      try run("PRAGMA synchronous = FULL")
    }
    // Large transactions keep their pages in memory; what is not used is not taken.
    try run("PRAGMA cache_size = -65536")
    try run("PRAGMA foreign_keys = ON")
  }

  /// Runs one statement and drops its rows.
  package func run(_ sql: String, _ values: SQLValue...) throws(StoreError) {
    try each(sql, values) { (_) throws(StoreError) in }
  }

  /// Runs one statement once for each list of values: for many rows at a time.
  package func runMany(_ sql: String, count: Int, _ values: (Int) -> [SQLValue]) throws(StoreError) {
    let statement = try statement(sql)
    defer { statement.isBusy = false }
    statement.isBusy = true
    for index in 0..<count { try statement.each(values(index)) { (_) throws(StoreError) in } }
  }

  /// All rows of one statement.
  package func rows(_ sql: String, _ values: SQLValue...) throws(StoreError) -> [Row] {
    var rows: [Row] = []
    try each(sql, values) { (row) throws(StoreError) in rows.append(row) }
    return rows
  }

  /// The first row of one statement.
  package func first(_ sql: String, _ values: SQLValue...) throws(StoreError) -> Row? {
    var found: Row?
    try each(sql, values) { (row) throws(StoreError) in if found == nil { found = row } }
    return found
  }

  /// Inserts one row and gives its number.
  package func insert(_ sql: String, _ values: SQLValue...) throws(StoreError) -> Int {
    try each(sql, values) { (_) throws(StoreError) in }
    return Int(unsafe sqlite3_last_insert_rowid(handle))
  }

  /// Rows changed by the last statement.
  package var changes: Int { Int(unsafe sqlite3_changes64(handle)) }

  /// Calls `body` with each row of one statement.
  package func each(
    _ sql: String, _ values: [SQLValue], _ body: (Row) throws(StoreError) -> Void
  ) throws(StoreError) {
    let statement = try statement(sql)
    defer { statement.isBusy = false }
    statement.isBusy = true
    try statement.each(values, body)
  }

  /// Runs `body` in one transaction: all of it happens, or nothing. An inner transaction joins the outer one.
  package func transaction<T>(_ body: () throws(StoreError) -> T) throws(StoreError) -> T {
    if depth > 0 { return try body() }
    try run("BEGIN IMMEDIATE")
    depth += 1
    defer { depth -= 1 }
    do {
      let result = try body()
      try run("COMMIT")
      return result
    } catch {
      // A full disk may have rolled the transaction back already; the first error is the one to tell.
      if unsafe sqlite3_get_autocommit(handle) == 0 { try? run("ROLLBACK") }
      throw error
    }
  }

  /// A kept statement, or a fresh one while the kept one is in use further up.
  private func statement(_ sql: String) throws(StoreError) -> Statement {
    if isClosed { throw StoreError("the database is closed", at: path) }
    if let kept = statements[sql], !kept.isBusy { return kept }
    let statement = try Statement(sql, of: self)
    if statements[sql] == nil { statements[sql] = statement }
    return statement
  }

  deinit { close() }

  /// Closes the file ahead of time; nothing may be asked of the database any more.
  package func close() {
    statements.removeAll()
    if !isClosed { unsafe sqlite3_close_v2(handle) }
    isClosed = true
  }
}
