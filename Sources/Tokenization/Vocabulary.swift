import Basics

/// The pieces of a tokenizer: their spellings in its file, and the bytes they stand for.
struct Vocabulary: Sendable {
  /// Most ids that are accepted.
  static let largest = 1 << 20

  /// Spellings in the file, by id.
  var names = PieceTable()
  /// Bytes that each token stands for when text is decoded, by id.
  var texts = PieceTable()

  /// One more than the largest id.
  var count: Int { max(names.count, texts.count) }
}

/// The single tokens that a tokenizer names, and what it puts around a text.
struct TokenFrame: Sendable, Equatable {
  var bos: Int32?
  var eos: Int32?
  var pad: Int32?
  var unknown: Int32?
  /// What `encode(bos: nil)` puts before a text.
  var prefix: [Int32] = []
  /// What it puts behind it.
  var suffix: [Int32] = []
}
