import Basics
import Foundation

/// Converts a source to UTF-8 with iconv. Bytes that have no meaning become 0xFF, which no UTF-8 text holds, so that
/// the rows they stand in are refused later and no other.
enum Converter {
  static func isKnown(_ encoding: String) -> Bool {
    guard let handle = try? Handle(encoding, at: "") else { return false }
    _ = consume handle
    return true
  }

  /// All of `source` after its byte-order mark.
  static func convert(
    _ source: any ByteSource, from encoding: TextEncoding, at place: String
  ) throws(CorpusError) -> any ByteSource {
    let handle = try Handle(encoding.name, at: place)
    var spool = Spool()
    var offset = encoding.mark
    var rest: [UInt8] = []
    while true {
      let piece = try source.bytes(at: offset, count: 1 << 18)
      offset += piece.count
      let isLast = piece.isEmpty || offset >= source.count
      let output = handle.convert(rest + piece, isLast: isLast, rest: &rest)
      let result: Result<Void, CorpusError> = unsafe output.withUnsafeBytes { raw in
        Result { () throws(CorpusError) -> Void in unsafe try spool.append(raw) }
      }
      try result.get()
      if isLast { return try spool.finish() }
    }
  }

  /// A short text at once.
  static func convert(_ bytes: [UInt8], from encoding: String, at place: String) throws(CorpusError) -> [UInt8] {
    let handle = try Handle(encoding, at: place)
    var rest: [UInt8] = []
    return handle.convert(bytes, isLast: true, rest: &rest)
  }

  /// An open conversion.
  @safe private struct Handle: ~Copyable {
    private let handle: iconv_t
    /// Bytes to pass over after a fault: one unit of the encoding.
    private let unit: Int

    init(_ encoding: String, at place: String) throws(CorpusError) {
      let opened = unsafe iconv_open("UTF-8", encoding)
      guard let opened = unsafe opened, Int(bitPattern: opened) != -1 else {
        throw CorpusError(
          .option, "unknown character encoding", at: place, value: encoding,
          remedy: "name one that 'iconv -l' lists")
      }
      unsafe handle = opened
      unit = encoding.hasPrefix("UTF-16") ? 2 : encoding.hasPrefix("UTF-32") ? 4 : 1
    }

    deinit { unsafe iconv_close(handle) }

    /// The UTF-8 of `input`; an incomplete end is left in `rest` unless `isLast`.
    borrowing func convert(_ input: [UInt8], isLast: Bool, rest: inout [UInt8]) -> [UInt8] {
      var output: [UInt8] = []
      var source = input
      var target = [UInt8](repeating: 0, count: 1 << 16)
      var start = 0
      rest = []
      while start < source.count {
        var left = source.count - start
        var free = target.count
        let code = unsafe source.withUnsafeMutableBytes { from in
          unsafe target.withUnsafeMutableBytes { to in
            var input = unsafe from.baseAddress?.assumingMemoryBound(to: CChar.self).advanced(by: start)
            var output = unsafe to.baseAddress?.assumingMemoryBound(to: CChar.self)
            errno = 0
            return unsafe iconv(handle, &input, &left, &output, &free)
          }
        }
        let reason = errno
        output += target[..<(target.count - free)]
        start = source.count - left
        guard code == -1 else { continue }
        switch reason {
        case E2BIG: continue
        case EINVAL where !isLast:
          rest = Array(source[start...])
          return output
        default:
          output.append(0xFF)
          start += unit
        }
      }
      return output
    }
  }
}
