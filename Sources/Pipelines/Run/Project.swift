import Basics
import Foundation
import Store

/// The folder that paths in a pipeline file are relative to, and its cache.
package struct Project: Sendable {
  /// Absolute.
  package let root: FilePath
  package let cache: CacheFolder

  package init(root: FilePath) {
    self.root = root
    cache = CacheFolder(root.appending(".fettle"))
  }

  /// The nearest folder from `folder` upwards that has a `.fettle`, else `folder` itself. `folder` must be absolute.
  package static func find(from folder: FilePath) -> Project {
    var place = folder
    while true {
      if let status = try? Files.status(place.appending(".fettle")), status.isFolder { return Project(root: place) }
      let parent = place.parent
      guard parent != place, parent != "." else { return Project(root: folder) }
      place = parent
    }
  }

  /// The working folder's project.
  package static func find() throws(RunError) -> Project { find(from: try workingFolder()) }

  /// The working folder, absolute.
  package static func workingFolder() throws(RunError) -> FilePath {
    var buffer = [CChar](repeating: 0, count: 1 << 16)
    guard unsafe getcwd(&buffer, buffer.count) != nil else {
      throw RunError("the working folder can not be told: \(unsafe String(cString: strerror(errno)))")
    }
    return FilePath(bytes: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) })
  }

  /// A path relative to the root where it lies below it.
  package func relative(_ path: FilePath) -> FilePath {
    let prefix = root.bytes.last == UInt8(ascii: "/") ? root.bytes : root.bytes + [UInt8(ascii: "/")]
    return path.bytes.starts(with: prefix) ? FilePath(bytes: Array(path.bytes.dropFirst(prefix.count))) : path
  }
}
