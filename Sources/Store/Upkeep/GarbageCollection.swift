import Basics

/// Finds what the cache holds without need, and removes it.
///
/// Never collected: the results that named runs used, the newest result of each cell that a pipeline's newest run has,
/// and the checkpoints of an unfinished attempt, unless it is older than the criteria allow.
package struct GarbageCollection {
  package struct Criteria: Sendable {
    /// Results last used before this moment, in seconds since 1970.
    package var before: Double?
    /// Bytes that the stored objects may take at most; the least recently used results go first.
    package var maximumSize: Int?

    package init(before: Double? = nil, maximumSize: Int? = nil) {
      self.before = before
      self.maximumSize = maximumSize
    }
  }

  /// One thing to remove.
  package struct Item: Sendable {
    package enum Kind: String, Sendable { case object, stray, checkpoint, log, receipt, leftover }
    package let kind: Kind
    package let path: FilePath
    package let bytes: Int
    /// "the result of small: base, last used 2025-01-31 12:00:05".
    package let reason: String
    let digest: Digest?
  }

  package struct Survey: Sendable {
    package var items: [Item] = []
    /// Bytes of all stored objects, and of those that stay.
    package var total = 0
    package var kept = 0

    package var bytes: Int { items.reduce(0) { $0 + $1.bytes } }
  }

  private struct Result {
    let attempt: Int
    let name: String
    let fingerprint: Digest
    var lastUsed: Double
    let outputs: [Digest]
  }

  private let ledger: Ledger
  private let criteria: Criteria

  package init(_ ledger: Ledger, _ criteria: Criteria) {
    self.ledger = ledger
    self.criteria = criteria
  }

  /// What would be removed.
  package func survey() throws(StoreError) -> Survey {
    var survey = Survey()
    var sizes: [Digest: Int] = [:]
    for digest in try ledger.objects.known() { sizes[digest] = try ledger.objects.size(digest)?.bytes ?? 0 }
    survey.total = sizes.values.reduce(0, +)
    let results = try results()
    let protected = try protectedAttempts()
    let (kept, dropped) = try choose(results, protected, sizes)
    let needed = Set(kept.flatMap(\.outputs))
    var seen = needed
    for result in dropped {
      for digest in result.outputs where seen.insert(digest).inserted {
        guard let size = sizes[digest] else { continue }
        let moment = RunLock.clock(Int(result.lastUsed))
        survey.items.append(
          Item(
            kind: .object, path: ledger.objects.path(digest), bytes: size,
            reason: "the result of \(result.name), last used \(moment)", digest: digest))
      }
    }
    for (digest, size) in sizes.sorted(by: { $0.key.hex < $1.key.hex }) where !seen.contains(digest) {
      survey.items.append(
        Item(
          kind: .object, path: ledger.objects.path(digest), bytes: size, reason: "no result refers to it",
          digest: digest))
    }
    survey.kept = survey.total - survey.bytes
    survey.items += try strays(known: Set(sizes.keys))
    survey.items += try checkpoints()
    survey.items += try leftovers()
    survey.items += try logs(protected)
    return survey
  }

  /// Removes what a survey found: first from the record, then from the disk. The caller holds the project's lock.
  package func remove(_ survey: Survey) throws(StoreError) {
    try ledger.database.transaction { () throws(StoreError) in
      for item in survey.items {
        guard let digest = item.digest else { continue }
        try ledger.database.run("DELETE FROM objects WHERE digest = ?", SQLValue(digest))
      }
    }
    CommitPoint.reached("collection.recorded")
    for item in survey.items {
      try storing { () throws(FileError) in try Files.removeTree(item.path) }
      CommitPoint.reached("collection.removed")
    }
    try staleReceipts()
  }

  // MARK: - Results

  private func results() throws(StoreError) -> [Result] {
    var used: [Int: Double] = [:]
    let uses = """
      SELECT c.attempt, MAX(r.started) FROM run_cells c JOIN runs r ON r.id = c.run
      WHERE c.attempt IS NOT NULL GROUP BY c.attempt
      """
    for row in try ledger.database.rows(uses) { used[try row.int(0)] = try row.double(1) }
    var outputs: [Int: [Digest]] = [:]
    for row in try ledger.database.rows("SELECT attempt, digest FROM outputs") {
      outputs[try row.int(0), default: []].append(try row.digest(1))
    }
    var results: [Result] = []
    let sql = """
      SELECT id, pipeline, cell, fingerprint, COALESCE(finished, started) FROM attempts WHERE status = 'done' ORDER BY id
      """
    for row in try ledger.database.rows(sql) {
      let id = try row.int(0)
      results.append(
        Result(
          attempt: id, name: "\(try row.text(1)): \(try row.text(2))", fingerprint: try row.digest(3),
          lastUsed: max(try row.double(4), used[id] ?? 0), outputs: outputs[id] ?? []))
    }
    return results
  }

  /// The attempts whose results must stay.
  private func protectedAttempts() throws(StoreError) -> Set<Int> {
    var attempts: Set<Int> = []
    let named = """
      SELECT c.attempt FROM run_cells c JOIN runs r ON r.id = c.run WHERE r.name IS NOT NULL AND c.attempt IS NOT NULL
      """
    for row in try ledger.database.rows(named) { attempts.insert(try row.int(0)) }
    let newest = "SELECT MAX(id), pipeline FROM runs WHERE origin IS NULL GROUP BY pipeline"
    let uses = """
      SELECT c.cell, c.attempt FROM run_cells c JOIN runs r ON r.id = c.run JOIN attempts a ON a.id = c.attempt
      WHERE r.pipeline = ? AND a.status = 'done' ORDER BY c.run
      """
    for row in try ledger.database.rows(newest) {
      var results: [[UInt8]: Int] = [:]
      for use in try ledger.database.rows(uses, .text(try row.text(1))) {
        results[Array(try use.text(0).utf8)] = try use.int(1)
      }
      for cell in try ledger.cells(of: try row.int(0)) {
        if let attempt = results[Array(cell.cell.utf8)] { attempts.insert(attempt) }
      }
    }
    return attempts
  }

  private func choose(
    _ results: [Result], _ protected: Set<Int>, _ sizes: [Digest: Int]
  ) throws(StoreError) -> (kept: [Result], dropped: [Result]) {
    var kept = results
    var dropped: [Result] = []
    if let before = criteria.before {
      dropped = kept.filter { !protected.contains($0.attempt) && $0.lastUsed < before }
      kept.removeAll { !protected.contains($0.attempt) && $0.lastUsed < before }
    }
    guard let most = criteria.maximumSize else { return (kept, dropped) }
    var uses: [Digest: Int] = [:]
    for digest in kept.flatMap(\.outputs) { uses[digest, default: 0] += 1 }
    var size = uses.keys.reduce(0) { $0 + (sizes[$1] ?? 0) }
    let candidates = kept.filter { !protected.contains($0.attempt) }.sorted { $0.lastUsed < $1.lastUsed }
    var gone: Set<Int> = []
    for result in candidates where size > most {
      gone.insert(result.attempt)
      dropped.append(result)
      for digest in result.outputs {
        uses[digest, default: 1] -= 1
        if uses[digest] == 0 { size -= sizes[digest] ?? 0 }
      }
    }
    kept.removeAll { gone.contains($0.attempt) }
    return (kept, dropped)
  }

  // MARK: - Files

  private func strays(known: Set<Digest>) throws(StoreError) -> [Item] {
    var items: [Item] = []
    for (digest, path) in try Rebuilding.objects(below: ledger.folder.path) where !known.contains(digest) {
      items.append(
        Item(kind: .stray, path: path, bytes: try size(path), reason: "the database does not know it", digest: nil))
    }
    return items
  }

  /// Checkpoints of fingerprints that have a result, or that no attempt ever had.
  private func checkpoints() throws(StoreError) -> [Item] {
    var items: [Item] = []
    for name in try list(ledger.folder.checkpoints) {
      let path = ledger.folder.checkpoints.appending(name)
      guard let digest = Digest(hex: name.display) else { continue }
      let sql =
        "SELECT status, COALESCE(finished, started) FROM attempts WHERE fingerprint = ? ORDER BY id DESC LIMIT 1"
      let last = try ledger.database.first(sql, SQLValue(digest))
      if let last {
        let (status, ended) = (try last.text(0), try last.double(1))
        let isOld = criteria.before.map { ended < $0 } ?? false
        guard status == "done" || (isOld && status != "running") else { continue }
      }
      items.append(
        Item(
          kind: .checkpoint, path: path, bytes: try size(path),
          reason: last == nil ? "no attempt goes on from it" : "its attempt is over", digest: nil))
    }
    return items
  }

  /// What killed runs left in the work folder; nothing while an attempt runs.
  private func leftovers() throws(StoreError) -> [Item] {
    guard try ledger.unfinishedAttempts().isEmpty else { return [] }
    var items: [Item] = []
    for name in try list(ledger.folder.work) {
      let path = ledger.folder.work.appending(name)
      items.append(
        Item(kind: .leftover, path: path, bytes: try size(path), reason: "a killed run left it", digest: nil))
    }
    return items
  }

  /// Logs of runs that are older than the criteria allow, unless a result that must stay was made there.
  private func logs(_ protected: Set<Int>) throws(StoreError) -> [Item] {
    guard let before = criteria.before else { return [] }
    var keeping: Set<Int> = []
    for id in protected { if let run = try ledger.attempt(id)?.run { keeping.insert(run) } }
    var items: [Item] = []
    for name in try list(ledger.folder.logs) {
      guard let number = Int(name.display), !keeping.contains(number) else { continue }
      if let run = try ledger.run(number), run.name != nil || (run.finished ?? run.started) >= before { continue }
      let path = ledger.folder.logs.appending(name)
      items.append(
        Item(kind: .log, path: path, bytes: try size(path), reason: "logs of run \(number)", digest: nil))
    }
    return items
  }

  /// Removes receipts that lead to no result any more.
  private func staleReceipts() throws(StoreError) {
    for (fingerprint, path) in try Rebuilding.receipts(below: ledger.folder.path) {
      if let result = try ledger.result(fingerprint), try ledger.receipt(of: result.attempt) != nil { continue }
      try storing { () throws(FileError) in try Files.remove(path) }
    }
  }

  private func list(_ folder: FilePath) throws(StoreError) -> [FilePath] {
    guard Files.exists(folder) else { return [] }
    return try storing { () throws(FileError) in try Files.list(folder) }
  }

  /// Bytes of all files below a path, links not followed.
  private func size(_ path: FilePath) throws(StoreError) -> Int {
    try storing { () throws(FileError) in try GarbageCollection.size(path) }
  }

  private static func size(_ path: FilePath) throws(FileError) -> Int {
    guard let status = try Files.status(path, followLinks: false) else { return 0 }
    guard status.isFolder else { return status.size }
    var total = 0
    for name in try Files.list(path) { total += try size(path.appending(name)) }
    return total
  }
}
