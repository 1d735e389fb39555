import Basics

/// What became of a data set's rows.
package struct TokenStatistics: Sendable, Equatable {
  package private(set) var rows = 0
  package private(set) var examples = 0
  package private(set) var tokens = 0
  package private(set) var trainedTokens = 0
  /// Rows that lost their last turns to `max_seq_length`.
  package private(set) var cut = 0
  /// Blocks of long texts that were left out, since nothing of them would be learned.
  package private(set) var leftOut = 0
  package private(set) var longest = 0
  package private(set) var drops: [RowDrop: Int] = [:]
  /// Examples by length: the n-th counts those of 2^n to 2^(n+1) - 1 tokens.
  package private(set) var lengths: [Int] = []

  package init() {}

  package var dropped: Int { drops.values.reduce(0, +) }

  package mutating func add(_ row: EncodedRow) {
    rows += 1
    switch row {
    case .dropped(let reason, _): drops[reason, default: 0] += 1
    case .examples(let examples, let isCut, let leftOut):
      if isCut { cut += 1 }
      self.leftOut += leftOut
      for example in examples { add(example) }
    }
  }

  private mutating func add(_ example: EncodedExample) {
    examples += 1
    tokens += example.ids.count
    trainedTokens += example.trainedCount
    longest = max(longest, example.ids.count)
    let bucket = Int.bitWidth - 1 - max(1, example.ids.count).leadingZeroBitCount
    while lengths.count <= bucket { lengths.append(0) }
    lengths[bucket] += 1
  }

  /// The figures as a report has them; `blocks` is the number of blocks the examples were packed into.
  package func json(blocks: Int, maxSequenceLength: Int) -> JSON {
    let reasons = RowDrop.allCases.compactMap { reason in drops[reason].map { (key: reason.rawValue, value: JSON($0)) }
    }
    let histogram = lengths.enumerated().filter { $0.element > 0 }.map { bucket, count in
      (key: "\(1 << bucket)-\((2 << bucket) - 1)", value: JSON(count))
    }
    let room = Double(blocks) * Double(maxSequenceLength)
    return [
      "rows": JSON(rows), "examples": JSON(examples), "tokens": JSON(tokens), "trained_tokens": JSON(trainedTokens),
      "blocks": JSON(blocks), "max_seq_length": JSON(maxSequenceLength), "longest": JSON(longest), "cut": JSON(cut),
      "left_out": JSON(leftOut),
      "dropped": .object(JSON.Object(reasons)), "lengths": .object(JSON.Object(histogram)),
      "packing_efficiency": room > 0 ? JSON(Double(tokens) / room) : .null,
    ]
  }
}
