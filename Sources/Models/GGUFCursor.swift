import Basics

/// Reads little-endian values from a GGUF file in order, a piece at a time; every length is checked against what the
/// file still holds before anything is allocated.
struct GGUFCursor {
  private let file: File
  let fileSize: Int
  /// Offset in the file of the next byte.
  private(set) var position = 0
  private var piece: [UInt8] = []
  private var pieceStart = 0

  init(_ file: File, size: Int) {
    self.file = file
    fileSize = size
  }

  var remaining: Int { fileSize - position }
  /// The name of the file, for messages.
  var description: String { file.path.display }
  private var place: String { "\(description), byte \(position)" }

  func error(_ what: String, value: String? = nil) -> ModelError {
    ModelError(what, at: place, value: value, remedy: "the file is damaged or not a GGUF file; fetch it again")
  }

  /// Throws unless `count` more bytes are there; `what` needs them.
  func need(_ count: Int, for what: String) throws(ModelError) {
    guard count <= remaining else {
      throw error("the file is truncated: \(what) needs \(count) bytes", value: "\(remaining) left of \(fileSize)")
    }
  }

  mutating func integer<T: FixedWidthInteger>(_ type: T.Type, _ what: String) throws(ModelError) -> T {
    let width = T.bitWidth / 8
    let start = try take(width, for: what)
    var value: T = 0
    for index in 0..<width { value |= T(truncatingIfNeeded: piece[start + index]) << T(8 * index) }
    return value
  }

  /// A length or a count: a 64-bit value that must not pass `limit`.
  mutating func count(limit: Int, _ what: String) throws(ModelError) -> Int {
    let value = try integer(UInt64.self, what)
    guard value <= UInt64(limit) else {
      position -= 8
      throw error(
        "\(what) is absurd, or the file truncated: at most \(limit) fits in its \(fileSize) bytes", value: "\(value)")
    }
    return Int(value)
  }

  /// A string of bytes with its 64-bit length in front.
  mutating func string(limit: Int, _ what: String) throws(ModelError) -> String {
    let length = try count(limit: limit, "the length of \(what)")
    let start = try take(length, for: what)
    guard let text = String(validating: piece[start..<start + length], as: UTF8.self) else {
      throw error("\(what) is not valid UTF-8")
    }
    return text
  }

  /// Makes `count` bytes available in `piece` and steps over them; returns where they start in it.
  private mutating func take(_ count: Int, for what: String) throws(ModelError) -> Int {
    try need(count, for: what)
    let offset = position - pieceStart
    if offset < 0 || offset + count > piece.count {
      let wanted = min(max(count, 1 << 20), remaining)
      if piece.count != wanted { piece = [UInt8](repeating: 0, count: wanted) }
      let result: Result<Int, FileError> = unsafe piece.withUnsafeMutableBytes { buffer in
        Result { () throws(FileError) -> Int in unsafe try file.read(into: buffer, at: position) }
      }
      do {
        guard try result.get() == wanted else { throw error("the file became shorter while it was read") }
      } catch let problem as FileError { throw ModelError(problem.problem) } catch let problem as ModelError {
        throw problem
      } catch { throw ModelError("\(error)") }
      pieceStart = position
    }
    defer { position += count }
    return position - pieceStart
  }
}
