import Basics
import Foundation
import Models
import Tensors

/// Log-probabilities of a request's scored ids.
package struct SequenceScore: Sendable, Equatable {
  /// One log-probability for each scored id, in order.
  package var logProbabilities: [Double]
  /// Whether every scored id was the likeliest one.
  package var isGreedy: Bool

  /// Sum over the scored ids.
  package var sum: Double { logProbabilities.reduce(0, +) }
}

/// One of the likeliest next ids.
package struct Candidate: Sendable, Equatable {
  package let id: Int32
  package let logit: Double
  package let logProbability: Double
}

extension LanguageModel {
  /// Tokens that one pass takes at most, unless a single request is longer.
  private static let tokensAtOnce = 1024

  /// Scores requests, many to a pass: each is a packed segment, so none sees another.
  func score(_ requests: [EncodedRequest], done: (Int) throws(EvaluationError) -> Void = { _ in })
    throws(EvaluationError) -> [SequenceScore]
  {
    var scores = [SequenceScore](
      repeating: SequenceScore(logProbabilities: [], isGreedy: true), count: requests.count)
    // The longest first: the first pass makes the largest arena, and neighbours are alike.
    let order = requests.indices.sorted { (requests[$1].ids.count, $0) < (requests[$0].ids.count, $1) }
    var batch: [Int] = []
    var tokens = 0
    var finished = 0
    for index in order {
      let count = max(1, requests[index].ids.count - 1)
      if !batch.isEmpty, tokens + count > LanguageModel.tokensAtOnce {
        try run(batch, requests, into: &scores)
        finished += batch.count
        try done(finished)
        batch = []
        tokens = 0
      }
      batch.append(index)
      tokens += count
    }
    if !batch.isEmpty {
      try run(batch, requests, into: &scores)
      try done(requests.count)
    }
    return scores
  }

  private func run(
    _ batch: [Int], _ requests: [EncodedRequest], into scores: inout [SequenceScore]
  ) throws(EvaluationError) {
    var ids: [Int32] = []
    var positions: [Int32] = []
    var segments: [Int32] = []
    var rows: [Int32] = []
    var targets: [Int32] = []
    for index in batch {
      let request = requests[index]
      let start = ids.count
      let fed = request.ids.dropLast()
      ids += fed
      positions += (0..<fed.count).map { Int32($0) }
      segments += repeatElement(Int32(start), count: fed.count)
      let first = request.ids.count - request.scored
      for place in first..<request.ids.count {
        rows.append(Int32(start + place - 1))
        targets.append(request.ids[place])
      }
    }
    if rows.isEmpty { return }
    let tokenCount = Bucket.size(ids.count)
    let rowCount = Bucket.size(rows.count)
    let pass = try loaded("score \(tokenCount) \(rowCount)") {
      config.scoringPass(tokens: tokenCount, scoredRows: rowCount, positions: maximumLength)
    }
    while ids.count < tokenCount {
      segments.append(Int32(ids.count))
      ids.append(0)
      positions.append(0)
    }
    let padding = rowCount - rows.count
    pass.loaded.write(ids, to: pass.layout.ids)
    pass.loaded.write(positions, to: pass.layout.positions)
    pass.loaded.write(segments, to: pass.layout.segments)
    pass.loaded.write(rows + [Int32](repeating: -1, count: padding), to: pass.layout.rows)
    pass.loaded.write(targets + [Int32](repeating: -100, count: padding), to: pass.layout.targets)
    try pass.run()
    let logProbabilities = pass.loaded.read(pass.layout.logProbability, as: Double.self, initial: 0)
    let best = pass.loaded.read(pass.layout.best, as: Int32.self, initial: 0)
    var row = 0
    for index in batch {
      for place in row..<row + requests[index].scored {
        guard logProbabilities[place].isFinite else {
          throw EvaluationError(
            "the model gives a log-probability that is not finite", value: "\(logProbabilities[place])",
            remedy: "its weights are damaged, or its training diverged")
        }
        scores[index].logProbabilities.append(logProbabilities[place])
        if best[place] != targets[place] { scores[index].isGreedy = false }
      }
      row += requests[index].scored
    }
  }

  /// Log-probabilities of ids 1… of `ids`, and the `top` likeliest ids for the position after the last one.
  package func score(ids: [Int32], top: Int) throws(EvaluationError) -> (SequenceScore, [Candidate]) {
    guard !ids.isEmpty else { throw EvaluationError("no ids to score") }
    guard ids.count <= maximumLength else {
      throw EvaluationError(
        "\(ids.count) ids are more than the model's length of \(maximumLength)", remedy: "shorten the text")
    }
    if let wrong = ids.first(where: { $0 < 0 || Int($0) >= config.vocabularySize }) {
      throw EvaluationError("an id outside the vocabulary of \(config.vocabularySize)", value: "\(wrong)")
    }
    let score =
      ids.count == 1
      ? SequenceScore(logProbabilities: [], isGreedy: true)
      : try score([EncodedRequest(ids: ids, scored: ids.count - 1)])[0]
    return (score, top > 0 ? try candidates(after: ids, top) : [])
  }

  private func candidates(after ids: [Int32], _ top: Int) throws(EvaluationError) -> [Candidate] {
    let tokenCount = Bucket.size(ids.count)
    let pass = try loaded("last \(tokenCount)") {
      config.scoringPass(tokens: tokenCount, scoredRows: 1, keepLogits: true, positions: maximumLength)
    }
    guard let logitsTensor = pass.layout.logits else { return [] }
    let padding = tokenCount - ids.count
    let zeros = [Int32](repeating: 0, count: padding)
    pass.loaded.write(ids + zeros, to: pass.layout.ids)
    pass.loaded.write((0..<ids.count).map { Int32($0) } + zeros, to: pass.layout.positions)
    let segments = [Int32](repeating: 0, count: ids.count) + (ids.count..<tokenCount).map { Int32($0) }
    pass.loaded.write(segments, to: pass.layout.segments)
    pass.loaded.write([Int32(ids.count - 1)], to: pass.layout.rows)
    pass.loaded.write([Int32(-100)], to: pass.layout.targets)
    try pass.run()
    let logits = pass.loaded.read(logitsTensor, as: Float.self, initial: 0)
    return LanguageModel.candidates(logits, top)
  }

  /// The `top` largest logits (the lowest id first among equals) with their log-softmax in f64.
  static func candidates(_ logits: [Float], _ top: Int) -> [Candidate] {
    let largest = logits.max().map(Double.init) ?? 0
    let sum = logits.reduce(0.0) { $0 + exp(Double($1) - largest) }
    let normaliser = largest + log(sum)
    let order = logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }
    return order.prefix(top).map { index in
      Candidate(id: Int32(index), logit: Double(logits[index]), logProbability: Double(logits[index]) - normaliser)
    }
  }
}
