import Basics

/// Examples as tokens in one file, read block by block with little memory.
///
/// Opening checks everything but the ids: sizes, tables, counts and the digest of the bytes; reading a block checks its
/// ids. A file that was cut, changed or never finished is refused.
package final class TokenShard: Sendable {
  /// One block: examples one behind the other, which must not see each other.
  package struct Block: Sendable, Equatable {
    package var ids: [Int32]
    /// Whether each token is to be predicted; never the first of a segment.
    package var trained: [Bool]
    /// Index of each segment's first token, ascending from 0.
    package var segmentStarts: [Int]
  }

  package let path: FilePath
  /// Digest of the tokenizer's `tokenizerJSON()`.
  package let tokenizer: Digest
  package let vocabularySize: Int
  package let maxSequenceLength: Int
  package let tokenCount: Int
  package let trainedTokenCount: Int
  /// Digest of the shard's bytes, as its trailer states it.
  package let digest: Digest
  private let file: File
  private let lengths: [UInt32]
  private let trainedCounts: [UInt32]
  private let offsets: [Int]
  /// Where each block's examples begin in `blockExamples`, and the end.
  private let blockStarts: [Int]
  private let blockExamples: [UInt32]

  package var exampleCount: Int { lengths.count }
  package var blockCount: Int { blockStarts.count - 1 }
  /// Share of the blocks' room that tokens fill.
  package var packingEfficiency: Double {
    blockCount == 0 ? 0 : Double(tokenCount) / (Double(blockCount) * Double(maxSequenceLength))
  }

  package init(_ path: FilePath) throws(TokenShardError) {
    let reader = try TokenShardReader(path)
    self.path = path
    file = reader.file
    tokenizer = reader.tokenizer
    digest = reader.digest
    vocabularySize = reader.vocabularySize
    maxSequenceLength = reader.maxSequenceLength
    tokenCount = reader.tokenCount
    trainedTokenCount = reader.trainedCount
    lengths = reader.lengths
    trainedCounts = reader.trainedCounts
    offsets = reader.offsets
    blockStarts = reader.blockStarts
    blockExamples = reader.blockExamples
  }

  /// The examples in block `index`, in order.
  package func examples(ofBlock index: Int) -> [Int] {
    blockExamples[blockStarts[index]..<blockStarts[index + 1]].map { Int($0) }
  }

  /// Tokens in block `index`.
  package func tokens(ofBlock index: Int) -> Int { sum(lengths, index) }
  /// Tokens to be predicted in block `index`.
  package func trainedTokens(ofBlock index: Int) -> Int { sum(trainedCounts, index) }
  /// Tokens of the longest segment in block `index`.
  package func longestSegment(ofBlock index: Int) -> Int {
    examples(ofBlock: index).map { Int(lengths[$0]) }.max() ?? 0
  }

  private func sum(_ table: [UInt32], _ index: Int) -> Int {
    blockExamples[blockStarts[index]..<blockStarts[index + 1]].reduce(0) { $0 + Int(table[Int($1)]) }
  }

  /// Reads block `index`.
  package func block(_ index: Int) throws(TokenShardError) -> Block {
    guard index >= 0, index < blockCount else {
      throw TokenShardError("no block \(index) among \(blockCount)", at: path)
    }
    var block = Block(ids: [], trained: [], segmentStarts: [])
    for example in examples(ofBlock: index) {
      block.segmentStarts.append(block.ids.count)
      let read = try self.example(example)
      block.ids += read.ids
      block.trained += read.trained
    }
    return block
  }

  /// Reads example `index`.
  package func example(_ index: Int) throws(TokenShardError) -> EncodedExample {
    guard lengths.indices.contains(index) else {
      throw TokenShardError("no example \(index) among \(exampleCount)", at: path)
    }
    let count = Int(lengths[index])
    let bytes = try TokenShardReader.read(file, at: offsets[index], count: TokenShardLayout.size(of: count))
    var ids: [Int32] = []
    var trained: [Bool] = []
    ids.reserveCapacity(count)
    trained.reserveCapacity(count)
    for place in 0..<count {
      let id = TokenShardLayout.u32(bytes, place * 4)
      guard id < vocabularySize else { throw TokenShardError("an id outside the vocabulary", at: path, value: "\(id)") }
      ids.append(Int32(id))
      trained.append(bytes[count * 4 + place / 8] >> UInt8(place % 8) & 1 == 1)
    }
    let example = EncodedExample(ids: ids, trained: trained)
    guard !trained[0], example.trainedCount == Int(trainedCounts[index]) else {
      throw TokenShardError("the flags of example \(index) do not match their count", at: path)
    }
    return example
  }
}
