import Basics
import Foundation
import Store
import Testing

@Suite struct `A database` {
  @Test(arguments: [
    SQLValue.null, .integer(Int64.min), .integer(Int64.max), .real(-0.5), .text(""), .text("e\u{301}\0x"),
    .blob([]), .blob([0, 255]),
  ])
  func `gives back what was put in`(_ value: SQLValue) throws {
    let fold = try Fold()
    let database = try Database(fold.path.appending("a b'$é.db"))
    try database.run("CREATE TABLE t (v ANY) STRICT")
    try database.run("INSERT INTO t VALUES (?)", value)
    #expect(try database.first("SELECT v FROM t")?.values == [value])
  }

  @Test func `composed and decomposed text are two keys`() throws {
    let fold = try Fold()
    let database = try Database(fold.path.appending("x.db"))
    try database.run("CREATE TABLE t (v TEXT PRIMARY KEY) STRICT")
    try database.run("INSERT INTO t VALUES (?)", .text("\u{E9}"))
    try database.run("INSERT INTO t VALUES (?)", .text("e\u{301}"))
    #expect(try database.rows("SELECT v FROM t").count == 2)
    #expect(SQLValue.text("\u{E9}") != .text("e\u{301}"))
  }

  @Test func `a transaction that throws leaves nothing`() throws {
    let fold = try Fold()
    let database = try Database(fold.path.appending("x.db"))
    try database.run("CREATE TABLE t (v INTEGER) STRICT")
    #expect(throws: StoreError.self) {
      try database.transaction { () throws(StoreError) in
        try database.run("INSERT INTO t VALUES (1)")
        try database.transaction { () throws(StoreError) in try database.run("INSERT INTO t VALUES (2)") }
        throw StoreError("no")
      }
    }
    #expect(try database.rows("SELECT v FROM t").isEmpty)
    try database.transaction { () throws(StoreError) in try database.run("INSERT INTO t VALUES (3)") }
    #expect(try database.rows("SELECT v FROM t").count == 1)
  }

  @Test func `an error carries its code, its statement and what to do`() throws {
    let fold = try Fold()
    let path = fold.path.appending("x.db")
    let database = try Database(path)
    let error = #expect(throws: StoreError.self) { try database.run("SELEC 1") }
    #expect(error?.sql == "SELEC 1" && error?.code == 1)

    try fold.write("rubbish.db", String(repeating: "no database at all ", count: 100))
    let corrupt = #expect(throws: StoreError.self) { _ = try Database(fold.path.appending("rubbish.db")) }
    #expect(corrupt?.problem.remedy?.contains("damaged") == true)

    try database.run("CREATE TABLE t (v INTEGER) STRICT")
    let other = try Database(path, patience: 1)
    try database.run("BEGIN IMMEDIATE")
    let busy = #expect(throws: StoreError.self) { try other.run("INSERT INTO t VALUES (1)") }
    #expect(busy?.problem.remedy?.contains("another program") == true)
    try database.run("ROLLBACK")

    let reading = try Database(path, access: .readOnly)
    let readOnly = #expect(throws: StoreError.self) { try reading.run("INSERT INTO t VALUES (1)") }
    #expect(readOnly?.problem.remedy?.contains("writable") == true)

    try database.run("PRAGMA max_page_count = 2")
    let full = #expect(throws: StoreError.self) {
      try database.run(
        "INSERT INTO t SELECT value FROM (WITH RECURSIVE c(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM c LIMIT 100000) SELECT value FROM c)"
      )
    }
    #expect(full?.problem.remedy?.contains("disk is full") == true)
  }

  @Test func `foreign keys hold`() throws {
    let fold = try Fold()
    let database = try Database(fold.path.appending("x.db"))
    try database.run("CREATE TABLE a (id INTEGER PRIMARY KEY) STRICT")
    try database.run("CREATE TABLE b (a INTEGER REFERENCES a (id)) STRICT")
    #expect(throws: StoreError.self) { try database.run("INSERT INTO b VALUES (1)") }
  }

  @Test func `migrations run once, and a newer database is refused`() throws {
    let fold = try Fold()
    let database = try Database(fold.path.appending("x.db"))
    let one = Migration("one", ["CREATE TABLE a (v INTEGER) STRICT"])
    let two = Migration("two", ["CREATE TABLE b (v INTEGER) STRICT", "INSERT INTO b VALUES (1)"])
    let broken = Migration("three", ["CREATE TABLE c (v INTEGER) STRICT", "rubbish"])
    try database.migrate([one])
    try database.migrate([one, two])
    try database.migrate([one, two])
    #expect(try database.rows("SELECT v FROM b").count == 1)
    #expect(throws: StoreError.self) { try database.migrate([one, two, broken]) }
    #expect(try database.first("SELECT 1 FROM sqlite_schema WHERE name = 'c'") == nil)
    let error = #expect(throws: StoreError.self) { try database.migrate([one]) }
    #expect(error?.problem.what.contains("another version") == true)
  }
}
