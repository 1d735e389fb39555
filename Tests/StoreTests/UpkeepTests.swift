import Basics
import Foundation
import Store
import Testing

@Suite struct `Upkeep of the store` {
  @Test func `finds a flipped byte and a lost object, and forgets only these`() throws {
    let bench = try CacheBench()
    let (a, b, c) = (CacheBench.large("a"), CacheBench.large("b"), CacheBench.large("c"))
    try bench.run([(cell: "a", text: a), (cell: "b", text: b), (cell: "c", text: c)])
    #expect(try StoreCheck(bench.ledger).run().isSound)
    try overwrite(bench.path(a), "b" + a.dropFirst())
    try Files.removeTree(bench.path(b))
    let report = try StoreCheck(bench.ledger).run()
    #expect(report.objects == 3)
    #expect(Set(report.findings.map(\.producers)) == [["p: a"], ["p: b"]])
    #expect(report.findings.allSatisfy { !$0.isRestored })
    #expect(try !bench.isKnown(a) && !bench.isKnown(b) && bench.isKnown(c))
    #expect(!Files.exists(bench.path(a)))
    #expect(try StoreCheck(bench.ledger).run().isSound)
  }

  @Test func `restores small objects from the database and says so`() throws {
    let bench = try CacheBench()
    try bench.run([(cell: "a", text: "small")])
    try overwrite(bench.path("small"), "smalL")
    let report = try StoreCheck(bench.ledger).run()
    #expect(report.findings.map(\.isRestored) == [true])
    #expect(try Files.read(bench.path("small")) == Array("small".utf8))
  }

  @Test func `a small object is made good through a database open for reading`() throws {
    let bench = try CacheBench()
    try bench.run([(cell: "a", text: "small")])
    try overwrite(bench.path("small"), "smalL")
    let reading = try #require(try Ledger(reading: bench.folder))
    #expect(try reading.objects.check(Digest(of: "small")) == .sound)
    #expect(reading.objects.restored.count == 1)
  }

  @Test func `collects nothing that the newest results or a named run need`() throws {
    let bench = try CacheBench()
    let texts = ["1", "2", "3", "4"].map(CacheBench.large)
    let named = try bench.run([(cell: "a", text: texts[0])], started: 100)
    try bench.run([(cell: "a", text: texts[1])], started: 200)
    try bench.run([(cell: "a", text: texts[2])], started: 300)
    try bench.run([(cell: "z", text: texts[3])], pipeline: "other", started: 100)
    try bench.ledger.name(named, "baseline")
    let all = GarbageCollection(bench.ledger, .init(before: 1000))
    let survey = try all.survey()
    #expect(survey.items.filter { $0.kind == .object }.map(\.path) == [bench.path(texts[1])])
    #expect(try bench.isKnown(texts[1]))
    try all.remove(survey)
    #expect(!Files.exists(bench.path(texts[1])))
    #expect(try bench.isKnown(texts[0]) && bench.isKnown(texts[2]) && bench.isKnown(texts[3]))
    try bench.ledger.name(named, nil)
    #expect(try all.survey().items.filter { $0.kind == .object }.map(\.path) == [bench.path(texts[0])])
  }

  @Test func `a cell that the newest run did not reach keeps its newest result`() throws {
    let bench = try CacheBench()
    let (a, b) = (CacheBench.large("a"), CacheBench.large("b"))
    try bench.run([(cell: "a", text: a), (cell: "b", text: b)], started: 100)
    // Only a was asked for.
    let run = try bench.run([(cell: "a", text: a)], started: 200)
    try bench.ledger.database.run(
      "INSERT INTO run_cells VALUES (?, 1, 'b', 'b', 'command', 'pending', NULL, NULL, NULL, NULL, NULL)", SQLValue(run)
    )
    #expect(try GarbageCollection(bench.ledger, .init(before: 1000)).survey().items.isEmpty)
  }

  @Test func `by size, the least recently used goes first, and no more than needed`() throws {
    let bench = try CacheBench()
    let texts = ["1", "2", "3", "4"].map(CacheBench.large)
    for (place, text) in texts.enumerated() { try bench.run([(cell: "a", text: text)], started: Double(place)) }
    let survey = try GarbageCollection(bench.ledger, .init(maximumSize: 250_000)).survey()
    #expect(survey.items.map(\.path) == [bench.path(texts[0]), bench.path(texts[1])])
    #expect(survey.total == 400_000 && survey.kept == 200_000)
    #expect(try GarbageCollection(bench.ledger, .init()).survey().items.isEmpty)
  }

  @Test func `an object shared with a result that stays, stays`() throws {
    let bench = try CacheBench()
    let text = CacheBench.large("x")
    try bench.run([(cell: "a", text: text)], pipeline: "old", started: 1)
    try bench.run([(cell: "b", text: CacheBench.large("y"))], pipeline: "old", started: 2)
    try bench.run([(cell: "a", text: text)], started: 3)
    let found = try GarbageCollection(bench.ledger, .init(before: 1000)).survey().items
    #expect(found.filter { $0.kind == .object }.isEmpty)
  }

  @Test func `strays, finished checkpoints and leftovers are unreachable; unfinished checkpoints are not`() throws {
    let bench = try CacheBench()
    try bench.run([(cell: "a", text: "a")])
    let stray = ResultReceipt.objectPlace(Digest(of: "unknown"))
    try bench.fold.write(FilePath(".fettle").appending(stray), "unknown")
    let done = CacheBench.fingerprint("a").digest.hex
    try bench.fold.write(FilePath(".fettle/checkpoints/\(done)/x"), "x")
    let unfinished = CacheBench.fingerprint("b")
    let run = try bench.ledger.beginRun(pipeline: "q", file: nil, command: "", cells: [])
    let attempt = try bench.ledger.beginAttempt(run: run, pipeline: "q", cell: "b", fingerprint: unfinished, number: 1)
    try bench.ledger.finish(attempt, Ledger.Ending(.interrupted))
    try bench.fold.write(FilePath(".fettle/checkpoints/\(unfinished.digest.hex)/x"), "x")
    try bench.fold.write(bench.folder.work.appending("7/out/x"), "x")
    let collection = GarbageCollection(bench.ledger, .init())
    let survey = try collection.survey()
    #expect(Set(survey.items.map(\.kind)) == [.stray, .checkpoint, .leftover])
    try collection.remove(survey)
    #expect(Files.exists(bench.folder.checkpoints.appending(unfinished.digest.hex)))
    #expect(!Files.exists(bench.folder.checkpoints.appending(done)))
    #expect(try collection.survey().items.isEmpty)
  }
}
