import Basics
import Foundation
import Store
import Testing

@Suite struct `A shared cache` {
  private let results = [(cell: "a", text: CacheBench.large("a")), (cell: "b", text: "small")]

  private func shared() throws -> (Fold, CacheBench) {
    let fold = try Fold()
    let bench = try CacheBench()
    try bench.run(results)
    let outcome = try SharedCache(bench.ledger, folder: fold.path).push()
    #expect(outcome.results == 2 && outcome.objects == 2 && outcome.faults.isEmpty)
    return (fold, bench)
  }

  private func pull(_ folder: FilePath, into bench: CacheBench) throws -> SharedCache.Outcome {
    let cache = SharedCache(bench.ledger, folder: folder)
    var outcome = SharedCache.Outcome()
    try cache.pull(try cache.wanted(&outcome), from: folder.display, &outcome)
    return outcome
  }

  @Test func `gives another project what it holds, once`() throws {
    let (fold, bench) = try shared()
    #expect(try SharedCache(bench.ledger, folder: fold.path).push().known == 2)
    let other = try CacheBench()
    let outcome = try pull(fold.path, into: other)
    #expect(outcome.results == 2 && outcome.objects == 2 && outcome.faults.isEmpty)
    for result in results {
      #expect(try other.isKnown(result.text))
      #expect(try other.ledger.result(CacheBench.fingerprint(result.text).digest) != nil)
    }
    #expect(try other.ledger.newestRun() == nil)
    #expect(try pull(fold.path, into: other).known == 2)
    #expect(try StoreCheck(other.ledger).run().isSound)
  }

  private func object(_ fold: Fold) -> FilePath {
    fold.path.appending(ResultReceipt.objectPlace(Digest(of: results[0].text)))
  }

  @Test func `with a flipped byte gives all but that, and names it`() throws {
    let (fold, bench) = try shared()
    try overwrite(object(fold), "b" + results[0].text.dropFirst())
    let other = try CacheBench()
    let outcome = try pull(fold.path, into: other)
    #expect(outcome.results == 1 && outcome.faults.count == 1)
    #expect(outcome.faults[0].what.contains("digest"))
    #expect(try !other.isKnown(results[0].text) && other.isKnown("small"))
    #expect(try Files.list(other.folder.work).isEmpty)
    #expect(try SharedCache(bench.ledger, folder: fold.path).push(thorough: true).objects == 1)
    #expect(try pull(fold.path, into: other).results == 1)
  }

  @Test func `whose object is a link, a pipe or too large is not followed`() throws {
    let (fold, _) = try shared()
    let place = object(fold)
    let secret = fold.path.appending("secret")
    try Files.writeAtomically(Array(results[0].text.utf8), to: secret)
    try Files.removeTree(place)
    try FileManager.default.createSymbolicLink(atPath: place.display, withDestinationPath: secret.display)
    #expect(try pull(fold.path, into: try CacheBench()).faults.first?.what.contains("neither a file") == true)
    try Files.removeTree(place)
    try Files.makeFolder(place)
    _ = unsafe mkfifo(place.appending("pipe").display, 0o600)
    #expect(try pull(fold.path, into: try CacheBench()).faults.count == 1)
    try overwrite(place, results[0].text + "x")
    #expect(try pull(fold.path, into: try CacheBench()).faults.first?.what.contains("larger") == true)
  }

  @Test func `never writes outside the project's cache, whatever its receipts say`() throws {
    let (fold, _) = try shared()
    let fingerprint = CacheBench.fingerprint("small")
    let receipt = fold.path.appending(ResultReceipt.place(fingerprint.digest))
    let text = String(decoding: try Files.read(receipt), as: UTF8.self)
    let digest = Digest(of: "small").hex
    for evil in ["../../../../evil", String(repeating: "../", count: 22)] {
      try overwrite(receipt, text.replacing(digest, with: evil))
      let other = try CacheBench()
      let outcome = try pull(fold.path, into: other)
      #expect(outcome.results == 1 && outcome.faults.count == 1)
      #expect(try Files.list(other.fold.path).map(\.name) == [".fettle"])
    }
  }

  @Test func `is not given an object that is damaged here`() throws {
    let fold = try Fold()
    let bench = try CacheBench()
    try bench.run(results)
    try overwrite(bench.path(results[0].text), "b" + results[0].text.dropFirst())
    let outcome = try SharedCache(bench.ledger, folder: fold.path).push()
    #expect(outcome.results == 1 && outcome.faults.count == 1)
    #expect(!Files.exists(object(fold)))
  }

  @Test func `on another machine is told from a folder by its colon`() throws {
    #expect(try RemoteCache("/a/b:c") == nil)
    #expect(try RemoteCache("folder") == nil)
    let remote = try #require(try RemoteCache("me@host:/srv/cache"))
    #expect(remote.host == "me@host" && remote.path == "/srv/cache")
    #expect(throws: StoreError.self) { _ = try RemoteCache("-oProxyCommand=x:/y") }
    #expect(throws: StoreError.self) { _ = try RemoteCache("host:") }
  }
}
