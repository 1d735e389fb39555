import Basics

/// One named step of the database's form. Steps are only ever added at the end.
package struct Migration: Sendable {
  package let name: String
  package let statements: [String]

  package init(_ name: String, _ statements: [String]) {
    self.name = name
    self.statements = statements
  }
}

extension Database {
  /// Brings the database to the form that `migrations` describe; each step is one transaction.
  ///
  /// A database with a step that is not among them was written by a newer program and is refused.
  package func migrate(_ migrations: [Migration]) throws(StoreError) {
    if try isCurrent(migrations) { return }
    try transaction { () throws(StoreError) in
      try run(
        "CREATE TABLE IF NOT EXISTS migrations (position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT")
      let applied = try appliedMigrations()
      for (position, migration) in migrations.enumerated().dropFirst(applied.count) {
        for statement in migration.statements { try run(statement) }
        try run("INSERT INTO migrations VALUES (?, ?)", SQLValue(position), SQLValue(migration.name))
      }
    }
  }

  /// Whether nothing was ever written to it.
  package var isEmpty: Bool {
    get throws(StoreError) { try first("SELECT 1 FROM sqlite_schema LIMIT 1") == nil }
  }

  /// Whether all steps are applied; throws where the database knows steps that this program does not.
  package func isCurrent(_ migrations: [Migration]) throws(StoreError) -> Bool {
    guard try first("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'") != nil else {
      return migrations.isEmpty
    }
    let applied = try appliedMigrations()
    guard applied.count <= migrations.count, zip(applied, migrations).allSatisfy({ sameBytes($0, $1.name) }) else {
      throw StoreError(
        "the cache database was written by another version of fettle", at: path, value: applied.last,
        remedy: "use the newer program, or move the database away: the cache then fills anew")
    }
    return applied.count == migrations.count
  }

  private func appliedMigrations() throws(StoreError) -> [String] {
    var names: [String] = []
    for row in try rows("SELECT name FROM migrations ORDER BY position") { names.append(try row.text(0)) }
    return names
  }
}
