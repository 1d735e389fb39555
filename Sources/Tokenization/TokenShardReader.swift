import Basics

/// Reads and checks a shard's header, tables and trailer.
struct TokenShardReader {
  let file: File
  private(set) var tokenizer = Digest(of: "")
  private(set) var digest = Digest(of: "")
  private(set) var vocabularySize = 0
  private(set) var maxSequenceLength = 0
  private(set) var tokenCount = 0
  private(set) var trainedCount = 0
  private(set) var lengths: [UInt32] = []
  private(set) var trainedCounts: [UInt32] = []
  private(set) var offsets: [Int] = []
  private(set) var blockStarts: [Int] = [0]
  private(set) var blockExamples: [UInt32] = []

  init(_ path: FilePath) throws(TokenShardError) {
    let file = try TokenShardError.wrapping { () throws(FileError) in try File(reading: path) }
    self.file = file
    let size = try TokenShardError.wrapping { () throws(FileError) in try file.size() }
    let (headerSize, trailerSize) = (TokenShardLayout.headerSize, TokenShardLayout.trailerSize)
    guard size >= headerSize + trailerSize else { throw fault("the file is too short", "\(size) bytes") }
    try readHeader(try Self.read(file, at: 0, count: headerSize))
    let trailer = try Self.read(file, at: size - trailerSize, count: trailerSize)
    guard trailer[40..<48].elementsEqual(TokenShardLayout.trailerMagic) else {
      throw fault("the file does not end as a token shard", nil)
    }
    let values = (0..<5).map { Int(clamping: TokenShardLayout.u64(trailer, $0 * 8)) }
    try readTables(examples: values[0], blocks: values[1], from: values[4], to: size - trailerSize)
    guard tokenCount == values[2], trainedCount == values[3] else {
      throw fault("the counts do not match the tables", "\(values[2]), \(values[3])")
    }
    let stated = TokenShardLayout.hex(trailer[48...])
    guard let digest = Digest(hex: stated), try Self.digest(of: file, count: size - 32) == digest else {
      throw fault("the bytes do not match their digest", stated)
    }
    self.digest = digest
  }

  private func fault(_ what: String, _ value: String?) -> TokenShardError {
    TokenShardError(what, at: file.path, value: value)
  }

  private mutating func readHeader(_ header: [UInt8]) throws(TokenShardError) {
    guard header.starts(with: TokenShardLayout.headerMagic) else { throw fault("not a token shard", nil) }
    let version = TokenShardLayout.u32(header, 8)
    guard version == TokenShardLayout.version else { throw fault("an unknown version of token shard", "\(version)") }
    maxSequenceLength = Int(TokenShardLayout.u32(header, 12))
    vocabularySize = Int(TokenShardLayout.u32(header, 16))
    guard (1...TokenShardLayout.longestSequence).contains(maxSequenceLength), vocabularySize > 0,
      vocabularySize <= Int(Int32.max), header[20..<32].allSatisfy({ $0 == 0 }),
      let digest = Digest(hex: TokenShardLayout.hex(header[32...]))
    else { throw fault("a header out of bounds", nil) }
    tokenizer = digest
  }

  private mutating func readTables(examples: Int, blocks: Int, from start: Int, to end: Int) throws(TokenShardError) {
    guard examples >= 0, blocks >= 0, blocks <= examples, examples <= TokenShardLayout.mostExamples,
      start >= TokenShardLayout.headerSize, start <= end, end - start == (examples * 3 + blocks) * 4
    else { throw fault("tables out of bounds", "\(examples) examples, \(blocks) blocks at byte \(start)") }
    lengths = try table(examples, at: start)
    trainedCounts = try table(examples, at: start + examples * 4)
    let segments = try table(blocks, at: start + examples * 8)
    blockExamples = try table(examples, at: start + examples * 8 + blocks * 4)
    var offset = TokenShardLayout.headerSize
    offsets.reserveCapacity(examples)
    for (length, trained) in zip(lengths, trainedCounts) {
      guard length >= 1, length <= maxSequenceLength, trained < length else {
        throw fault("an example out of bounds", "\(length) tokens, \(trained) trained")
      }
      offsets.append(offset)
      offset += TokenShardLayout.size(of: Int(length))
      tokenCount += Int(length)
      trainedCount += Int(trained)
    }
    guard offset == start else { throw fault("the examples do not fill the file", "\(offset) of \(start) bytes") }
    try readBlocks(segments)
  }

  private mutating func readBlocks(_ segments: [UInt32]) throws(TokenShardError) {
    var seen = [Bool](repeating: false, count: lengths.count)
    var start = 0
    for count in segments {
      guard count >= 1, start + Int(count) <= blockExamples.count else {
        throw fault("a block of \(count) segments", nil)
      }
      var tokens = 0
      for example in blockExamples[start..<start + Int(count)] {
        guard Int(example) < seen.count, !seen[Int(example)] else {
          throw fault("an example twice, or one that is not there", "\(example)")
        }
        seen[Int(example)] = true
        tokens += Int(lengths[Int(example)])
      }
      guard tokens <= maxSequenceLength else {
        throw fault("a block longer than max_seq_length \(maxSequenceLength)", "\(tokens) tokens")
      }
      start += Int(count)
      blockStarts.append(start)
    }
    guard start == blockExamples.count else { throw fault("examples in no block", "\(blockExamples.count - start)") }
  }

  private func table(_ count: Int, at offset: Int) throws(TokenShardError) -> [UInt32] {
    var values: [UInt32] = []
    values.reserveCapacity(count)
    while values.count < count {
      let next = min(1 << 16, count - values.count)
      let bytes = try Self.read(file, at: offset + values.count * 4, count: next * 4)
      for index in 0..<next { values.append(TokenShardLayout.u32(bytes, index * 4)) }
    }
    return values
  }

  /// Exactly `count` bytes at `offset`.
  static func read(_ file: File, at offset: Int, count: Int) throws(TokenShardError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let result: Result<Int, FileError> = unsafe bytes.withUnsafeMutableBytes { buffer in
      Result { () throws(FileError) -> Int in unsafe try file.read(into: buffer, at: offset) }
    }
    let done = try TokenShardError.wrapping { () throws(FileError) in try result.get() }
    guard done == count else { throw TokenShardError("the file ends too early", at: file.path) }
    return bytes
  }

  private static func digest(of file: File, count: Int) throws(TokenShardError) -> Digest {
    var hasher = SHA256()
    var offset = 0
    while offset < count {
      let next = min(1 << 20, count - offset)
      hasher.update(try read(file, at: offset, count: next))
      offset += next
    }
    return hasher.finish()
  }
}
