import Basics

/// What a model learns of each example.
package enum TrainOn: String, Sendable, CaseIterable {
  /// What the assistant says, and the token that ends its turn; of a prompt and completion the completion.
  case assistant
  /// Every token.
  case all
  /// The last thing that is said: the last assistant message, or the completion.
  case completion
}

/// Finds the bytes of a rendered conversation that are to be learned.
///
/// - A template with `{% generation %}` says itself what the assistant generates.
/// - Else these are the bytes that come from an assistant message, and the first control token that the template writes
///   behind them, before any other text from the row: the end of the turn. What the template writes between the
///   content and that token is not learned.
/// - Where a message has tool calls or reasoning, or the template writes its content in several parts, the words that
///   the template puts around the parts are the assistant's too (`<tool_call>`, `</think>`): its region is then one
///   piece, from behind what the template writes as generation prompt up to and with the end of the turn.
///
/// A token that straddles a boundary counts as what its first byte is.
struct LossMask {
  /// One assistant message in the rendered text.
  struct Turn {
    let message: Int
    /// Whether the template's words between the parts are the assistant's.
    let isStructured: Bool
    /// Where the assistant begins to speak, if known.
    var start: Int?
  }

  let rendered: RenderedChat
  let tokens: [Token]
  let tokenizer: Tokenizer

  /// By token: whether it is learned.
  func trained(_ turns: [Turn], onlyLast: Bool) -> [Bool] {
    let generated = rendered.spans.filter { $0.origin == .generation }
    if !generated.isEmpty {
      var ranges = generated.map { $0.start..<$0.end }
      if onlyLast, let last = turns.last {
        let own = generated.filter { $0.message == last.message }
        if let first = own.first { ranges = ranges.filter { $0.upperBound > first.start } }
      }
      return flags(ranges)
    }
    var ranges: [Range<Int>] = []
    for turn in onlyLast ? turns.suffix(1) : turns[...] { ranges += self.ranges(of: turn) }
    return flags(ranges.sorted { $0.lowerBound < $1.lowerBound })
  }

  private func ranges(of turn: Turn) -> [Range<Int>] {
    let own = rendered.spans.filter { $0.message == turn.message && $0.origin == .message }
    guard let first = own.first, let last = own.last else { return [] }
    let end = endOfTurn(behind: last.end, ofStructured: turn.isStructured)
    if turn.isStructured {
      return [min(turn.start ?? first.start, first.start)..<(end?.upperBound ?? last.end)]
    }
    return own.map { $0.start..<$0.end } + (end.map { [$0] } ?? [])
  }

  /// The bytes of the control token that ends the turn.
  private func endOfTurn(behind offset: Int, ofStructured isStructured: Bool) -> Range<Int>? {
    let limit = rendered.spans.first { $0.start >= offset && !$0.isTemplate }?.start ?? rendered.text.count
    let specials = tokens[firstToken(at: offset)...].prefix { $0.start < limit }.filter {
      $0.start >= offset && tokenizer.isSpecial($0.id)
    }
    guard isStructured else { return specials.first.map { $0.start..<$0.end } }
    // Tokens that close a call or a thought come before the one that ends the turn.
    let ends = tokenizer.endIDs
    let known = specials.first { ends.contains($0.id) }
    let open = specials.first { !rendered.text[$0.start..<$0.end].starts(with: "</".utf8) }
    return (known ?? open ?? specials.first).map { $0.start..<$0.end }
  }

  /// Index of the first token that starts at or behind `offset`.
  private func firstToken(at offset: Int) -> Int {
    var (low, high) = (0, tokens.count)
    while low < high {
      let middle = (low + high) / 2
      if tokens[middle].start < offset { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// By token: whether its first byte lies in one of `ranges`, which ascend.
  private func flags(_ ranges: [Range<Int>]) -> [Bool] {
    var next = 0
    return tokens.map { token in
      while next < ranges.count, ranges[next].upperBound <= token.start { next += 1 }
      return next < ranges.count && token.start < token.end && ranges[next].contains(token.start)
    }
  }
}
