import Basics
import Foundation
import Store
import Testing

@Suite struct `A cache of an older version` {
  /// A database as every older version wrote it, with a run, an attempt, a result and an object in it.
  private func older(_ steps: Int) throws -> Fold {
    let fold = try Fold()
    let folder = CacheFolder(fold.path.appending(".fettle"))
    try folder.make()
    let database = try Database(folder.database)
    try database.migrate(Array(CacheSchema.migrations.prefix(steps)))
    let fingerprint = CacheBench.fingerprint("x")
    try database.run("INSERT INTO runs (pipeline, command, pid, started) VALUES ('p', 'fettle run', 1, 5.0)")
    try database.run("INSERT INTO fingerprints VALUES (?, 'command')", SQLValue(fingerprint.digest))
    try database.run(
      "INSERT INTO fingerprint_parts VALUES (?, 0, 'with.run', 'x')", SQLValue(fingerprint.digest))
    try database.run(
      """
      INSERT INTO attempts (run, pipeline, cell, fingerprint, number, status, started, finished)
      VALUES (1, 'p', 'a', ?, 1, 'done', 5.0, 6.0)
      """, SQLValue(fingerprint.digest))
    try database.run(
      "INSERT INTO run_cells VALUES (1, 0, 'a', 'a', 'command', 'done', NULL, 1.0, ?, 1, NULL)",
      SQLValue(fingerprint.digest))
    try database.run("INSERT INTO objects VALUES (?, 0, 1, CAST('x' AS BLOB))", SQLValue(Digest(of: "x")))
    try database.run("INSERT INTO outputs VALUES (1, 0, 'out', 'files', ?)", SQLValue(Digest(of: "x")))
    return fold
  }

  private func check(_ ledger: Ledger) throws {
    #expect(try ledger.database.isCurrent(CacheSchema.migrations))
    let run = try #require(try ledger.newestRun())
    #expect(run.pipeline == "p" && run.name == nil)
    #expect(try ledger.cells(of: run.id).map(\.cell) == ["a"])
    let result = try #require(try ledger.result(CacheBench.fingerprint("x").digest))
    #expect(result.outputs.map(\.digest) == [Digest(of: "x")])
    #expect(try ledger.objects.check(Digest(of: "x")) == .sound)
    try ledger.name(run.id, "first")
    #expect(try ledger.run(named: "first")?.id == run.id)
  }

  @Test(arguments: 1...CacheSchema.migrations.count)
  func `is brought up to date with all it knows`(_ steps: Int) throws {
    let fold = try older(steps)
    try check(try Ledger(CacheFolder(fold.path.appending(".fettle"))))
  }

  @Test(arguments: 1...CacheSchema.migrations.count)
  func `is brought up to date by commands that only read`(_ steps: Int) throws {
    let fold = try older(steps)
    let reading = try #require(try Ledger(reading: CacheFolder(fold.path.appending(".fettle"))))
    #expect(try reading.newestRun()?.pipeline == "p")
    try check(try Ledger(reading.folder))
  }
}

@Suite struct `A lost database` {
  @Test func `is rebuilt from receipts and objects, as far as these are whole`() throws {
    let bench = try CacheBench()
    let (a, b, c) = (CacheBench.large("a"), CacheBench.large("b"), "small")
    try bench.run([(cell: "a", text: a), (cell: "b", text: b), (cell: "c", text: c)])
    bench.ledger.database.close()
    try overwrite(bench.path(b), "x" + b.dropFirst())
    #expect(try Ledger.setAside(bench.folder).name == "cache.db.damaged")
    let ledger = try Ledger(bench.folder)
    #expect(ledger.rebuilt == Rebuilding.Outcome(results: 2, lost: 1))
    for text in [a, c] {
      let result = try #require(try ledger.result(CacheBench.fingerprint(text).digest))
      #expect(result.outputs.map(\.digest) == [Digest(of: text)])
      #expect(try ledger.attempt(result.attempt)?.metrics?["size"]?.int == text.utf8.count)
    }
    #expect(try ledger.result(CacheBench.fingerprint(b).digest) == nil)
    #expect(try ledger.newestRun() == nil)
  }

  @Test(arguments: ["not json", "{}", "{\"receipt\":1}"])
  func `takes no receipt that is not one`(_ text: String) throws {
    let bench = try CacheBench()
    try bench.run([(cell: "a", text: "a")])
    bench.ledger.database.close()
    _ = try Ledger.setAside(bench.folder)
    let place = bench.folder.path.appending(ResultReceipt.place(CacheBench.fingerprint("a").digest))
    try overwrite(place, text)
    #expect(try Ledger(bench.folder).rebuilt == Rebuilding.Outcome(results: 0, lost: 1))
  }

  @Test func `takes no receipt under another fingerprint`() throws {
    let bench = try CacheBench()
    try bench.run([(cell: "a", text: "a")])
    bench.ledger.database.close()
    _ = try Ledger.setAside(bench.folder)
    let place = bench.folder.path.appending(ResultReceipt.place(CacheBench.fingerprint("a").digest))
    let other = bench.folder.path.appending(ResultReceipt.place(CacheBench.fingerprint("b").digest))
    try Files.makeFolder(other.parent)
    try Files.rename(place, to: other)
    #expect(try Ledger(bench.folder).rebuilt == Rebuilding.Outcome(results: 0, lost: 1))
  }
}
