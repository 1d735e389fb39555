/// Text for a model to read, and where in it control tokens may stand.
package struct PromptText: Sendable, Equatable {
  package var bytes: [UInt8]
  /// Byte ranges that a chat template wrote: only there are control tokens recognised.
  package var controlRanges: [Range<Int>]

  package init(_ bytes: [UInt8], controlRanges: [Range<Int>] = []) {
    self.bytes = bytes
    self.controlRanges = controlRanges
  }

  package init(_ text: String) { self.init(Array(text.utf8)) }
}

/// A question to a model: the log-likelihood of a continuation, of a whole text, or a generated answer.
package enum ModelRequest: Sendable {
  case continuation(context: PromptText, text: [UInt8])
  case whole([UInt8])
  case generate(PromptText, EvaluationTask.Generation)
}

/// What a model answers to a `ModelRequest`.
package enum ModelAnswer: Sendable, Equatable {
  /// Sum of log-softmax over the scored ids in f64; whether each id was the argmax; how many ids.
  case likelihood(sum: Double, isGreedy: Bool, tokens: Int)
  case text([UInt8])
}
