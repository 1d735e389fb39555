import Basics
import Foundation

/// The scores of one metric over a task's items, and what they come to.
package struct MetricScores: Sendable {
  package let metric: EvaluationTask.Metric
  /// One number an item, for pairing models.
  package let items: [Double]
  package let value: Double
  package let standardError: Double
}

/// Rules that turn a model's answers into scores (lm-evaluation-harness's, see its `task.py` and `metrics.py`).
package struct TaskScores: Sendable {
  private let task: EvaluationTask

  package init(_ task: EvaluationTask) { self.task = task }

  /// Scores of every metric of the task; `answers[i]` answers the requests of `items[i]`.
  package func scores(_ items: [TaskItem], _ answers: [[ModelAnswer]]) throws(EvaluationError) -> [MetricScores] {
    var result: [MetricScores] = []
    for metric in task.metrics {
      switch task.outputType {
      case .multipleChoice: result.append(mean(metric, choiceScores(metric, items, answers)))
      case .loglikelihood: result.append(likelihood(metric, answers))
      case .loglikelihoodRolling: result.append(rolling(metric, items, answers))
      case .generateUntil:
        for filter in task.filters {
          var named = metric
          if task.filters.count > 1 { named.name = "\(metric.name),\(filter.name)" }
          result.append(mean(named, try matches(metric, filter, items, answers)))
        }
      }
    }
    return result
  }

  private func mean(_ metric: EvaluationTask.Metric, _ items: [Double]) -> MetricScores {
    MetricScores(
      metric: metric, items: items, value: Statistics.mean(items), standardError: Statistics.standardError(items))
  }

  private func choiceScores(_ metric: EvaluationTask.Metric, _ items: [TaskItem], _ answers: [[ModelAnswer]])
    -> [Double]
  {
    zip(items, answers).map { item, answers in
      let sums = zip(item.choices, answers).map { choice, answer in
        answer.sum
          / (metric.name == "acc_norm"
            ? Double(choice.unicodeScalars.count)
            : metric.name == "acc_bytes" ? Double(choice.utf8.count) : 1)
      }
      return TaskScores.firstMaximum(sums) == item.gold ? 1 : 0
    }
  }

  /// The first index of the largest value; numbers that are not numbers lose.
  static func firstMaximum(_ values: [Double]) -> Int {
    var best = 0
    for (index, value) in values.enumerated() where value > values[best] || (values[best].isNaN && !value.isNaN) {
      best = index
    }
    return best
  }

  private func likelihood(_ metric: EvaluationTask.Metric, _ answers: [[ModelAnswer]]) -> MetricScores {
    if metric.name == "acc" { return mean(metric, answers.map { $0.first?.isGreedy == true ? 1 : 0 }) }
    let sums = answers.map { $0.first?.sum ?? 0 }
    let perplexity = { (sums: [Double]) in exp(-Statistics.mean(sums)) }
    return MetricScores(
      metric: metric, items: sums, value: perplexity(sums), standardError: Statistics.bootstrapError(sums, perplexity))
  }

  private func rolling(
    _ metric: EvaluationTask.Metric, _ items: [TaskItem], _ answers: [[ModelAnswer]]
  ) -> MetricScores {
    let pairs = zip(items, answers).map { item, answers in
      (
        sum: answers.first?.sum ?? 0,
        size: metric.name == "word_perplexity" ? Double(TaskScores.wordCount(item.text)) : Double(item.text.utf8.count)
      )
    }
    let statistic = { (pairs: [(sum: Double, size: Double)]) -> Double in
      let rate = -pairs.reduce(0) { $0 + $1.sum } / pairs.reduce(0) { $0 + $1.size }
      return metric.name == "bits_per_byte" ? rate / log(2) : exp(rate)
    }
    return MetricScores(
      metric: metric, items: pairs.map(\.sum), value: statistic(pairs),
      standardError: Statistics.bootstrapError(pairs, statistic))
  }

  /// Pieces of `re.split(r"\s+", text)`, as lm-evaluation-harness counts words: empty end pieces count.
  static func wordCount(_ text: String) -> Int {
    var count = 1
    var inSpace = false
    for scalar in text.unicodeScalars {
      let isSpace = scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
      if isSpace, !inSpace { count += 1 }
      inSpace = isSpace
    }
    return count
  }

  private func matches(
    _ metric: EvaluationTask.Metric, _ filter: EvaluationTask.Filter, _ items: [TaskItem], _ answers: [[ModelAnswer]]
  ) throws(EvaluationError) -> [Double] {
    let matcher = try AnswerMatcher(metric)
    var scores: [Double] = []
    for (item, answers) in zip(items, answers) {
      let text = try AnswerFilter.apply(filter, to: answers.first?.generated ?? "")
      scores.append(matcher.matches(text, item.target) ? 1 : 0)
    }
    return scores
  }
}

extension ModelAnswer {
  package var sum: Double { if case .likelihood(let sum, _, _) = self { sum } else { .nan } }
  package var isGreedy: Bool { if case .likelihood(_, let greedy, _) = self { greedy } else { false } }
  package var generated: String {
    if case .text(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { "" }
  }
}
