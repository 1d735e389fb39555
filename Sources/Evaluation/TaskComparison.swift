import Basics

/// A task's scores of one model, and of its baseline where there is one.
package struct TaskComparison: Sendable {
  package let task: EvaluationTask
  package let items: [TaskItem]
  package let answers: [[ModelAnswer]]
  package let scores: [MetricScores]
  package let baselineAnswers: [[ModelAnswer]]?
  package let baselineScores: [MetricScores]?

  package init(
    task: EvaluationTask, items: [TaskItem], answers: [[ModelAnswer]], baselineAnswers: [[ModelAnswer]]?
  ) throws(EvaluationError) {
    self.task = task
    self.items = items
    self.answers = answers
    self.baselineAnswers = baselineAnswers
    let rules = TaskScores(task)
    scores = try rules.scores(items, answers)
    if let baselineAnswers { baselineScores = try rules.scores(items, baselineAnswers) } else { baselineScores = nil }
  }

  /// `{METRIC: {"value", "stderr", "n", "higher_is_better", "baseline": {"value", "stderr"}, "p_value"}}`.
  package var metrics: JSON {
    var object = JSON.Object()
    for (place, score) in scores.enumerated() {
      var entry: JSON.Object = [
        "value": JSON(score.value), "stderr": JSON(score.standardError), "n": JSON(score.items.count),
        "higher_is_better": .bool(score.metric.higherIsBetter),
      ]
      if let base = baselineScores?[place] {
        entry["baseline"] = ["value": JSON(base.value), "stderr": JSON(base.standardError)]
        if let p = Statistics.pairedPValue(base.items, score.items) { entry["p_value"] = JSON(p) }
      }
      object[score.metric.name] = .object(entry)
    }
    return .object(object)
  }

  /// One JSON object an item: what was asked, what each model answered, how it scored.
  package func samples() -> [JSON] {
    items.indices.map { index in
      var sample: JSON.Object = [
        "doc": JSON(items[index].index), "target": .string(items[index].target),
        "answers": .array(answers[index].map(\.json)), "scores": TaskComparison.scores(scores, index),
      ]
      if let baselineAnswers, let baselineScores {
        sample["baseline_answers"] = .array(baselineAnswers[index].map(\.json))
        sample["baseline_scores"] = TaskComparison.scores(baselineScores, index)
      }
      sample["prompt"] = items[index].requests.first.map { .string($0.promptText) }
      return .object(sample)
    }
  }

  private static func scores(_ scores: [MetricScores], _ index: Int) -> JSON {
    .object(JSON.Object(scores.map { (key: $0.metric.name, value: JSON($0.items[index])) }))
  }
}

extension ModelAnswer {
  fileprivate var json: JSON {
    switch self {
    case .likelihood(let sum, let isGreedy, let tokens):
      ["loglikelihood": JSON(sum), "is_greedy": .bool(isGreedy), "tokens": JSON(tokens)]
    case .text(let bytes): .string(String(decoding: bytes, as: UTF8.self))
    }
  }
}

extension ModelRequest {
  fileprivate var promptText: String {
    switch self {
    case .continuation(let context, _): String(decoding: context.bytes, as: UTF8.self)
    case .whole(let text): String(decoding: text, as: UTF8.self)
    case .generate(let prompt, _): String(decoding: prompt.bytes, as: UTF8.self)
    }
  }
}
