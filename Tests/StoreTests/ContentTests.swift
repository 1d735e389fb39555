import Basics
import Foundation
import Store
import Testing

@Suite struct `A content` {
  @Test func `does not depend on its place, its times or its permissions`() throws {
    let fold = try Fold()
    for place in ["a", "deeper/b"] {
      try fold.write(FilePath("\(place)/x.txt"), "x")
      try fold.write(FilePath("\(place)/sub/y.txt"), "y")
    }
    _ = unsafe chmod(fold.path.appending("a/x.txt").display, 0o400)
    let a = try Content.read(fold.path.appending("a"))
    let b = try Content.read(fold.path.appending("deeper/b"))
    #expect(a.digest == b.digest)
    #expect(a.isFolder && a.size == 2 && a.entries.count == 3)
    try fold.write("deeper/b/sub/z", "")
    #expect(try Content.read(fold.path.appending("deeper/b")).digest != a.digest)
  }

  @Test func `tells names apart by bytes`() throws {
    let fold = try Fold()
    let names: [FilePath] = ["\u{E9}", "e\u{301}", FilePath(bytes: [0xFF, 0x20]), "$(x) '\""]
    for name in names { try fold.write(FilePath("d").appending(name), name.display) }
    let content = try Content.read(fold.path.appending("d"))
    #expect(Set(content.entries.map(\.path)) == Set(names))
  }

  @Test func `links count as what they lead to; loops and loose ends are errors`() throws {
    let fold = try Fold()
    try fold.write("a/x", "x")
    try fold.write("real", "x")
    try Files.makeFolder(fold.path.appending("b"))
    let manager = FileManager.default
    try manager.createSymbolicLink(
      atPath: fold.path.appending("b/x").display, withDestinationPath: "../real")
    #expect(try Content.read(fold.path.appending("a")).digest == Content.read(fold.path.appending("b")).digest)
    try manager.createSymbolicLink(atPath: fold.path.appending("b/up").display, withDestinationPath: "..")
    let loop = #expect(throws: StoreError.self) { _ = try Content.read(fold.path.appending("b")) }
    #expect(loop?.problem.what.contains("leads back") == true)
    try manager.createSymbolicLink(atPath: fold.path.appending("a/loose").display, withDestinationPath: "nowhere")
    let loose = #expect(throws: StoreError.self) { _ = try Content.read(fold.path.appending("a")) }
    #expect(loose?.problem.what.contains("leads nowhere") == true)
    #expect(throws: StoreError.self) { _ = try Content.read(fold.path.appending("absent")) }
  }

  @Test func `a pipe is no content`() throws {
    let fold = try Fold()
    _ = unsafe mkfifo(fold.path.appending("pipe").display, 0o600)
    #expect(throws: StoreError.self) { _ = try Content.read(fold.path.appending("pipe")) }
  }

  @Test func `old files are read once, young ones again`() throws {
    let fold = try Fold()
    try fold.write("young", "x")
    let database = try Ledger(CacheFolder(fold.path.appending(".fettle"))).database
    let cache = FileDigestCache(database, root: fold.path)
    // A file of the system's that is surely older than two seconds.
    let old: FilePath = "/etc/passwd"
    for _ in 0..<3 { _ = try cache.digest(old) }
    #expect(cache.readCount == 1)
    for _ in 0..<3 { _ = try cache.digest(fold.path.appending("young")) }
    #expect(cache.readCount == 4)
    try cache.save()
    let later = FileDigestCache(database, root: fold.path)
    #expect(try later.digest(old).0 == Files.digest(old))
    #expect(later.readCount == 0)
  }
}
