import Basics

/// What lies at a path: the digest of a file's bytes, or of a folder's listing with the digests of its files.
///
/// Links are followed, and neither the path's own name nor times nor permissions count; the names inside a folder do.
package struct Content: Sendable {
  /// One file or folder within the content.
  package struct Entry: Sendable, Equatable {
    /// Relative to the content; empty for a file that is the content.
    package let path: FilePath
    /// Nil for a folder.
    package let digest: Digest?
    package let status: Files.Status

    package init(path: FilePath, digest: Digest?, status: Files.Status) {
      self.path = path
      self.digest = digest
      self.status = status
    }
  }

  package let digest: Digest
  package let isFolder: Bool
  /// Bytes of all files together.
  package let size: Int
  /// In the order of the listing: folders before what is in them, names by bytes.
  package let entries: [Entry]

  /// Reads what lies at `path`. `cache` spares reading files that are known to be unchanged.
  package static func read(_ path: FilePath, cache: FileDigestCache? = nil) throws(StoreError) -> Content {
    guard let status = try storing({ () throws(FileError) in try Files.status(path) }) else {
      throw StoreError("there is no such file or folder", at: path, remedy: "check the path")
    }
    var walk = Walk(cache: cache)
    try walk.visit(path, as: "", status: status)
    let size = walk.entries.reduce(0) { $1.digest == nil ? $0 : $0 + $1.status.size }
    if status.isFolder {
      return Content(digest: listing(walk.entries), isFolder: true, size: size, entries: walk.entries)
    }
    guard let digest = walk.entries.first?.digest else { throw StoreError("nothing could be read", at: path) }
    return Content(digest: digest, isFolder: false, size: size, entries: walk.entries)
  }

  /// The digest of a folder: of the text of its listing, one line an entry, names with their length in front.
  package static func listing(_ entries: [Entry]) -> Digest {
    var hasher = SHA256()
    hasher.update(Array("fettle folder 1\n".utf8))
    for entry in entries where !entry.path.bytes.isEmpty {
      let line = entry.digest.map { "file \($0.hex) \(entry.status.size)" } ?? "folder"
      hasher.update(Array("\(line) \(entry.path.bytes.count) ".utf8) + entry.path.bytes + [0x0A])
    }
    return hasher.finish()
  }

  private struct Walk {
    let cache: FileDigestCache?
    var entries: [Entry] = []
    /// The folders above, to notice links that lead back into them.
    var above: [(device: UInt64, inode: UInt64)] = []

    mutating func visit(_ path: FilePath, as name: FilePath, status: Files.Status) throws(StoreError) {
      guard status.isFolder else {
        guard status.isRegular else {
          throw StoreError("neither a file nor a folder", at: path, remedy: "remove it, or name regular files only")
        }
        let (digest, status) =
          if let cache { try cache.digest(path) } else { try FileDigestCache.steadyDigest(path) }
        return entries.append(Entry(path: name, digest: digest, status: status))
      }
      guard !above.contains(where: { $0.device == status.device && $0.inode == status.inode }) else {
        throw StoreError("a link leads back into its own folder", at: path, remedy: "remove the link")
      }
      guard above.count < 128 else { throw StoreError("folders lie deeper than 128 levels", at: path) }
      if !name.bytes.isEmpty { entries.append(Entry(path: name, digest: nil, status: status)) }
      above.append((status.device, status.inode))
      defer { above.removeLast() }
      for child in try storing({ () throws(FileError) in try Files.list(path) }) {
        let below = path.appending(child)
        guard let status = try storing({ () throws(FileError) in try Files.status(below) }) else {
          throw StoreError("a link leads nowhere", at: below, remedy: "remove the link or restore its target")
        }
        try visit(below, as: name.bytes.isEmpty ? child : name.appending(child), status: status)
      }
    }
  }
}
