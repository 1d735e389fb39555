import Basics
import CPages
import Foundation
import Tensors

/// The file that a processor's page tier lies in: without a name, so that it goes with the process however that ends,
/// its room taken when it is made, and past the page cache where the file system allows.
@safe final class PageFile: Sendable {
  let bytes: Int
  private let file: Int32
  private let isDirect: Bool
  private let isReserved: Bool
  private let folder: FilePath

  /// What direct transfers need of offsets, sizes and memory.
  static let unit = MemoryPlan.pageAlignment

  init(_ space: PageSpace) throws(TensorError) {
    folder = space.folder
    bytes = max(PageFile.unit, (space.bytes + PageFile.unit - 1) / PageFile.unit * PageFile.unit)
    if unsafe space.folder.withCString({ unsafe cp_is_in_memory($0) }) {
      throw TensorError(
        Problem(
          "the page file would lie in main memory, which it is there to save", at: space.folder.display,
          remedy: "set page_folder to a folder on a disk"))
    }
    var opened = unsafe space.folder.withCString { unsafe cp_open($0, true) }
    isDirect = opened >= 0
    if opened < 0 { opened = unsafe space.folder.withCString { unsafe cp_open($0, false) } }
    guard opened >= 0 else {
      throw TensorError(
        Problem(
          "cannot make the page file", at: space.folder.display, value: PageFile.words(errno),
          remedy: "set page_folder to a folder that can be written to"))
    }
    file = opened
    // A reservation that fails half-way has used the room up.
    let free = unsafe space.folder.withCString { unsafe cp_free_bytes($0) }
    let status = cp_reserve(opened, bytes)
    isReserved = status == 0
    guard status == 0 || status == EOPNOTSUPP else {
      close(opened)
      throw TensorError(
        Problem(
          "the disk has no room for the page file", at: space.folder.display,
          value: "\(Quantity.describe(bytes: bytes)) needed, \(Quantity.describe(bytes: Int(free))) free: "
            + PageFile.words(status),
          remedy: "free some room, set page_folder to another disk, or raise memory_budget"))
    }
  }

  deinit { close(file) }

  /// Copies between memory and the file; what `transfer` may not do, this does in whole units.
  func transfer(
    isRead: Bool, memory: UnsafeMutableRawPointer, offset: Int, bytes count: Int
  ) throws(TensorError) {
    guard offset >= 0, count >= 0, offset + count <= bytes else {
      throw fault("a transfer lies outside the page file", "\(count) bytes at \(offset) of \(bytes)")
    }
    guard cp_is_whole(file, bytes, isReserved) else { throw cut }
    var done = 0
    while done < count {
      let part = min(count - done, PageFile.most)
      let moved =
        unsafe isRead
        ? pread(file, memory + done, part, off_t(offset + done))
        : pwrite(file, memory + done, part, off_t(offset + done))
      if moved < 0, errno == EINTR { continue }
      guard moved > 0 else {
        if moved == 0 { throw cut }
        throw fault("the page file cannot be \(isRead ? "read" : "written")", PageFile.words(errno))
      }
      done += moved
    }
    if !isDirect { cp_drop(file, offset, count) }
    guard cp_is_whole(file, bytes, isReserved) else { throw cut }
  }

  /// Reads any range of bytes.
  func read(_ offset: Int, into destination: UnsafeMutableRawBufferPointer) throws(TensorError) {
    try eachBlock(offset, destination.count) { (block, range, place) throws(TensorError) in
      unsafe try transfer(isRead: true, memory: block.base, offset: block.offset, bytes: block.bytes)
      guard let start = destination.baseAddress else { return }
      unsafe (start + place).copyMemory(from: block.base + range.lowerBound, byteCount: range.count)
    }
  }

  /// Writes any range of bytes.
  func write(_ source: UnsafeRawBufferPointer, at offset: Int) throws(TensorError) {
    try eachBlock(offset, source.count) { (block, range, place) throws(TensorError) in
      guard let start = source.baseAddress else { return }
      if range.count < block.bytes {
        unsafe try transfer(isRead: true, memory: block.base, offset: block.offset, bytes: block.bytes)
      }
      unsafe (block.base + range.lowerBound).copyMemory(from: start + place, byteCount: range.count)
      unsafe try transfer(isRead: false, memory: block.base, offset: block.offset, bytes: block.bytes)
    }
  }

  @safe private struct Block {
    let base: UnsafeMutableRawPointer
    let offset: Int
    let bytes: Int
  }

  /// Cuts a range into blocks of whole units; `body` gets a block, the part of it that is meant, and that part's place
  /// in the range.
  private func eachBlock(
    _ offset: Int, _ count: Int, _ body: (Block, Range<Int>, Int) throws(TensorError) -> Void
  ) throws(TensorError) {
    guard count > 0 else { return }
    let size = 1 << 20
    var memory: UnsafeMutableRawPointer?
    guard unsafe posix_memalign(&memory, PageFile.unit, size) == 0, let base = unsafe memory else {
      throw fault("no memory for a transfer", "\(size) bytes")
    }
    defer { unsafe free(base) }
    var done = 0
    while done < count {
      let start = (offset + done) / PageFile.unit * PageFile.unit
      let skipped = offset + done - start
      let part = min(count - done, size - skipped)
      let whole = (skipped + part + PageFile.unit - 1) / PageFile.unit * PageFile.unit
      let block = unsafe Block(base: base, offset: start, bytes: whole)
      try body(block, skipped..<skipped + part, done)
      done += part
    }
  }

  private static let most = 64 << 20

  private static func words(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }

  private var cut: TensorError {
    fault(
      "the page file was cut or emptied by another program", "\(bytes) bytes expected",
      remedy: "run again: training goes on from its last checkpoint")
  }

  private func fault(_ what: String, _ value: String, remedy: String? = nil) -> TensorError {
    TensorError(Problem(what, at: folder.display, value: value, remedy: remedy))
  }
}
