import Basics
import Foundation

/// Prepares a finished output for the store.
enum Publishing {
  /// Replaces links, and files that have another name elsewhere, by copies, so that nothing outside can change it.
  static func standAlone(_ path: FilePath, above: [FilePath] = []) throws(FileError) {
    var info = stat()
    guard unsafe path.withCString({ unsafe lstat($0, &info) }) == 0 else { throw FileError("look at the file", path) }
    switch info.st_mode & S_IFMT {
    case S_IFDIR:
      guard above.count < 128 else { throw FileError("publish folders deeper than 128 levels", path, code: ELOOP) }
      for name in try Files.list(path) { try standAlone(path.appending(name), above: above + [path]) }
    case S_IFLNK:
      let copy = path.parent.appending(".copy-\(UInt64.random(in: 0...UInt64.max))")
      try copyTree(path, to: copy, depth: above.count)
      try Files.remove(path)
      try Files.rename(copy, to: path)
    case S_IFREG where info.st_nlink > 1:
      let copy = path.parent.appending(".copy-\(UInt64.random(in: 0...UInt64.max))")
      try copyFile(path, to: copy)
      try Files.rename(copy, to: path)
    case S_IFREG: break
    default: throw FileError("publish what is neither a file nor a folder", path, code: EINVAL)
    }
  }

  /// Makes everything below `path` durable, its files read-only.
  static func seal(_ path: FilePath) throws(FileError) {
    let isFolder = try Files.status(path, followLinks: false)?.isFolder ?? false
    if isFolder {
      guard unsafe path.withCString({ unsafe chmod($0, 0o755) }) == 0 else { throw FileError("open up", path) }
      for name in try Files.list(path) { try seal(path.appending(name)) }
      return try Files.synchroniseFolder(path)
    }
    guard unsafe path.withCString({ unsafe chmod($0, 0o444) }) == 0 else { throw FileError("make read-only", path) }
    try File(reading: path).synchronise()
  }

  /// Copies a file or folder, links followed.
  package static func copyTree(_ source: FilePath, to target: FilePath, depth: Int = 0) throws(FileError) {
    guard depth < 128 else { throw FileError("follow a link into its own folder", source, code: ELOOP) }
    guard let status = try Files.status(source) else { throw FileError("follow the link", source, code: ENOENT) }
    guard status.isFolder else {
      guard status.isRegular else { throw FileError("copy what is no regular file", source, code: EINVAL) }
      return try copyFile(source, to: target)
    }
    // Listed first: the copy may lie inside of what it copies.
    let names = try Files.list(source)
    try Files.makeFolder(target)
    for name in names { try copyTree(source.appending(name), to: target.appending(name), depth: depth + 1) }
  }

  /// Makes everything below `path` durable as it is.
  static func synchronise(_ path: FilePath) throws(FileError) {
    guard try Files.status(path, followLinks: false)?.isFolder == true else {
      return try File(reading: path).synchronise()
    }
    for name in try Files.list(path) { try synchronise(path.appending(name)) }
    try Files.synchroniseFolder(path)
  }

  /// Copies a file's bytes; more than `limit` of them are an error. `flags` are further ones of open(2).
  static func copyFile(
    _ source: FilePath, to target: FilePath, limit: Int = .max, flags: Int32 = 0
  ) throws(FileError) {
    let from = try File(source, flags: O_RDONLY | O_NONBLOCK | flags)
    let to = try File(target, flags: O_WRONLY | O_CREAT | O_EXCL)
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var offset = 0
    while true {
      let result: Result<Int, FileError> = unsafe buffer.withUnsafeMutableBytes { raw in
        Result { () throws(FileError) -> Int in
          let count = unsafe try from.read(into: raw, at: offset)
          unsafe try to.write(UnsafeRawBufferPointer(raw)[..<count].rebased, at: offset)
          return count
        }
      }
      let count = try result.get()
      if count == 0 { return }
      offset += count
      guard offset <= limit else { throw FileError("copy a file that grows", source, code: EFBIG) }
    }
  }
}

extension Slice<UnsafeRawBufferPointer> {
  fileprivate var rebased: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(rebasing: self) }
}
