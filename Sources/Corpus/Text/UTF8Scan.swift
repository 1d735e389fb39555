/// Scanning of UTF-8 bytes.
@safe struct UTF8Scan {
  /// Runs of bytes outside ASCII that are well-formed throughout.
  private(set) var soundRuns = 0
  /// Runs that hold a byte that belongs to no well-formed sequence.
  private(set) var brokenRuns = 0
  /// Offset of the first stray byte.
  private(set) var firstStray: Int?
  /// Whether the run being scanned is broken; nil between runs.
  private var runIsBroken: Bool?

  /// Scans `bytes`, which begin at `offset` of the text. Unless `isLast`, a sequence cut off at the end is left
  /// alone; returns the count of bytes scanned.
  mutating func scan(_ bytes: UnsafeRawBufferPointer, at offset: Int, isLast: Bool) -> Int {
    var index = 0
    let end = bytes.count
    while index < end {
      if unsafe bytes[index] < 0x80 {
        closeRun()
        index = unsafe UTF8Scan.skipASCII(bytes, from: index)
        continue
      }
      if runIsBroken == nil { runIsBroken = false }
      let length = unsafe UTF8Scan.sequenceLength(bytes, at: index)
      if length > 0 {
        index += length
      } else if !isLast, end - index < 4, unsafe UTF8Scan.mayContinue(bytes, at: index) {
        break
      } else {
        runIsBroken = true
        if firstStray == nil { firstStray = offset + index }
        index += 1
      }
    }
    if isLast { closeRun() }
    return index
  }

  private mutating func closeRun() {
    guard let broken = runIsBroken else { return }
    if broken { brokenRuns += 1 } else { soundRuns += 1 }
    runIsBroken = nil
  }

  /// The first place at or after `start` that holds no ASCII byte.
  static func skipASCII(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
    var index = start
    let end = bytes.count
    while index + 8 <= end {
      if unsafe bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 != 0 { break }
      index += 8
    }
    while index < end, unsafe bytes[index] < 0x80 { index += 1 }
    return index
  }

  /// Length of the well-formed sequence at `index`, 0 if there is none (Unicode, table 3-7).
  static func sequenceLength(_ bytes: UnsafeRawBufferPointer, at index: Int) -> Int {
    let lead = unsafe bytes[index]
    let left = bytes.count - index
    func follows(_ step: Int, _ range: ClosedRange<UInt8> = 0x80...0xBF) -> Bool {
      unsafe step < left && range.contains(bytes[index + step])
    }
    switch lead {
    case 0..<0x80: return 1
    case 0xC2...0xDF: return follows(1) ? 2 : 0
    case 0xE0: return follows(1, 0xA0...0xBF) && follows(2) ? 3 : 0
    case 0xED: return follows(1, 0x80...0x9F) && follows(2) ? 3 : 0
    case 0xE1...0xEF: return follows(1) && follows(2) ? 3 : 0
    case 0xF0: return follows(1, 0x90...0xBF) && follows(2) && follows(3) ? 4 : 0
    case 0xF1...0xF3: return follows(1) && follows(2) && follows(3) ? 4 : 0
    case 0xF4: return follows(1, 0x80...0x8F) && follows(2) && follows(3) ? 4 : 0
    default: return 0
    }
  }

  /// Whether the bytes from `index` to the end may be the beginning of a sequence.
  private static func mayContinue(_ bytes: UnsafeRawBufferPointer, at index: Int) -> Bool {
    unsafe bytes[index] >= 0xC2 && bytes[index] <= 0xF4
      && bytes[(index + 1)...].allSatisfy { $0 & 0xC0 == 0x80 }
  }

  /// Whether all of `bytes` is well-formed.
  static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var scan = UTF8Scan()
    _ = unsafe scan.scan(bytes, at: 0, isLast: true)
    return scan.firstStray == nil
  }

  /// The scalar at `index` of well-formed text, and its length.
  static func scalar(_ bytes: UnsafeRawBufferPointer, at index: Int) -> (value: UInt32, length: Int) {
    let lead = unsafe UInt32(bytes[index])
    if lead < 0x80 { return (lead, 1) }
    func next(_ step: Int) -> UInt32 {
      unsafe index + step < bytes.count ? UInt32(bytes[index + step] & 0x3F) : 0
    }
    if lead < 0xE0 { return ((lead & 0x1F) << 6 | next(1), 2) }
    if lead < 0xF0 { return ((lead & 0x0F) << 12 | next(1) << 6 | next(2), 3) }
    return ((lead & 0x07) << 18 | next(1) << 12 | next(2) << 6 | next(3), 4)
  }
}
