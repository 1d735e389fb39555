import Basics
import Foundation

/// Remembers digests of files, so that unchanged ones need not be read again.
///
/// A remembered digest counts only while the file's size, times, inode and device are the recorded ones, and only if
/// both times lay at least two seconds before the recording: a later write could leave equal times.
package final class FileDigestCache {
  private struct Memory {
    let status: Files.Status
    let digest: Digest
    /// Nanoseconds since 1970.
    let recorded: Int64

    var isTrustworthy: Bool { max(status.modified, status.changed) < recorded - 2_000_000_000 }
  }

  private let database: Database?
  /// Paths below it are kept relative to it, so that a moved project keeps its memory.
  private let root: FilePath
  private var memories: [FilePath: Memory] = [:]
  private var unsaved: Set<FilePath> = []
  /// Files read in full so far.
  package private(set) var readCount = 0

  /// A cache kept in `database`, or only in memory.
  package init(_ database: Database?, root: FilePath) {
    self.database = database
    self.root = root
  }

  /// The digest of a regular file's bytes and its status while they were read.
  package func digest(_ path: FilePath) throws(StoreError) -> (Digest, Files.Status) {
    let key = key(path)
    var memory = memories[key]
    if memory == nil { memory = try saved(key) }
    if let memory, memory.isTrustworthy,
      try storing({ () throws(FileError) in try Files.status(path) }) == memory.status
    {
      memories[key] = memory
      return (memory.digest, memory.status)
    }
    let (digest, status) = try FileDigestCache.steadyDigest(path)
    readCount += 1
    memories[key] = Memory(status: status, digest: digest, recorded: FileDigestCache.now())
    unsaved.insert(key)
    return (digest, status)
  }

  /// Reads and digests a file; when it changes meanwhile, again, and refuses one that does not come to rest.
  package static func steadyDigest(_ path: FilePath) throws(StoreError) -> (Digest, Files.Status) {
    for _ in 0..<4 {
      let read = try storing { () throws(FileError) in
        (try Files.status(path), try Files.digest(path), try Files.status(path))
      }
      if let before = read.0, before == read.2 { return (read.1, before) }
    }
    throw StoreError("the file keeps changing while it is read", at: path, remedy: "run again when it is at rest")
  }

  /// Writes what is new to the database.
  package func save() throws(StoreError) {
    guard let database, !unsaved.isEmpty else { return }
    try database.transaction { () throws(StoreError) in
      for key in unsaved {
        guard let memory = memories[key], memory.isTrustworthy else { continue }
        try database.run(
          "INSERT OR REPLACE INTO file_digests VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
          SQLValue(key), SQLValue(memory.status.device), SQLValue(memory.status.inode),
          SQLValue(memory.status.size), SQLValue(memory.status.modified), SQLValue(memory.status.changed),
          SQLValue(memory.digest), SQLValue(memory.recorded))
      }
    }
    unsaved.removeAll()
  }

  private func saved(_ key: FilePath) throws(StoreError) -> Memory? {
    guard
      let row = try database?.first(
        "SELECT device, inode, size, modified, changed, digest, recorded FROM file_digests WHERE path = ?",
        SQLValue(key))
    else { return nil }
    let status = Files.Status(
      size: try row.int(2), isFolder: false, isRegular: true, isLink: false,
      device: UInt64(bitPattern: Int64(try row.int(0))), inode: UInt64(bitPattern: Int64(try row.int(1))),
      modified: Int64(try row.int(3)), changed: Int64(try row.int(4)))
    return Memory(status: status, digest: try row.digest(5), recorded: Int64(try row.int(6)))
  }

  private func key(_ path: FilePath) -> FilePath {
    let prefix = root.bytes + [UInt8(ascii: "/")]
    guard path.bytes.starts(with: prefix) else { return path }
    return FilePath(bytes: Array(path.bytes.dropFirst(prefix.count)))
  }

  private static func now() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
