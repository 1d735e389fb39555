import Foundation

/// Whole-file operations that are durable and atomic where they write.
package enum Files {
  /// Metadata of a file or folder, links followed.
  package struct Status: Sendable, Equatable {
    package let size: Int
    package let isFolder: Bool
    package let isRegular: Bool
    package let isLink: Bool
    package let device: UInt64
    package let inode: UInt64
    /// Nanoseconds since 1970.
    package let modified: Int64
    package let changed: Int64

    package init(
      size: Int, isFolder: Bool, isRegular: Bool, isLink: Bool, device: UInt64, inode: UInt64, modified: Int64,
      changed: Int64
    ) {
      self.size = size
      self.isFolder = isFolder
      self.isRegular = isRegular
      self.isLink = isLink
      self.device = device
      self.inode = inode
      self.modified = modified
      self.changed = changed
    }
  }

  /// Status of `path`; nil when nothing is there.
  package static func status(_ path: FilePath, followLinks: Bool = true) throws(FileError) -> Status? {
    var info = stat()
    let code = unsafe path.withCString { unsafe followLinks ? stat($0, &info) : lstat($0, &info) }
    guard code == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw FileError("look at the file", path)
    }
    let kind = info.st_mode & S_IFMT
    return Status(
      size: Int(info.st_size), isFolder: kind == S_IFDIR, isRegular: kind == S_IFREG, isLink: kind == S_IFLNK,
      device: UInt64(info.st_dev), inode: UInt64(info.st_ino),
      modified: Int64(info.st_mtim.tv_sec) * 1_000_000_000 + Int64(info.st_mtim.tv_nsec),
      changed: Int64(info.st_ctim.tv_sec) * 1_000_000_000 + Int64(info.st_ctim.tv_nsec))
  }

  package static func exists(_ path: FilePath) -> Bool { ((try? status(path)) ?? nil) != nil }

  /// All bytes of a regular file; refuses one larger than `limit` bytes.
  package static func read(_ path: FilePath, limit: Int = 1 << 34) throws(FileError) -> [UInt8] {
    let file = try File(reading: path)
    let size = try file.size()
    guard size <= limit else { throw FileError("read a file of \(size) bytes", path, code: EFBIG) }
    var bytes = [UInt8](repeating: 0, count: size)
    let count: Result<Int, FileError> = unsafe bytes.withUnsafeMutableBytes { buffer in
      Result { () throws(FileError) -> Int in unsafe try file.read(into: buffer, at: 0) }
    }
    let read = try count.get()
    bytes.removeLast(size - read)
    return bytes
  }

  /// Writes `bytes` under a temporary name, makes them durable, then renames: readers see the old file or the whole new one.
  package static func writeAtomically(
    _ bytes: some Collection<UInt8>, to path: FilePath, mode: mode_t = 0o644
  ) throws(FileError) {
    let writer = try AtomicFile(path, mode: mode)
    try writer.write(bytes)
    try writer.publish()
  }

  /// Makes the folder and its parents; an existing folder is fine.
  package static func makeFolder(_ path: FilePath) throws(FileError) {
    if path.bytes.isEmpty || path == "." || path == "/" { return }
    if unsafe path.withCString({ unsafe mkdir($0, 0o755) }) == 0 { return }
    switch errno {
    case EEXIST:
      if let status = try status(path), status.isFolder { return }
      throw FileError("make a folder where a file is", path, code: EEXIST)
    case ENOENT:
      try makeFolder(path.parent)
      if unsafe path.withCString({ unsafe mkdir($0, 0o755) }) != 0, errno != EEXIST {
        throw FileError("make the folder", path)
      }
    default: throw FileError("make the folder", path)
    }
  }

  /// Names inside a folder, sorted by bytes, without "." and "..".
  package static func list(_ path: FilePath) throws(FileError) -> [FilePath] {
    guard let folder = unsafe path.withCString({ unsafe opendir($0) }) else { throw FileError("open the folder", path) }
    defer { unsafe closedir(folder) }
    var names: [FilePath] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { raw in
        unsafe Array(raw.prefix { $0 != 0 })
      }
      if name != Array(".".utf8), name != Array("..".utf8) { names.append(FilePath(bytes: name)) }
    }
    return names.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
  }

  package static func rename(_ from: FilePath, to: FilePath) throws(FileError) {
    let code = unsafe from.withCString { source in unsafe to.withCString { unsafe Foundation.rename(source, $0) } }
    guard code == 0 else { throw FileError("rename to \(to.display)", from) }
  }

  /// Removes a file; absent is fine.
  package static func remove(_ path: FilePath) throws(FileError) {
    if unsafe path.withCString({ unsafe unlink($0) }) != 0, errno != ENOENT { throw FileError("remove the file", path) }
  }

  /// Removes a file or a whole folder, links not followed; absent is fine.
  package static func removeTree(_ path: FilePath) throws(FileError) {
    guard let status = try status(path, followLinks: false) else { return }
    guard status.isFolder else { return try remove(path) }
    for name in try list(path) { try removeTree(path.appending(name)) }
    if unsafe path.withCString({ unsafe rmdir($0) }) != 0 { throw FileError("remove the folder", path) }
  }

  /// Makes the entries of a folder durable.
  package static func synchroniseFolder(_ path: FilePath) throws(FileError) {
    let descriptor = unsafe path.withCString { unsafe open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw FileError("open the folder", path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw FileError("make the folder durable", path) }
  }

  /// The digest of a file's bytes, read once in pieces.
  package static func digest(_ path: FilePath) throws(FileError) -> Digest {
    let file = try File(reading: path)
    var hasher = SHA256()
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var offset = 0
    while true {
      let result: Result<Int, FileError> = unsafe buffer.withUnsafeMutableBytes { raw in
        Result { () throws(FileError) -> Int in unsafe try file.read(into: raw, at: offset) }
      }
      let count = try result.get()
      if count == 0 { return hasher.finish() }
      hasher.update(buffer[..<count])
      offset += count
    }
  }
}

/// An open file descriptor that closes itself.
package final class File: Sendable {
  package let path: FilePath
  package let descriptor: Int32

  /// Opens a file for reading; a folder or a pipe is refused.
  package init(reading path: FilePath) throws(FileError) {
    self.path = path
    // A pipe without a writer would block the opening for ever.
    descriptor = unsafe path.withCString { unsafe open($0, O_RDONLY | O_NONBLOCK | O_CLOEXEC) }
    guard descriptor >= 0 else { throw FileError("open the file", path) }
    var info = stat()
    guard unsafe fstat(descriptor, &info) == 0 else { throw FileError("look at the file", path) }
    switch info.st_mode & S_IFMT {
    case S_IFDIR: throw FileError("read", path, code: EISDIR)
    case S_IFIFO, S_IFSOCK: throw FileError("read a pipe as a file", path, code: ESPIPE)
    default: break
    }
  }

  /// Opens with `flags` as open(2) has them.
  package init(_ path: FilePath, flags: Int32, mode: mode_t = 0o644) throws(FileError) {
    self.path = path
    descriptor = unsafe path.withCString { unsafe open($0, flags | O_CLOEXEC, mode) }
    guard descriptor >= 0 else { throw FileError("open the file", path) }
  }

  package func size() throws(FileError) -> Int {
    var info = stat()
    guard unsafe fstat(descriptor, &info) == 0 else { throw FileError("look at the file", path) }
    return Int(info.st_size)
  }

  /// Fills as much of `buffer` as the file has from `offset`; returns the count, less than asked only at the end.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
    var done = 0
    while done < buffer.count {
      let count = unsafe pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw FileError("read at byte \(offset + done)", path)
      }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// Writes all of `buffer` at `offset`.
  package func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
    var done = 0
    while done < buffer.count {
      let count = unsafe pwrite(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw FileError("write at byte \(offset + done)", path)
      }
      done += count
    }
  }

  package func synchronise() throws(FileError) {
    guard fsync(descriptor) == 0 else { throw FileError("make the file durable", path) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }
}

/// A file written under a temporary name beside its final one, published by rename once its bytes are durable.
package final class AtomicFile {
  package let path: FilePath
  private let temporary: FilePath
  private let file: File
  private var buffer: [UInt8] = []
  private var offset = 0
  private var published = false

  package init(_ path: FilePath, mode: mode_t = 0o644) throws(FileError) {
    self.path = path
    let unique = "\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
    temporary = path.parent.appending(".\(unique).partial")
    file = try File(temporary, flags: O_WRONLY | O_CREAT | O_EXCL, mode: mode)
  }

  /// Bytes written so far.
  package var count: Int { offset + buffer.count }

  package func write(_ bytes: some Collection<UInt8>) throws(FileError) {
    buffer += bytes
    if buffer.count >= 1 << 20 { try flush() }
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    try flush()
    unsafe try file.write(bytes, at: offset)
    offset += bytes.count
  }

  private func flush() throws(FileError) {
    let result: Result<Void, FileError> = unsafe buffer.withUnsafeBytes { raw in
      Result { () throws(FileError) -> Void in unsafe try file.write(raw, at: offset) }
    }
    try result.get()
    offset += buffer.count
    buffer.removeAll(keepingCapacity: true)
  }

  /// Makes the bytes durable and gives the file its name.
  package func publish() throws(FileError) {
    try flush()
    try file.synchronise()
    try Files.rename(temporary, to: path)
    published = true
    try Files.synchroniseFolder(path.parent)
  }

  deinit { if !published { try? Files.remove(temporary) } }
}
