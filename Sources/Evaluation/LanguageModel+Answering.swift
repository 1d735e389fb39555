import Basics

extension LanguageModel {
  /// Answers the requests of many items; `progress` counts items, both kinds of work together.
  package func answer(
    _ items: [TaskItem], seed: UInt64, progress: (Int) throws(EvaluationError) -> Void
  ) throws(EvaluationError) -> [[ModelAnswer]] {
    let encoder = RequestEncoder(tokenizer: tokenizer, maximumLength: maximumLength)
    var scored: [EncodedRequest] = []
    var generated: [GenerationRequest] = []
    /// For each item and request: its places among the scored, or its place among the generated.
    var places: [[Place]] = []
    for item in items {
      var own: [Place] = []
      for request in item.requests {
        switch request {
        case .continuation(let context, let text):
          own.append(.scored(scored.count..<scored.count + 1))
          scored.append(try encoder.pair(context, text))
        case .whole(let text):
          let windows = try encoder.windows(text)
          own.append(.scored(scored.count..<scored.count + windows.count))
          scored += windows
        case .generate(let prompt, let options):
          own.append(.generated(generated.count))
          let encoded = try encoder.prompt(prompt, room: options.maxTokens)
          if encoded.isCut { cutRequests += 1 }
          generated.append(GenerationRequest(prompt: encoded.ids, options: options))
        }
      }
      places.append(own)
    }
    cutRequests += scored.count(where: \.isCut)
    let total = scored.count + generated.count
    let share = { (done: Int) in total == 0 ? items.count : done * items.count / total }
    let scores = try score(scored) { done throws(EvaluationError) in try progress(share(done)) }
    let texts =
      generated.isEmpty
      ? []
      : try generate(generated, seed: seed) { done throws(EvaluationError) in try progress(share(scored.count + done)) }
    return places.map { own in
      own.map { place in
        switch place {
        case .scored(let range):
          let parts = scores[range]
          return .likelihood(
            sum: parts.reduce(0) { $0 + $1.sum }, isGreedy: parts.allSatisfy(\.isGreedy),
            tokens: parts.reduce(0) { $0 + $1.logProbabilities.count })
        case .generated(let index): return .text(texts[index].text)
        }
      }
    }
  }

  private enum Place {
    case scored(Range<Int>)
    case generated(Int)
  }

  /// Continues one prompt, as far as the model's length allows.
  package func generate(
    _ prompt: PromptText, _ options: EvaluationTask.Generation, seed: UInt64
  ) throws(EvaluationError) -> Continuation {
    let encoder = RequestEncoder(tokenizer: tokenizer, maximumLength: maximumLength)
    let ids = try encoder.ids(prompt)
    var options = options
    options.maxTokens = max(1, min(options.maxTokens, maximumLength - ids.count))
    return try generate(ids: ids, options, seed: seed)
  }

  /// Continues one prompt given as ids.
  package func generate(
    ids: [Int32], _ options: EvaluationTask.Generation, seed: UInt64
  ) throws(EvaluationError) -> Continuation {
    if let wrong = ids.first(where: { $0 < 0 || Int($0) >= config.vocabularySize }) {
      throw EvaluationError("an id outside the vocabulary of \(config.vocabularySize)", value: "\(wrong)")
    }
    guard !ids.isEmpty, ids.count < maximumLength else {
      throw EvaluationError(
        "a prompt must have from 1 to \(maximumLength - 1) ids", value: "\(ids.count)", remedy: "shorten the prompt")
    }
    return try generate([GenerationRequest(prompt: ids, options: options)], seed: seed)[0]
  }
}
