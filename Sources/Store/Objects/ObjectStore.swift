import Basics
import Foundation

/// Results by the digest of their content, read-only, in `objects/aa/rest`.
///
/// A file under 64 KiB lies in the database too, from which a lost or altered copy is made good. Every object is
/// checked before use: its size, inode and times against those recorded, its digest when any of them differ.
package final class ObjectStore {
  /// What a check of an object found.
  package enum State: Sendable, Equatable {
    case sound
    case missing
    /// What differs, and where.
    case altered(String)
  }

  /// A small object that was made good from the database.
  package struct Restoration: Sendable {
    package let digest: Digest
    /// What was wrong with it.
    package let state: State

    package var words: String {
      switch state {
      case .altered(let detail): "a stored result was altered and is restored from the database: \(detail)"
      default: "a stored result was gone and is restored from the database: \(digest.hex)"
      }
    }
  }

  /// An object whose bytes are in their place and durable, but which the database does not know yet.
  package struct Publication: Sendable {
    package let content: Content
    package let path: FilePath
    /// The bytes of a small file.
    fileprivate let bytes: [UInt8]?
  }

  static let smallLimit = 64 << 10

  package let folder: CacheFolder
  private let database: Database
  /// Small objects that a check found altered and made good, and what was wrong with them.
  package private(set) var restored: [Restoration] = []

  package init(_ folder: CacheFolder, _ database: Database) {
    self.folder = folder
    self.database = database
  }

  /// Where the object of this digest lies.
  package func path(_ digest: Digest) -> FilePath {
    folder.objects.appending(String(digest.hex.prefix(2))).appending(String(digest.hex.dropFirst(2)))
  }

  /// Moves a finished file or folder into the store: makes its bytes durable, reads their digest, renames it.
  ///
  /// Links in it are replaced by what they lead to. Nothing counts before `record`.
  package func publish(_ source: FilePath) throws(StoreError) -> Publication {
    try storing { () throws(FileError) in try Publishing.standAlone(source) }
    try storing { () throws(FileError) in try Publishing.seal(source) }
    CommitPoint.reached("object.durable")
    let content = try Content.read(source)
    let target = path(content.digest)
    let bytes =
      content.isFolder || content.size >= ObjectStore.smallLimit
      ? nil : try storing { () throws(FileError) in try Files.read(source) }
    if try storing({ () throws(FileError) in try Files.status(target, followLinks: false) }) != nil {
      if try check(content.digest, thorough: true) == .sound {
        try storing { () throws(FileError) in try Files.removeTree(source) }
        CommitPoint.reached("object.known")
        return Publication(content: try Content.read(target), path: target, bytes: bytes)
      }
      try discard(target)
    }
    try storing { () throws(FileError) in
      try Files.makeFolder(target.parent)
      try Files.rename(source, to: target)
      CommitPoint.reached("object.renamed")
      try Files.synchroniseFolder(target.parent)
      try Files.synchroniseFolder(folder.objects)
    }
    CommitPoint.reached("object.published")
    return Publication(content: try restat(content, at: target), path: target, bytes: bytes)
  }

  /// Makes a publication known; part of the transaction that records the success.
  package func record(_ publication: Publication) throws(StoreError) {
    let content = publication.content
    try database.run("DELETE FROM objects WHERE digest = ?", SQLValue(content.digest))
    try database.run(
      "INSERT INTO objects (digest, is_folder, size, content) VALUES (?, ?, ?, ?)",
      SQLValue(content.digest), SQLValue(content.isFolder), SQLValue(content.size),
      publication.bytes.map { .blob($0) } ?? .null)
    try write(content.entries, of: content.digest)
  }

  /// Whether an object is whole. `thorough` reads all its bytes; otherwise only those of files that look changed.
  package func check(_ digest: Digest, thorough: Bool = false) throws(StoreError) -> State {
    guard
      let object = try database.first("SELECT is_folder, size FROM objects WHERE digest = ?", SQLValue(digest))
    else { return .missing }
    let isFolder = try object.int(0) == 1
    let state = try state(digest, isFolder: isFolder, thorough: thorough)
    if state == .sound || isFolder { return state }
    guard (try? restore(digest)) == true else { return state }
    restored.append(Restoration(digest: digest, state: state))
    return .sound
  }

  /// Forgets an object and takes what lies in its place away: what made it runs again.
  package func forget(_ digest: Digest) throws(StoreError) {
    try database.run("DELETE FROM objects WHERE digest = ?", SQLValue(digest))
    CommitPoint.reached("object.forgotten")
    try discard(path(digest))
  }

  /// What lies at the digest's place, as something to record, if it is whole; nil else.
  package func found(_ digest: Digest) throws(StoreError) -> Publication? {
    let target = path(digest)
    guard let status = try storing({ () throws(FileError) in try Files.status(target, followLinks: false) }),
      !status.isLink, let content = try? Content.read(target), content.digest == digest
    else { return nil }
    return try publication(content, at: target)
  }

  private func publication(_ content: Content, at place: FilePath) throws(StoreError) -> Publication {
    let isSmall = !content.isFolder && content.size < ObjectStore.smallLimit
    let bytes = isSmall ? try storing { () throws(FileError) in try Files.read(place) } : nil
    return Publication(content: content, path: place, bytes: bytes)
  }

  /// Copies an object to a place of the user's, writable.
  package func copyOut(_ object: FilePath, to place: FilePath) throws(StoreError) {
    try storing { () throws(FileError) in try Publishing.copyTree(object, to: place) }
  }

  /// The digests of all objects known, for a thorough check of the store.
  package func known() throws(StoreError) -> [Digest] {
    var digests: [Digest] = []
    for row in try database.rows("SELECT digest FROM objects ORDER BY digest") { digests.append(try row.digest(0)) }
    return digests
  }

  /// Checks every object byte by byte and gives those that are not sound.
  package func verifyAll() throws(StoreError) -> [(digest: Digest, state: State)] {
    var faults: [(digest: Digest, state: State)] = []
    for digest in try known() {
      let state = try check(digest, thorough: true)
      if state != .sound { faults.append((digest: digest, state: state)) }
    }
    return faults
  }

  /// Bytes and kind of a known object.
  package func size(_ digest: Digest) throws(StoreError) -> (bytes: Int, isFolder: Bool)? {
    guard
      let row = try database.first("SELECT size, is_folder FROM objects WHERE digest = ?", SQLValue(digest))
    else { return nil }
    return (bytes: try row.int(0), isFolder: try row.int(1) == 1)
  }

  // MARK: - Parts

  private func state(_ digest: Digest, isFolder: Bool, thorough: Bool) throws(StoreError) -> State {
    let target = path(digest)
    guard let status = try storing({ () throws(FileError) in try Files.status(target, followLinks: false) }) else {
      return .missing
    }
    guard !status.isLink, status.isFolder == isFolder else { return .altered("\(target.display) is of another kind") }
    let recorded = try entries(of: digest)
    var renewed: [Content.Entry] = []
    for entry in recorded {
      let place = entry.path.bytes.isEmpty ? target : target.appending(entry.path)
      guard let status = try storing({ () throws(FileError) in try Files.status(place, followLinks: false) }) else {
        return .altered("\(place.display) is gone")
      }
      guard let expected = entry.digest else {
        guard status.isFolder else { return .altered("\(place.display) is no folder") }
        continue
      }
      guard status.isRegular else { return .altered("\(place.display) is no file") }
      if status == entry.status, !thorough { continue }
      guard status.size == entry.status.size else {
        return .altered("\(place.display) has \(status.size) bytes instead of \(entry.status.size)")
      }
      let (found, now) = try FileDigestCache.steadyDigest(place)
      guard found == expected else { return .altered("\(place.display) holds other bytes than recorded") }
      if now != entry.status { renewed.append(Content.Entry(path: entry.path, digest: found, status: now)) }
    }
    if isFolder, let stranger = try firstStranger(in: target, known: Set(recorded.map(\.path))) {
      return .altered("\(stranger.display) does not belong to it")
    }
    // A copied or moved project has other inodes and times: they are recorded anew where that is possible.
    if !renewed.isEmpty { try? database.transaction { () throws(StoreError) in try write(renewed, of: digest) } }
    return .sound
  }

  private func firstStranger(in folder: FilePath, known: Set<FilePath>) throws(StoreError) -> FilePath? {
    var open: [FilePath] = [""]
    while let inner = open.popLast() {
      let place = inner.bytes.isEmpty ? folder : folder.appending(inner)
      for child in try storing({ () throws(FileError) in try Files.list(place) }) {
        let name = inner.bytes.isEmpty ? child : inner.appending(child)
        guard known.contains(name) else { return folder.appending(name) }
        let below = folder.appending(name)
        if try storing({ () throws(FileError) in try Files.status(below, followLinks: false) })?.isFolder == true {
          open.append(name)
        }
      }
    }
    return nil
  }

  /// Writes a small file again from the database; false when it does not lie there whole.
  private func restore(_ digest: Digest) throws(StoreError) -> Bool {
    guard
      let row = try database.first("SELECT content FROM objects WHERE digest = ?", SQLValue(digest)),
      let bytes = try row.optionalBytes(0), Digest(of: bytes) == digest
    else { return false }
    let target = path(digest)
    try discard(target)
    try storing { () throws(FileError) in
      try Files.makeFolder(target.parent)
      try Files.writeAtomically(bytes, to: target, mode: 0o444)
    }
    let content = try Content.read(target)
    // A database open for reading keeps the old times: the next check then reads the file.
    try? database.transaction { () throws(StoreError) in try write(content.entries, of: digest) }
    return true
  }

  /// The content with the status its files have in their final place.
  private func restat(_ content: Content, at target: FilePath) throws(StoreError) -> Content {
    var entries: [Content.Entry] = []
    for entry in content.entries {
      let place = entry.path.bytes.isEmpty ? target : target.appending(entry.path)
      let status = try storing { () throws(FileError) in try Files.status(place, followLinks: false) }
      entries.append(Content.Entry(path: entry.path, digest: entry.digest, status: status ?? entry.status))
    }
    return Content(digest: content.digest, isFolder: content.isFolder, size: content.size, entries: entries)
  }

  /// Takes what lies at an object's place out of the way.
  private func discard(_ target: FilePath) throws(StoreError) {
    try storing { () throws(FileError) in
      try Files.makeFolder(folder.work)
      let aside = folder.work.appending("trash-\(UInt64.random(in: 0...UInt64.max))")
      if try Files.status(target, followLinks: false) != nil { try Files.rename(target, to: aside) }
      try Files.removeTree(aside)
    }
  }

  private func entries(of digest: Digest) throws(StoreError) -> [Content.Entry] {
    var entries: [Content.Entry] = []
    let sql = """
      SELECT path, digest, device, inode, size, modified, changed FROM object_entries
      WHERE object = ? ORDER BY position
      """
    for row in try database.rows(sql, SQLValue(digest)) {
      let file = try row.optionalDigest(1)
      let status = Files.Status(
        size: try row.int(4), isFolder: file == nil, isRegular: file != nil, isLink: false,
        device: UInt64(bitPattern: Int64(try row.int(2))), inode: UInt64(bitPattern: Int64(try row.int(3))),
        modified: Int64(try row.int(5)), changed: Int64(try row.int(6)))
      entries.append(Content.Entry(path: try row.path(0), digest: file, status: status))
    }
    return entries
  }

  private func write(_ entries: [Content.Entry], of digest: Digest) throws(StoreError) {
    let sql = """
      INSERT INTO object_entries (object, path, position, digest, device, inode, size, modified, changed)
      VALUES (?, ?, (SELECT COALESCE(MAX(position), 0) + 1 FROM object_entries WHERE object = ?1), ?, ?, ?, ?, ?, ?)
      ON CONFLICT (object, path) DO UPDATE SET digest = excluded.digest, device = excluded.device,
        inode = excluded.inode, size = excluded.size, modified = excluded.modified, changed = excluded.changed
      """
    for entry in entries {
      try database.run(
        sql, SQLValue(digest), SQLValue(entry.path), SQLValue(entry.digest), SQLValue(entry.status.device),
        SQLValue(entry.status.inode), SQLValue(entry.status.size), SQLValue(entry.status.modified),
        SQLValue(entry.status.changed))
    }
  }
}
