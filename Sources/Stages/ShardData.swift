import Basics
import Models
import Tokenization
import Training

/// Names inside a token folder.
enum TokenFolder {
  static let shardName = "tokens.shard"
}

/// The blocks of a token folder as training data, with the tokenizer they were made with.
package struct ShardData: TrainingData {
  package let tokenizer: Tokenizer
  /// The chat template the tokens were rendered with.
  package let template: String?
  private let shard: TokenShard
  private let folder: FilePath

  package init(folder: FilePath) throws {
    self.folder = folder
    shard = try TokenShard(folder.appending(TokenFolder.shardName))
    tokenizer = try Tokenizer.load(folder: folder)
    template = try ModelFiles.chatTemplate(folder: folder)
  }

  package var count: Int { shard.blockCount }
  package var tokenCount: Int { shard.tokenCount }
  package var maxSequenceLength: Int { shard.maxSequenceLength }

  package func size(of index: Int) -> ExampleSize {
    ExampleSize(
      tokens: shard.tokens(ofBlock: index), targets: shard.trainedTokens(ofBlock: index),
      longestSegment: shard.longestSegment(ofBlock: index))
  }

  package func example(_ index: Int) throws -> TrainingExample {
    let block = try shard.block(index)
    return TrainingExample(ids: block.ids, isTarget: block.trained, segmentStarts: block.segmentStarts)
  }

  /// Throws when the tokens do not fit a model: another tokenizer than its own, or sequences beyond its length.
  func check(against model: Tokenizer, config: ModelConfig, model reference: String) throws {
    guard shard.tokenizer == Digest(of: model.tokenizerJSON()) else {
      throw StageError(
        "the tokens were made with another tokenizer than that of the model", at: folder.display, value: reference,
        remedy: "tokenize with the model's own tokenizer: tokenizer: \"\(reference)\"")
    }
    guard shard.vocabularySize <= config.vocabularySize else {
      throw StageError(
        "the tokens need a vocabulary of \(shard.vocabularySize), the model has \(config.vocabularySize)",
        at: folder.display, remedy: "tokenize with the model's own tokenizer")
    }
    try SequenceLength.check(shard.maxSequenceLength, config: config, model: reference)
  }
}

/// The bound a model sets to sequences.
enum SequenceLength {
  static func check(_ length: Int, config: ModelConfig, model reference: String) throws {
    guard length <= config.maxPositionEmbeddings else {
      throw StageError(
        "max_seq_length is above the model's \(config.maxPositionEmbeddings) positions", at: reference,
        value: "\(length)", remedy: "tokenize with max_seq_length: \(config.maxPositionEmbeddings) or less")
    }
  }
}
