import Basics

/// Tokens of a micro-batch as the programs take them: examples one behind the other, no padding between them.
package struct MicroBatch: Sendable, Equatable {
  package var ids: [Int32] = []
  package var targets: [Int32] = []
  package var positions: [Int32] = []
  package var segments: [Int32] = []
  /// Tokens of the examples, without the padding behind them.
  package private(set) var tokenCount = 0
  /// Targets: this micro-batch's share of N.
  package private(set) var targetCount = 0

  /// The label that is ignored.
  package static let ignored: Int32 = -100

  /// Flattens `examples` and pads them to the bucket of their length.
  ///
  /// Padding is a segment of its own behind all others, so nothing sees it, and it has no targets.
  package init(_ examples: [TrainingExample], vocabularySize: Int) throws(TrainingError) {
    for example in examples { try append(example, vocabularySize: vocabularySize) }
    tokenCount = ids.count
    pad(to: MicroBatch.bucket(tokenCount))
  }

  /// Tokens that a micro-batch of `count` tokens is rounded up to, so that few shapes exist: in steps of 8 for up to
  /// 256 tokens, beyond that by at most a sixteenth.
  package static func bucket(_ count: Int) -> Int {
    var step = 8
    while step * 32 <= count - 1, step < 1024 { step *= 2 }
    return max(1, (count + step - 1) / step) * step
  }

  private mutating func append(_ example: TrainingExample, vocabularySize: Int) throws(TrainingError) {
    guard example.isWellFormed else {
      throw TrainingError("an example's ids, targets and segments do not fit together")
    }
    for id in example.ids where id < 0 || id >= vocabularySize {
      throw TrainingError(
        "a token id is outside the model's vocabulary of \(vocabularySize)", value: "\(id)",
        remedy: "tokenize with the model's own tokenizer")
    }
    let bounds = example.segmentStarts + [example.ids.count]
    for (start, end) in zip(bounds, bounds.dropFirst()) {
      let base = Int32(ids.count)
      for index in start..<end {
        ids.append(example.ids[index])
        let next = index + 1
        let predicts = next < end && example.isTarget[next]
        targets.append(predicts ? example.ids[next] : MicroBatch.ignored)
        if predicts { targetCount += 1 }
        positions.append(Int32(index - start))
        segments.append(base)
      }
    }
  }

  /// Padding tokens see only themselves: each is its own segment, which costs attention nothing.
  private mutating func pad(to count: Int) {
    while ids.count < count {
      segments.append(Int32(ids.count))
      ids.append(0)
      targets.append(MicroBatch.ignored)
      positions.append(0)
    }
  }
}
