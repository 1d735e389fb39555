import Basics
import Foundation
import Store
import Testing

@Suite struct `An object` {
  private func store(_ fold: Fold) throws -> (Ledger, ObjectStore) {
    let ledger = try Ledger(CacheFolder(fold.path.appending(".fettle")))
    return (ledger, ledger.objects)
  }

  private func publish(_ fold: Fold, _ name: FilePath, _ ledger: Ledger) throws -> Digest {
    let publication = try ledger.objects.publish(fold.path.appending(name))
    try ledger.objects.record(publication)
    return publication.content.digest
  }

  @Test func `lies read-only at its digest, the same content once`() throws {
    let fold = try Fold()
    let (ledger, objects) = try store(fold)
    try fold.write("a", "text")
    try fold.write("b", "text")
    let digest = try publish(fold, "a", ledger)
    #expect(digest == Digest(of: "text"))
    #expect(try publish(fold, "b", ledger) == digest)
    #expect(!Files.exists(fold.path.appending("a")) && !Files.exists(fold.path.appending("b")))
    let path = objects.path(digest)
    #expect(path.display.hasSuffix("objects/\(digest.hex.prefix(2))/\(digest.hex.dropFirst(2))"))
    #expect(try objects.check(digest) == .sound)
    #expect(try Files.read(path) == Array("text".utf8))
    var info = stat()
    _ = unsafe stat(path.display, &info)
    #expect(info.st_mode & 0o777 == 0o444)
  }

  @Test func `is unknown before it is recorded, and unrecorded leftovers are replaced`() throws {
    let fold = try Fold()
    let (ledger, objects) = try store(fold)
    try fold.write("a", "text")
    let publication = try objects.publish(fold.path.appending("a"))
    #expect(try objects.check(publication.content.digest) == .missing)
    // A crash right here: the file is there, damaged, and nobody knows it.
    try Files.removeTree(publication.path)
    try Files.writeAtomically(Array("tex".utf8), to: publication.path)
    try fold.write("again", "text")
    let digest = try publish(fold, "again", ledger)
    #expect(try objects.check(digest, thorough: true) == .sound)
    #expect(try Files.read(objects.path(digest)) == Array("text".utf8))
  }

  @Test func `a large one that was altered is noticed, thoroughly even with equal status`() throws {
    let fold = try Fold()
    let (ledger, objects) = try store(fold)
    try fold.write("a", String(repeating: "x", count: 100_000))
    let digest = try publish(fold, "a", ledger)
    let path = objects.path(digest)
    try Files.removeTree(path)
    try Files.writeAtomically(Array(String(repeating: "y", count: 100_000).utf8), to: path)
    guard case .altered = try objects.check(digest) else {
      Issue.record("not noticed")
      return
    }
    #expect(try objects.verifyAll().map(\.digest) == [digest])
    try Files.removeTree(path)
    #expect(try objects.check(digest) == .missing)
  }

  @Test func `keeps nothing that outside names lead to`() throws {
    let fold = try Fold()
    let (ledger, objects) = try store(fold)
    try fold.write("mine", String(repeating: "m", count: 100_000))
    try Files.makeFolder(fold.path.appending("out"))
    let manager = FileManager.default
    try manager.linkItem(
      atPath: fold.path.appending("mine").display, toPath: fold.path.appending("out/hard").display)
    try manager.createSymbolicLink(
      atPath: fold.path.appending("out/soft").display, withDestinationPath: fold.path.appending("mine").display)
    let digest = try publish(fold, "out", ledger)
    var info = stat()
    _ = unsafe stat(fold.path.appending("mine").display, &info)
    #expect(info.st_mode & 0o200 != 0 && info.st_nlink == 1)
    try fold.write("mine", "other")
    #expect(try objects.check(digest, thorough: true) == .sound)
  }

  @Test func `a copied cache is as good as the original`() throws {
    let fold = try Fold()
    let (ledger, _) = try store(fold)
    try fold.write("a", String(repeating: "x", count: 100_000))
    let digest = try publish(fold, "a", ledger)
    try ledger.database.run("PRAGMA wal_checkpoint(TRUNCATE)")
    try FileManager.default.copyItem(
      atPath: fold.path.appending(".fettle").display, toPath: fold.path.appending("copy").display)
    let copy = try Ledger(CacheFolder(fold.path.appending("copy")))
    #expect(try copy.objects.check(digest) == .sound)
  }

  @Test func `a lock has one holder, who is told`() throws {
    let fold = try Fold()
    let path = fold.path.appending("lock")
    var lock = try RunLock.take(path, command: "fettle run a.yaml")
    #expect(lock != nil)
    #expect(try RunLock.take(path, command: "other") == nil)
    let holder = try #require(RunLock.holder(path))
    #expect(holder.pid == Int(getpid()) && holder.command == "fettle run a.yaml")
    #expect(holder.description.hasSuffix("since \(RunLock.clock(holder.since))"))
    lock = nil
    #expect(try RunLock.take(path, command: "other") != nil)
  }
}
