import Basics

/// Reads every stored object, makes good what can be, and forgets the rest, so that the next run makes it again.
package struct StoreCheck {
  /// Something that was not as recorded.
  package struct Finding: Sendable {
    package let digest: Digest
    /// What was wrong.
    package let fault: String
    /// Whether the database held its bytes still.
    package let isRestored: Bool
    /// The cells whose result it was, as "pipeline: cell".
    package let producers: [String]
  }

  package struct Report: Sendable {
    package var objects = 0
    package var bytes = 0
    package var findings: [Finding] = []
    /// Files in the store that no record knows.
    package var strangers: [FilePath] = []
    /// What SQLite's own check of the database says against it.
    package var database: [String] = []

    package var isSound: Bool { findings.isEmpty && database.isEmpty }
  }

  private let ledger: Ledger

  package init(_ ledger: Ledger) { self.ledger = ledger }

  /// Checks all; the caller holds the project's lock. `repairs` is false for a look that changes nothing.
  package func run(
    repairs: Bool = true, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws(StoreError) -> Report {
    var report = Report()
    report.database = try databaseFaults()
    let known = try ledger.objects.known()
    for (index, digest) in known.enumerated() {
      progress(index, known.count)
      let size = try ledger.objects.size(digest)?.bytes ?? 0
      let before = ledger.objects.restored.count
      let state = try ledger.objects.check(digest, thorough: true)
      report.objects += 1
      report.bytes += size
      if let made = ledger.objects.restored.dropFirst(before).first {
        report.findings.append(try finding(digest, made.state, isRestored: true))
      } else if state != .sound {
        report.findings.append(try finding(digest, state, isRestored: false))
        if repairs { try ledger.objects.forget(digest) }
      }
    }
    let recorded = Set(known)
    for (digest, path) in try Rebuilding.objects(below: ledger.folder.path) where !recorded.contains(digest) {
      report.strangers.append(path)
    }
    if repairs { try mendReceipts() }
    return report
  }

  private func finding(
    _ digest: Digest, _ state: ObjectStore.State, isRestored: Bool
  ) throws(StoreError) -> Finding {
    var producers: [String] = []
    let sql = """
      SELECT DISTINCT a.pipeline, a.cell FROM outputs o JOIN attempts a ON a.id = o.attempt
      WHERE o.digest = ? AND a.status = 'done' ORDER BY a.id
      """
    for row in try ledger.database.rows(sql, SQLValue(digest)) {
      producers.append("\(try row.text(0)): \(try row.text(1))")
    }
    let fault =
      switch state {
      case .altered(let detail): detail
      case .missing: "\(ledger.objects.path(digest).display) is gone"
      case .sound: "sound"
      }
    return Finding(digest: digest, fault: fault, isRestored: isRestored, producers: producers)
  }

  private func databaseFaults() throws(StoreError) -> [String] {
    var faults: [String] = []
    for row in try ledger.database.rows("PRAGMA integrity_check(20)") {
      let text = try row.text(0)
      if text != "ok" { faults.append(text) }
    }
    for row in try ledger.database.rows("PRAGMA foreign_key_check") {
      if faults.count < 40 { faults.append("a row of \(try row.text(0)) refers to what is not there") }
    }
    return faults
  }

  /// Writes the receipts that are missing or wrong.
  private func mendReceipts() throws(StoreError) {
    for id in try ledger.successes() {
      guard let receipt = try ledger.receipt(of: id) else { continue }
      let place = ledger.folder.path.appending(ResultReceipt.place(receipt.fingerprint.digest))
      if (try? ResultReceipt.read(place, of: receipt.fingerprint.digest)) == nil {
        try receipt.write(to: ledger.folder)
      }
    }
  }
}

extension Ledger {
  /// Moves a damaged database out of the way; gives where it lies now. The next opening fills a new one.
  package static func setAside(_ folder: CacheFolder) throws(StoreError) -> FilePath {
    try storing { () throws(FileError) in
      var number = 1
      var place = folder.path.appending("cache.db.damaged")
      while Files.exists(place) {
        number += 1
        place = folder.path.appending("cache.db.damaged-\(number)")
      }
      try Files.rename(folder.database, to: place)
      for ending in ["-wal", "-shm"] {
        let beside = FilePath(bytes: folder.database.bytes + Array(ending.utf8))
        if Files.exists(beside) { try Files.rename(beside, to: FilePath(bytes: place.bytes + Array(ending.utf8))) }
      }
      return place
    }
  }
}
