import Basics

extension Ledger {
  private static let runColumns = "id, pipeline, file, command, pid, started, finished, exit_code, name, origin"

  /// The newest run of this project's own, of one pipeline or of any.
  package func newestRun(pipeline: String? = nil) throws(StoreError) -> RunRecord? {
    let filter = "WHERE origin IS NULL" + (pipeline == nil ? "" : " AND pipeline = ?")
    let sql = "SELECT \(Ledger.runColumns) FROM runs \(filter) ORDER BY id DESC LIMIT 1"
    let row = if let pipeline { try database.first(sql, .text(pipeline)) } else { try database.first(sql) }
    return if let row { try run(row) } else { nil }
  }

  package func run(_ id: Int) throws(StoreError) -> RunRecord? {
    let row = try database.first("SELECT \(Ledger.runColumns) FROM runs WHERE id = ?", SQLValue(id))
    return if let row { try run(row) } else { nil }
  }

  /// The run of this name.
  package func run(named name: String) throws(StoreError) -> RunRecord? {
    let row = try database.first("SELECT \(Ledger.runColumns) FROM runs WHERE name = ?", .text(name))
    return if let row { try run(row) } else { nil }
  }

  /// The newest runs of this project's own first.
  package func runs(limit: Int = 50) throws(StoreError) -> [RunRecord] {
    var runs: [RunRecord] = []
    let sql = "SELECT \(Ledger.runColumns) FROM runs WHERE origin IS NULL ORDER BY id DESC LIMIT ?"
    for row in try database.rows(sql, SQLValue(limit)) { runs.append(try run(row)) }
    return runs
  }

  /// The cells of a run in order.
  package func cells(of run: Int) throws(StoreError) -> [CellRecord] {
    var cells: [CellRecord] = []
    let sql = """
      SELECT position, cell, stage, kind, status, reason, seconds, fingerprint, attempt, error
      FROM run_cells WHERE run = ? ORDER BY position
      """
    for row in try database.rows(sql, SQLValue(run)) { cells.append(try cell(row)) }
    return cells
  }

  private static let attemptColumns = """
    id, run, pipeline, cell, fingerprint, number, status, started, finished, pid, process_start, exit_code, signal,
    error, peak_memory, log, events, metrics
    """

  package func attempt(_ id: Int) throws(StoreError) -> AttemptRecord? {
    let row = try database.first("SELECT \(Ledger.attemptColumns) FROM attempts WHERE id = ?", SQLValue(id))
    return if let row { try attempt(row) } else { nil }
  }

  /// The attempts at a cell, the newest first: all of them, or those of one run.
  package func attempts(
    pipeline: String, cell: String, run: Int? = nil, limit: Int = 100
  ) throws(StoreError) -> [AttemptRecord] {
    let sql = """
      SELECT \(Ledger.attemptColumns) FROM attempts WHERE pipeline = ? AND cell = ? AND run = COALESCE(?, run)
      ORDER BY id DESC LIMIT ?
      """
    var attempts: [AttemptRecord] = []
    for row in try database.rows(sql, .text(pipeline), .text(cell), SQLValue(run), SQLValue(limit)) {
      attempts.append(try attempt(row))
    }
    return attempts
  }

  /// Attempts that nobody has recorded the end of: of a run that was killed, when the caller holds the lock.
  package func unfinishedAttempts() throws(StoreError) -> [AttemptRecord] {
    var attempts: [AttemptRecord] = []
    for row in try database.rows("SELECT \(Ledger.attemptColumns) FROM attempts WHERE status = 'running'") {
      attempts.append(try attempt(row))
    }
    return attempts
  }

  /// The newest success at a cell under whatever fingerprint: what `why` compares with.
  package func newestSuccess(pipeline: String, cell: String, before run: Int? = nil) throws(StoreError)
    -> AttemptRecord?
  {
    let sql = """
      SELECT \(Ledger.attemptColumns) FROM attempts
      WHERE pipeline = ? AND cell = ? AND status = 'done' AND run < COALESCE(?, run + 1) ORDER BY id DESC LIMIT 1
      """
    let row = try database.first(sql, .text(pipeline), .text(cell), SQLValue(run))
    return if let row { try attempt(row) } else { nil }
  }

  private func run(_ row: Row) throws(StoreError) -> RunRecord {
    RunRecord(
      id: try row.int(0), pipeline: try row.text(1), file: try row.optionalBytes(2).map { FilePath(bytes: $0) },
      command: try row.text(3), pid: try row.int(4), started: try row.double(5), finished: try row.optionalDouble(6),
      exitCode: try row.optionalInt(7), name: try row.optionalText(8), origin: try row.optionalText(9))
  }

  private func cell(_ row: Row) throws(StoreError) -> CellRecord {
    CellRecord(
      position: try row.int(0), cell: try row.text(1), stage: try row.text(2), kind: try row.text(3),
      status: CellStatus(rawValue: try row.text(4)) ?? .pending, reason: try row.optionalText(5),
      seconds: try row.optionalDouble(6), fingerprint: try row.optionalDigest(7), attempt: try row.optionalInt(8),
      error: try row.optionalText(9))
  }

  private func attempt(_ row: Row) throws(StoreError) -> AttemptRecord {
    let metrics = try row.optionalText(17)
    return AttemptRecord(
      id: try row.int(0), run: try row.int(1), pipeline: try row.text(2), cell: try row.text(3),
      fingerprint: try row.digest(4), number: try row.int(5),
      status: AttemptStatus(rawValue: try row.text(6)) ?? .failed, started: try row.double(7),
      finished: try row.optionalDouble(8), pid: try row.optionalInt(9), processStart: try row.optionalInt(10),
      exitCode: try row.optionalInt(11), signal: try row.optionalInt(12), error: try row.optionalText(13),
      peakMemory: try row.optionalInt(14), log: try row.optionalBytes(15).map { FilePath(bytes: $0) },
      events: try row.optionalBytes(16).map { FilePath(bytes: $0) },
      metrics: metrics.flatMap { try? JSONParser.parse($0) })
  }
}
