import Basics

/// Where everything lies under a project's `.fettle`.
package struct CacheFolder: Sendable, Equatable {
  /// The `.fettle` folder itself.
  package let path: FilePath

  package init(_ path: FilePath) { self.path = path }

  package var database: FilePath { path.appending("cache.db") }
  package var objects: FilePath { path.appending("objects") }
  package var lock: FilePath { path.appending("lock") }
  /// Folders of attempts that run; nothing in them counts once their attempt is over.
  package var work: FilePath { path.appending("work") }
  package var logs: FilePath { path.appending("logs") }
  /// One receipt for each success, from which a lost database is rebuilt.
  package var results: FilePath { path.appending("results") }
  package var checkpoints: FilePath { path.appending("checkpoints") }

  /// Makes the folders, and keeps version control out of them.
  package func make() throws(StoreError) {
    try storing { () throws(FileError) in
      for folder in [path, objects, results, work, logs, checkpoints] { try Files.makeFolder(folder) }
      let ignore = path.appending(".gitignore")
      if !Files.exists(ignore) { try Files.writeAtomically(Array("*\n".utf8), to: ignore) }
    }
  }
}
