import Basics
import Foundation

/// The folder in which fetched models are kept, and the temporary folders of fetches under way.
struct ModelReferenceCache {
  let root: FilePath

  /// A new folder for the files of one fetch, on the same file system as their final place.
  func makeTemporary() throws(FileError) -> FilePath {
    let path = root.appending("tmp").appending("\(getpid())-\(UInt64.random(in: 0...UInt64.max))")
    try Files.makeFolder(path)
    return path
  }

  /// Removes what a fetch left, and what fetches that died left a day ago or earlier.
  func clean(_ temporary: FilePath) {
    try? Files.removeTree(temporary)
    let folder = root.appending("tmp")
    let dayAgo = Int64(time(nil) - 86400) * 1_000_000_000
    for name in (try? Files.list(folder)) ?? [] {
      let path = folder.appending(name)
      guard let status = (try? Files.status(path)) ?? nil, status.modified < dayAgo else { continue }
      try? Files.removeTree(path)
    }
  }
}
