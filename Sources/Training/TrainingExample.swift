import Basics

/// One example: token ids, which of them are to be learned, and where its segments begin.
///
/// A packed block is an example with several segments; they never see each other.
package struct TrainingExample: Sendable, Equatable {
  package var ids: [Int32]
  /// Whether each token is to be predicted from those before it in its segment; a segment's first token never is.
  package var isTarget: [Bool]
  /// Index of the first token of each segment, ascending from 0.
  package var segmentStarts: [Int]

  package init(ids: [Int32], isTarget: [Bool], segmentStarts: [Int] = [0]) {
    self.ids = ids
    self.isTarget = isTarget
    self.segmentStarts = segmentStarts
  }

  /// Whether the parts fit together.
  package var isWellFormed: Bool {
    !ids.isEmpty && isTarget.count == ids.count && segmentStarts.first == 0
      && zip(segmentStarts, segmentStarts.dropFirst()).allSatisfy(<) && (segmentStarts.last ?? 0) < ids.count
  }

  /// Tokens that are predicted.
  package var targetCount: Int {
    var count = isTarget.reduce(0) { $0 + ($1 ? 1 : 0) }
    for start in segmentStarts where isTarget[start] { count -= 1 }
    return count
  }

  /// Tokens of the longest segment.
  package var longestSegment: Int {
    zip(segmentStarts, segmentStarts.dropFirst() + [ids.count]).map { $1 - $0 }.max() ?? 0
  }

  /// The first `count` tokens.
  package func prefix(_ count: Int) -> TrainingExample {
    guard count < ids.count else { return self }
    return TrainingExample(
      ids: Array(ids[..<count]), isTarget: Array(isTarget[..<count]),
      segmentStarts: segmentStarts.filter { $0 < count })
  }
}

/// Size of an example without its tokens.
package struct ExampleSize: Sendable, Equatable {
  package var tokens: Int
  package var targets: Int
  package var longestSegment: Int

  package init(tokens: Int, targets: Int, longestSegment: Int) {
    self.tokens = tokens
    self.targets = targets
    self.longestSegment = longestSegment
  }
}

/// Examples to train on, wherever they lie.
package protocol TrainingData: Sendable {
  var count: Int { get }
  /// Cheap: called for every example before training starts.
  func size(of index: Int) -> ExampleSize
  func example(_ index: Int) throws -> TrainingExample
}

/// Examples in memory.
package struct ExampleList: TrainingData {
  package let examples: [TrainingExample]
  private let sizes: [ExampleSize]

  package init(_ examples: [TrainingExample]) {
    self.examples = examples
    sizes = examples.map {
      $0.isWellFormed
        ? ExampleSize(tokens: $0.ids.count, targets: $0.targetCount, longestSegment: $0.longestSegment)
        : ExampleSize(tokens: 0, targets: 0, longestSegment: 0)
    }
  }

  package var count: Int { examples.count }
  package func size(of index: Int) -> ExampleSize { sizes[index] }
  package func example(_ index: Int) -> TrainingExample { examples[index] }
}
