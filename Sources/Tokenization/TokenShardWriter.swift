import Basics

/// Writes a token shard as a stream: examples as they come, the tables and blocks at the end.
///
/// The same examples in the same order give the same bytes. The file has its name only once it is whole.
package final class TokenShardWriter {
  private let file: AtomicFile
  private var hasher = SHA256()
  private let maxSequenceLength: Int
  private let vocabularySize: Int
  private var lengths: [UInt32] = []
  private var trainedCounts: [UInt32] = []
  private var offset = 0

  /// What was written.
  package struct Summary: Sendable, Equatable {
    package let examples: Int
    package let blocks: Int
    package let tokens: Int
    package let trainedTokens: Int
  }

  /// - Parameter tokenizer: the digest of the tokenizer's `tokenizerJSON()`.
  package init(_ path: FilePath, tokenizer: Digest, vocabularySize: Int, maxSequenceLength: Int)
    throws(TokenShardError)
  {
    guard (1...TokenShardLayout.longestSequence).contains(maxSequenceLength), vocabularySize > 0,
      vocabularySize <= Int(Int32.max)
    else {
      throw TokenShardError(
        Problem(
          "max_seq_length must be 1 to \(TokenShardLayout.longestSequence) and the vocabulary not empty",
          value: "\(maxSequenceLength), vocabulary of \(vocabularySize)"))
    }
    self.maxSequenceLength = maxSequenceLength
    self.vocabularySize = vocabularySize
    file = try TokenShardError.wrapping { () throws(FileError) in try AtomicFile(path) }
    var header = TokenShardLayout.headerMagic
    TokenShardLayout.append(TokenShardLayout.version, to: &header)
    TokenShardLayout.append(UInt32(maxSequenceLength), to: &header)
    TokenShardLayout.append(UInt32(vocabularySize), to: &header)
    header += Array(repeating: 0, count: 12)
    header += TokenShardLayout.bytes(ofHex: tokenizer.hex)
    try write(header)
  }

  package func append(_ example: EncodedExample) throws(TokenShardError) {
    let count = example.ids.count
    guard (1...maxSequenceLength).contains(count), example.trained.count == count else {
      throw fault("an example must have 1 to \(maxSequenceLength) tokens, each with its flag", "\(count)")
    }
    guard lengths.count < TokenShardLayout.mostExamples else { throw fault("too many examples", "\(lengths.count)") }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(TokenShardLayout.size(of: count))
    for id in example.ids {
      guard id >= 0, Int(id) < vocabularySize else { throw fault("an id outside the vocabulary", "\(id)") }
      TokenShardLayout.append(UInt32(bitPattern: id), to: &bytes)
    }
    var bits = [UInt8](repeating: 0, count: TokenShardLayout.size(of: count) - bytes.count)
    for (index, isTrained) in example.trained.enumerated() where isTrained { bits[index / 8] |= 1 << UInt8(index % 8) }
    try write(bytes + bits)
    lengths.append(UInt32(count))
    trainedCounts.append(UInt32(example.trainedCount))
  }

  /// Packs the examples into blocks, writes the tables, and gives the file its name.
  package func finish(packing: Bool) throws(TokenShardError) -> Summary {
    let blocks = Packer(maxSequenceLength: maxSequenceLength, packing: packing).blocks(of: lengths.map { Int($0) })
    let tableOffset = offset
    try writeTable(lengths)
    try writeTable(trainedCounts)
    try writeTable(blocks.map { UInt32($0.count) })
    try writeTable(blocks.joined().map { UInt32($0) })
    let summary = Summary(
      examples: lengths.count, blocks: blocks.count, tokens: lengths.reduce(0) { $0 + Int($1) },
      trainedTokens: trainedCounts.reduce(0) { $0 + Int($1) })
    var trailer: [UInt8] = []
    for value in [summary.examples, summary.blocks, summary.tokens, summary.trainedTokens, tableOffset] {
      TokenShardLayout.append(UInt64(value), to: &trailer)
    }
    try write(trailer + TokenShardLayout.trailerMagic)
    var finished = SHA256()
    swap(&finished, &hasher)
    let digest = TokenShardLayout.bytes(ofHex: finished.finish().hex)
    try TokenShardError.wrapping { () throws(FileError) in
      try file.write(digest)
      try file.publish()
    }
    return summary
  }

  private func writeTable(_ values: [UInt32]) throws(TokenShardError) {
    var start = 0
    while start < values.count {
      var bytes: [UInt8] = []
      for value in values[start..<min(start + (1 << 16), values.count)] { TokenShardLayout.append(value, to: &bytes) }
      try write(bytes)
      start += 1 << 16
    }
  }

  private func write(_ bytes: [UInt8]) throws(TokenShardError) {
    hasher.update(bytes)
    offset += bytes.count
    try TokenShardError.wrapping { () throws(FileError) in try file.write(bytes) }
  }

  private func fault(_ what: String, _ value: String) -> TokenShardError {
    TokenShardError(Problem(what, at: file.path.display, value: value))
  }
}
