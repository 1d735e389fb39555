import Basics
import Foundation

/// The record of runs, attempts, fingerprints and results in the cache database.
package final class Ledger {
  package let folder: CacheFolder
  package let database: Database
  package let objects: ObjectStore
  /// What an empty database was filled with from the results on disk when it was opened.
  package private(set) var rebuilt = Rebuilding.Outcome()

  /// Opens the project's cache, which is made when absent.
  package init(_ folder: CacheFolder) throws(StoreError) {
    self.folder = folder
    try folder.make()
    database = try Database(folder.database)
    let isFresh = try database.isEmpty
    try database.migrate(CacheSchema.migrations)
    objects = ObjectStore(folder, database)
    if isFresh { rebuilt = try Rebuilding(self).adoptAll() }
  }

  /// Opens an existing cache for reading; nil when the project has none yet. One of an older version is brought up to
  /// date.
  package init?(reading folder: CacheFolder) throws(StoreError) {
    guard Files.exists(folder.database) else { return nil }
    self.folder = folder
    var database = try Database(folder.database, access: .readOnly)
    if try database.isEmpty { return nil }
    if try !database.isCurrent(CacheSchema.migrations) {
      try Database(folder.database).migrate(CacheSchema.migrations)
      database = try Database(folder.database, access: .readOnly)
    }
    self.database = database
    objects = ObjectStore(folder, database)
  }

  // MARK: - Runs

  /// Records that a run begins, with all its cells pending.
  package func beginRun(
    pipeline: String, file: FilePath?, command: String, cells: [CellRecord]
  ) throws(StoreError) -> Int {
    try database.transaction { () throws(StoreError) in
      let id = try database.insert(
        "INSERT INTO runs (pipeline, file, command, pid, started) VALUES (?, ?, ?, ?, ?)",
        .text(pipeline), SQLValue(file), .text(command), SQLValue(Int(getpid())), .real(Ledger.now()))
      let sql = """
        INSERT INTO run_cells (run, position, cell, stage, kind, status, reason, seconds, fingerprint, attempt, error)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
      try database.runMany(sql, count: cells.count) { index in
        let cell = cells[index]
        return [
          SQLValue(id), SQLValue(cell.position), .text(cell.cell), .text(cell.stage), .text(cell.kind),
          .text(cell.status.rawValue), SQLValue(cell.reason), SQLValue(cell.seconds), SQLValue(cell.fingerprint),
          SQLValue(cell.attempt), SQLValue(cell.error),
        ]
      }
      return id
    }
  }

  package func finishRun(_ id: Int, exitCode: Int) throws(StoreError) {
    try database.run(
      "UPDATE runs SET finished = ?, exit_code = ? WHERE id = ?", .real(Ledger.now()), SQLValue(exitCode), SQLValue(id))
  }

  /// Records how a cell stands in a run.
  package func update(_ cell: CellRecord, in run: Int) throws(StoreError) {
    try database.run(
      """
      UPDATE run_cells SET status = ?, reason = ?, seconds = ?, fingerprint = ?, attempt = ?, error = ?
      WHERE run = ? AND position = ?
      """,
      .text(cell.status.rawValue), SQLValue(cell.reason), SQLValue(cell.seconds), SQLValue(cell.fingerprint),
      SQLValue(cell.attempt), SQLValue(cell.error), SQLValue(run), SQLValue(cell.position))
  }

  /// Gives a run a name, or takes it away.
  package func name(_ run: Int, _ name: String?) throws(StoreError) {
    try database.run("UPDATE runs SET name = ? WHERE id = ?", SQLValue(name), SQLValue(run))
  }

  // MARK: - Fingerprints

  /// Makes a fingerprint known, if it is not yet.
  package func save(_ fingerprint: FingerprintRecord) throws(StoreError) {
    try database.transaction { () throws(StoreError) in
      try database.run(
        "INSERT OR IGNORE INTO fingerprints VALUES (?, ?)", SQLValue(fingerprint.digest), .text(fingerprint.kind))
      guard database.changes > 0 else { return }
      for (position, part) in fingerprint.parts.enumerated() {
        try database.run(
          "INSERT INTO fingerprint_parts VALUES (?, ?, ?, ?)",
          SQLValue(fingerprint.digest), SQLValue(position), .text(part.name), .text(part.value))
      }
    }
  }

  package func fingerprint(_ digest: Digest) throws(StoreError) -> FingerprintRecord? {
    guard let row = try database.first("SELECT kind FROM fingerprints WHERE digest = ?", SQLValue(digest)) else {
      return nil
    }
    var parts: [FingerprintRecord.Part] = []
    let sql = "SELECT name, value FROM fingerprint_parts WHERE fingerprint = ? ORDER BY position"
    for row in try database.rows(sql, SQLValue(digest)) {
      parts.append(FingerprintRecord.Part(name: try row.text(0), value: try row.text(1)))
    }
    return FingerprintRecord(digest: digest, kind: try row.text(0), parts: parts)
  }

  // MARK: - Attempts

  /// Records that an attempt begins.
  package func beginAttempt(
    run: Int, pipeline: String, cell: String, fingerprint: FingerprintRecord, number: Int
  ) throws(StoreError) -> Int {
    try database.transaction { () throws(StoreError) in
      try save(fingerprint)
      return try database.insert(
        """
        INSERT INTO attempts (run, pipeline, cell, fingerprint, number, status, started)
        VALUES (?, ?, ?, ?, ?, 'running', ?)
        """,
        SQLValue(run), .text(pipeline), .text(cell), SQLValue(fingerprint.digest), SQLValue(number),
        .real(Ledger.now()))
    }
  }

  /// Records the process of an attempt and where it writes its log and its events.
  package func attempt(
    _ id: Int, runsAs pid: Int, processStart: Int?, log: FilePath, events: FilePath
  ) throws(StoreError) {
    try database.run(
      "UPDATE attempts SET pid = ?, process_start = ?, log = ?, events = ? WHERE id = ?",
      SQLValue(pid), SQLValue(processStart), SQLValue(log), SQLValue(events), SQLValue(id))
  }

  /// How an attempt ended, besides its outputs.
  package struct Ending: Sendable {
    package var status: AttemptStatus
    package var exitCode: Int?
    package var signal: Int?
    package var error: String?
    package var peakMemory: Int?
    package var metrics: JSON?

    package init(
      _ status: AttemptStatus, exitCode: Int? = nil, signal: Int? = nil, error: String? = nil, peakMemory: Int? = nil,
      metrics: JSON? = nil
    ) {
      self.status = status
      self.exitCode = exitCode
      self.signal = signal
      self.error = error
      self.peakMemory = peakMemory
      self.metrics = metrics
    }
  }

  /// Records the end of an attempt; with `outputs` and the status `done`, that is the success others may reuse.
  package func finish(
    _ attempt: Int, _ ending: Ending,
    outputs: [(name: String, kind: String, publication: ObjectStore.Publication)] = []
  ) throws(StoreError) {
    try database.transaction { () throws(StoreError) in
      for (position, output) in outputs.enumerated() {
        try objects.record(output.publication)
        try database.run(
          "INSERT INTO outputs VALUES (?, ?, ?, ?, ?)",
          SQLValue(attempt), SQLValue(position), .text(output.name), .text(output.kind),
          SQLValue(output.publication.content.digest))
      }
      CommitPoint.reached("success.inside")
      try database.run(
        """
        UPDATE attempts SET status = ?, finished = ?, exit_code = ?, signal = ?, error = ?, peak_memory = ?,
          metrics = ? WHERE id = ?
        """,
        .text(ending.status.rawValue), .real(Ledger.now()), SQLValue(ending.exitCode), SQLValue(ending.signal),
        SQLValue(ending.error), SQLValue(ending.peakMemory), SQLValue(ending.metrics?.text()), SQLValue(attempt))
    }
    // The receipt only serves to rebuild a lost database; a full disk must not undo a success.
    if ending.status == .done { try? receipt(of: attempt)?.write(to: folder) }
  }

  /// The newest success with this fingerprint.
  package func result(_ fingerprint: Digest) throws(StoreError) -> ResultRecord? {
    let sql = "SELECT id FROM attempts WHERE fingerprint = ? AND status = 'done' ORDER BY id DESC LIMIT 1"
    guard let row = try database.first(sql, SQLValue(fingerprint)) else { return nil }
    let attempt = try row.int(0)
    return ResultRecord(attempt: attempt, outputs: try outputs(of: attempt))
  }

  package func outputs(of attempt: Int) throws(StoreError) -> [OutputRecord] {
    var outputs: [OutputRecord] = []
    let sql = "SELECT name, kind, digest FROM outputs WHERE attempt = ? ORDER BY position"
    for row in try database.rows(sql, SQLValue(attempt)) {
      outputs.append(OutputRecord(name: try row.text(0), kind: try row.text(1), digest: try row.digest(2)))
    }
    return outputs
  }

  package static func now() -> Double { Date().timeIntervalSince1970 }
}
