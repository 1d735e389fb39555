import Basics
import Foundation

/// Bytes of known length that can be read anywhere: a file, an unpacked member, a converted text.
protocol ByteSource: AnyObject, Sendable {
  var count: Int { get }
  /// Fills as much of `buffer` as there is from `offset`; returns the count.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(CorpusError) -> Int
}

extension ByteSource {
  /// Up to `count` bytes from `offset`.
  func bytes(at offset: Int, count: Int) throws(CorpusError) -> [UInt8] {
    let wanted = max(0, min(count, self.count - offset))
    var bytes = [UInt8](repeating: 0, count: wanted)
    let result: Result<Int, CorpusError> = unsafe bytes.withUnsafeMutableBytes { raw in
      Result { () throws(CorpusError) -> Int in unsafe try read(into: raw, at: offset) }
    }
    let done = try result.get()
    bytes.removeLast(wanted - done)
    return bytes
  }
}

/// A regular file.
final class FileBytes: ByteSource {
  private let file: File
  let count: Int

  init(_ path: FilePath) throws(CorpusError) {
    file = try filed { () throws(FileError) in try File(reading: path) }
    var info = stat()
    guard unsafe fstat(file.descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
      throw CorpusError(.source, "not a regular file", at: path.display)
    }
    count = Int(info.st_size)
  }

  /// A file already open, such as a spool without a name.
  init(_ file: File, count: Int) {
    self.file = file
    self.count = count
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(CorpusError) -> Int {
    let wanted = min(buffer.count, max(0, count - offset))
    return try filed { () throws(FileError) in
      unsafe try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: offset)
    }
  }
}

/// Bytes in memory.
final class MemoryBytes: ByteSource {
  private let storage: [UInt8]
  var count: Int { storage.count }

  init(_ bytes: [UInt8]) { storage = bytes }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(CorpusError) -> Int {
    let wanted = min(buffer.count, max(0, storage.count - offset))
    if wanted > 0 {
      unsafe storage.withUnsafeBytes { unsafe buffer.copyMemory(from: .init(rebasing: $0[offset..<offset + wanted])) }
    }
    return wanted
  }
}

/// A part of another source.
final class PartBytes: ByteSource {
  private let base: any ByteSource
  private let start: Int
  let count: Int

  init(_ base: any ByteSource, from start: Int) {
    self.base = base
    self.start = min(start, base.count)
    count = base.count - self.start
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(CorpusError) -> Int {
    unsafe try base.read(into: buffer, at: start + offset)
  }
}

/// Collects bytes of unknown length: in memory first, beyond that in a temporary file without a name.
struct Spool {
  private static let memoryLimit = 32 << 20
  private var memory: [UInt8] = []
  private var file: File?
  private(set) var count = 0

  mutating func append(_ bytes: UnsafeRawBufferPointer) throws(CorpusError) {
    unsafe memory.append(contentsOf: bytes)
    count += bytes.count
    if memory.count > Spool.memoryLimit { try flush() }
  }

  private mutating func flush() throws(CorpusError) {
    let target: File
    if let file { target = file } else { target = try Spool.temporary() }
    file = target
    let start = count - memory.count
    let result: Result<Void, FileError> = unsafe memory.withUnsafeBytes { raw in
      Result { () throws(FileError) -> Void in unsafe try target.write(raw, at: start) }
    }
    try filed { () throws(FileError) in try result.get() }
    memory.removeAll(keepingCapacity: true)
  }

  /// The bytes collected, to be read.
  consuming func finish() throws(CorpusError) -> any ByteSource {
    guard file != nil else { return MemoryBytes(memory) }
    try flush()
    guard let file else { return MemoryBytes(memory) }
    return FileBytes(file, count: count)
  }

  private static func temporary() throws(CorpusError) -> File {
    let folder = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
    let path = FilePath(folder).appending(".fettle-\(getpid())-\(UInt64.random(in: 0...UInt64.max))")
    return try filed { () throws(FileError) -> File in
      let file = try File(path, flags: O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
      try Files.remove(path)
      return file
    }
  }
}
