import Basics
import CArchive

/// How much a source may unpack to: bounds against hostile archives.
package struct ArchiveLimits: Sendable {
  package var members = 100_000
  /// Bytes of all members together.
  package var bytes = 1 << 38
  /// Unpacked bytes for each packed byte, once `ratioFrom` bytes have come out.
  package var ratio = 2000
  package var ratioFrom = 256 << 20
  /// Archives within archives.
  package var depth = 3

  package init() {}
}

/// One unpacked member of an archive.
struct ArchiveMember {
  /// Empty for a compressed file that is no archive.
  let name: String
  let bytes: any ByteSource
}

/// Reads compressed files and archives through libarchive.
struct Archive {
  let place: String
  let limits: ArchiveLimits

  /// How a file is packed.
  enum Packing: Equatable {
    /// One compressed stream, by libarchive's code of its filter; an archive may be inside.
    case stream(Int32)
    case archive
  }

  private static let streams: [(magic: [UInt8], filter: Int32)] = [
    ([0x1F, 0x8B], ARCHIVE_FILTER_GZIP), ([0x1F, 0x9D], ARCHIVE_FILTER_COMPRESS),
    ([0x28, 0xB5, 0x2F, 0xFD], ARCHIVE_FILTER_ZSTD), ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], ARCHIVE_FILTER_XZ),
    ([0x04, 0x22, 0x4D, 0x18], ARCHIVE_FILTER_LZ4), (Array("LZIP".utf8), ARCHIVE_FILTER_LZIP),
  ]

  private static let archives: [[UInt8]] = [
    [0x50, 0x4B, 0x03, 0x04], [0x50, 0x4B, 0x05, 0x06], [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C],
  ]

  /// How a file that begins with `head` is packed; nil when it is not.
  static func packing(_ head: [UInt8]) -> Packing? {
    if let stream = streams.first(where: { head.starts(with: $0.magic) }) { return .stream(stream.filter) }
    if head.starts(with: Array("BZh".utf8)), head.count > 9, head[4] == 0x31, head[5] == 0x41 {
      return .stream(ARCHIVE_FILTER_BZIP2)
    }
    return archives.contains { head.starts(with: $0) } || isTar(head) ? .archive : nil
  }

  /// A tar header's checksum: the sum of its 512 bytes with the checksum field counted as blanks.
  private static func isTar(_ head: [UInt8]) -> Bool {
    guard head.count >= 512, head[0] != 0 else { return false }
    var sum = 0
    for (index, byte) in head[..<512].enumerated() { sum += (148..<156).contains(index) ? 0x20 : Int(byte) }
    var stated = 0
    var digits = 0
    for byte in head[148..<156] where (0x30...0x37).contains(byte) {
      stated = stated * 8 + Int(byte - 0x30)
      digits += 1
    }
    return digits >= 3 && stated == sum
  }

  /// Unpacks the regular files inside `source` one by one, in the archive's order.
  ///
  /// Exactly one filter is taken off: streams within streams count as depth, which is limited.
  func members(
    of source: any ByteSource, _ packing: Packing, _ body: (ArchiveMember) throws(CorpusError) -> Void
  ) throws(CorpusError) {
    guard let archive = unsafe archive_read_new() else { throw fault("out of memory") }
    defer { unsafe archive_read_free(archive) }
    unsafe Archive.enable(archive, packing)
    let feed = ArchiveFeed(source)
    let client = unsafe Unmanaged.passUnretained(feed).toOpaque()
    unsafe archive_read_set_callback_data(archive, client)
    unsafe archive_read_set_read_callback(archive) { _, client, out in unsafe ArchiveFeed.of(client)?.read(out) ?? -1 }
    unsafe archive_read_set_seek_callback(archive) { _, client, offset, whence in
      unsafe ArchiveFeed.of(client)?.seek(offset, whence) ?? Int64(ARCHIVE_FATAL)
    }
    unsafe archive_read_set_skip_callback(archive) { _, client, count in
      unsafe ArchiveFeed.of(client)?.skip(count) ?? 0
    }
    defer { withExtendedLifetime(feed) {} }
    guard unsafe archive_read_open1(archive) == ARCHIVE_OK else { throw unsafe failure(archive, feed) }
    // A stream that fails at once looks empty to the choice of format, except for the error it left.
    guard unsafe archive_errno(archive) == 0 else { throw unsafe failure(archive, feed) }
    var count = 0
    var total = 0
    while true {
      var entry: OpaquePointer?
      let code = unsafe archive_read_next_header(archive, &entry)
      if code == ARCHIVE_EOF { return }
      guard code == ARCHIVE_OK || code == ARCHIVE_WARN, let entry = unsafe entry else {
        throw unsafe failure(archive, feed)
      }
      count += 1
      guard count <= limits.members else { throw fault("the archive holds over \(limits.members) members") }
      let isRaw = unsafe archive_format(archive) == ARCHIVE_FORMAT_RAW
      let name = unsafe isRaw ? "" : Archive.name(entry)
      guard unsafe archive_entry_filetype(entry) & 0o170000 == 0o100000, !Archive.isClutter(name) else { continue }
      let bytes = unsafe try unpack(archive, feed, packed: source.count, total: &total)
      try body(ArchiveMember(name: name, bytes: bytes))
    }
  }

  private static func enable(_ archive: OpaquePointer, _ packing: Packing) {
    // Appending a filter, instead of letting libarchive bid, takes off one layer only. Its code for compress(1) is
    // broken there (3.6.2).
    if case .stream(let filter) = packing {
      if filter == ARCHIVE_FILTER_COMPRESS {
        unsafe archive_read_support_filter_compress(archive)
      } else {
        unsafe archive_read_append_filter(archive, filter)
      }
    }
    unsafe archive_read_support_format_tar(archive)
    unsafe archive_read_support_format_zip(archive)
    unsafe archive_read_support_format_7zip(archive)
    unsafe archive_read_support_format_raw(archive)
    unsafe archive_read_support_format_empty(archive)
  }

  private static func name(_ entry: OpaquePointer) -> String {
    if let name = unsafe archive_entry_pathname_utf8(entry) { return unsafe String(cString: name) }
    if let name = unsafe archive_entry_pathname(entry) { return unsafe String(cString: name) }
    return "?"
  }

  /// Metadata that desktop systems add.
  private static func isClutter(_ name: String) -> Bool {
    name.hasPrefix("__MACOSX/") || name.split(separator: "/").last?.hasPrefix(".") == true
  }

  private func unpack(
    _ archive: OpaquePointer, _ feed: ArchiveFeed, packed: Int, total: inout Int
  ) throws(CorpusError) -> any ByteSource {
    var spool = Spool()
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe archive_read_data(archive, $0.baseAddress, $0.count) }
      if count == 0 { return try spool.finish() }
      guard count > 0 else { throw unsafe failure(archive, feed) }
      total += count
      guard total <= limits.bytes else {
        throw fault("it unpacks to over \(Quantity.describe(bytes: limits.bytes))")
      }
      guard total <= limits.ratioFrom || total / max(packed, 1) < limits.ratio else {
        throw fault("it unpacks to over \(limits.ratio) times its size: refused as a decompression bomb")
      }
      let result: Result<Void, CorpusError> = unsafe buffer.withUnsafeBytes { raw in
        Result { () throws(CorpusError) -> Void in unsafe try spool.append(.init(rebasing: raw[..<count])) }
      }
      try result.get()
    }
  }

  private func failure(_ archive: OpaquePointer, _ feed: ArchiveFeed) -> CorpusError {
    if let error = feed.error { return error }
    let words = unsafe archive_error_string(archive).map { unsafe String(cString: $0) } ?? "unknown fault"
    return fault("cannot unpack: \(words)")
  }

  private func fault(_ what: String) -> CorpusError {
    CorpusError(.source, what, at: place, remedy: "check that the file is whole; unpack it by hand to see more")
  }
}

/// Gives libarchive the bytes of a source.
@safe private final class ArchiveFeed {
  private let source: any ByteSource
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
  private var offset = 0
  private(set) var error: CorpusError?

  init(_ source: any ByteSource) { self.source = source }
  deinit { unsafe buffer.deallocate() }

  static func of(_ client: UnsafeMutableRawPointer?) -> ArchiveFeed? {
    unsafe client.map { unsafe Unmanaged<ArchiveFeed>.fromOpaque($0).takeUnretainedValue() }
  }

  func read(_ out: UnsafeMutablePointer<UnsafeRawPointer?>?) -> Int {
    do {
      let count = unsafe try source.read(into: buffer, at: offset)
      offset += count
      unsafe out?.pointee = UnsafeRawPointer(buffer.baseAddress)
      return count
    } catch {
      self.error = error
      return -1
    }
  }

  func seek(_ target: Int64, _ whence: Int32) -> Int64 {
    let base = whence == 0 ? 0 : whence == 1 ? Int64(offset) : Int64(source.count)
    let (place, overflow) = base.addingReportingOverflow(target)
    guard !overflow, place >= 0, place <= Int64(source.count) else { return Int64(ARCHIVE_FATAL) }
    offset = Int(place)
    return place
  }

  func skip(_ count: Int64) -> Int64 {
    let step = max(0, min(Int(clamping: count), source.count - offset))
    offset += step
    return Int64(step)
  }
}
