import Basics
import Foundation
import Store

/// A cache of a test's own with results made by hand.
final class CacheBench {
  let fold: Fold
  let folder: CacheFolder
  let ledger: Ledger

  init() throws {
    fold = try Fold()
    folder = CacheFolder(fold.path.appending(".fettle"))
    ledger = try Ledger(folder)
  }

  static func fingerprint(_ name: String) -> FingerprintRecord {
    FingerprintRecord(kind: "command", parts: [FingerprintRecord.Part(name: "with.run", value: name)])
  }

  /// A run whose cells have these results, each one file that holds the text.
  @discardableResult
  func run(_ results: [(cell: String, text: String)], pipeline: String = "p", started: Double? = nil) throws -> Int {
    let records = results.enumerated().map { place, result in
      CellRecord(position: place, cell: result.cell, stage: result.cell, kind: "command")
    }
    let run = try ledger.beginRun(pipeline: pipeline, file: nil, command: "test", cells: records)
    for (record, result) in zip(records, results) {
      var record = record
      record.attempt = try attempt(run, pipeline, result.cell, result.text)
      record.status = .done
      try ledger.update(record, in: run)
      if let started {
        try ledger.database.run(
          "UPDATE attempts SET finished = ? WHERE id = ?", .real(started), SQLValue(record.attempt))
      }
    }
    try ledger.finishRun(run, exitCode: 0)
    if let started {
      try ledger.database.run("UPDATE runs SET started = ?, finished = ?1 WHERE id = ?2", .real(started), SQLValue(run))
    }
    return run
  }

  private func attempt(_ run: Int, _ pipeline: String, _ cell: String, _ text: String) throws -> Int {
    let fingerprint = CacheBench.fingerprint(text)
    if let known = try ledger.result(fingerprint.digest) { return known.attempt }
    let id = try ledger.beginAttempt(run: run, pipeline: pipeline, cell: cell, fingerprint: fingerprint, number: 1)
    try fold.write("fresh", text)
    let publication = try ledger.objects.publish(fold.path.appending("fresh"))
    try ledger.finish(
      id, Ledger.Ending(.done, exitCode: 0, metrics: ["size": JSON(text.utf8.count)]),
      outputs: [(name: "out", kind: "files", publication: publication)])
    return id
  }

  /// Text too large to lie in the database.
  static func large(_ letter: String) -> String { String(repeating: letter, count: 100_000) }

  func path(_ text: String) -> FilePath { ledger.objects.path(Digest(of: text)) }

  func isKnown(_ text: String) throws -> Bool { try ledger.objects.check(Digest(of: text)) == .sound }
}

/// Replaces a read-only file's bytes.
func overwrite(_ path: FilePath, _ text: String) throws {
  try Files.removeTree(path)
  try Files.writeAtomically(Array(text.utf8), to: path)
}
