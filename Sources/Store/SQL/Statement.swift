import Basics
import CSQLite

/// A prepared statement, finalised with its owner.
@safe final class Statement {
  var isBusy = false
  private let pointer: OpaquePointer
  private unowned let database: Database
  private let sql: String

  init(_ sql: String, of database: Database) throws(StoreError) {
    self.sql = sql
    self.database = database
    var prepared: OpaquePointer?
    let code = unsafe sqlite3_prepare_v3(
      database.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
    guard let pointer = unsafe prepared, code == SQLITE_OK else {
      throw database.failure("read the database", code: code, sql: sql)
    }
    unsafe self.pointer = pointer
  }

  /// Binds `values` and calls `body` with each row.
  func each(_ values: [SQLValue], _ body: (Row) throws(StoreError) -> Void) throws(StoreError) {
    defer {
      unsafe sqlite3_reset(pointer)
      unsafe sqlite3_clear_bindings(pointer)
    }
    for (index, value) in values.enumerated() {
      let code = bind(value, at: Int32(index + 1))
      guard code == SQLITE_OK else { throw database.failure("fill in the statement", code: code, sql: sql) }
    }
    while true {
      let code = unsafe sqlite3_step(pointer)
      switch code {
      case SQLITE_ROW: try body(row())
      case SQLITE_DONE: return
      default: throw database.failure("use the database", code: code, sql: sql)
      }
    }
  }

  private func bind(_ value: SQLValue, at index: Int32) -> Int32 {
    // SQLITE_TRANSIENT: SQLite copies the bytes before the call returns.
    let copied = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    switch value {
    case .null: return unsafe sqlite3_bind_null(pointer, index)
    case .integer(let value): return unsafe sqlite3_bind_int64(pointer, index, value)
    case .real(let value): return unsafe sqlite3_bind_double(pointer, index, value)
    case .text(let text):
      var text = text
      return text.withUTF8 { bytes in
        // An empty buffer may have no address, which SQLite would read as NULL.
        guard let base = bytes.baseAddress else { return unsafe sqlite3_bind_text(pointer, index, "", 0, copied) }
        return unsafe base.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
          unsafe sqlite3_bind_text64(pointer, index, $0, UInt64(bytes.count), copied, UInt8(SQLITE_UTF8))
        }
      }
    case .blob(let bytes):
      if bytes.isEmpty { return unsafe sqlite3_bind_zeroblob(pointer, index, 0) }
      return unsafe bytes.withUnsafeBytes {
        unsafe sqlite3_bind_blob64(pointer, index, $0.baseAddress, UInt64($0.count), copied)
      }
    }
  }

  private func row() -> Row {
    let count = unsafe sqlite3_column_count(pointer)
    return Row(values: (0..<count).map { column($0) })
  }

  private func column(_ index: Int32) -> SQLValue {
    switch unsafe sqlite3_column_type(pointer, index) {
    case SQLITE_INTEGER: return .integer(unsafe sqlite3_column_int64(pointer, index))
    case SQLITE_FLOAT: return .real(unsafe sqlite3_column_double(pointer, index))
    case SQLITE_TEXT:
      let bytes = unsafe sqlite3_column_text(pointer, index)
      let count = Int(unsafe sqlite3_column_bytes(pointer, index))
      return .text(unsafe String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self))
    case SQLITE_BLOB:
      let bytes = unsafe sqlite3_column_blob(pointer, index)
      let count = Int(unsafe sqlite3_column_bytes(pointer, index))
      return .blob(unsafe Array(UnsafeRawBufferPointer(start: bytes, count: count)))
    default: return .null
    }
  }

  deinit { unsafe sqlite3_finalize(pointer) }
}
