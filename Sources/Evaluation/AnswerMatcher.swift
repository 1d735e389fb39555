import Basics
import Foundation

/// Compares a generated answer with the right one, after what the metric says to ignore.
struct AnswerMatcher {
  private let metric: EvaluationTask.Metric
  private let ignored: [NSRegularExpression]

  init(_ metric: EvaluationTask.Metric) throws(EvaluationError) {
    self.metric = metric
    var patterns: [NSRegularExpression] = []
    for pattern in metric.regexesToIgnore { patterns.append(try AnswerFilter.compile(pattern)) }
    ignored = patterns
  }

  func matches(_ answer: String, _ target: String) -> Bool { sameBytes(reduced(answer), reduced(target)) }

  /// In the order of lm-evaluation-harness's exact_match: regular expressions, case, punctuation.
  private func reduced(_ text: String) -> String {
    var text = text
    for pattern in ignored {
      text = pattern.stringByReplacingMatches(
        in: text, range: NSRange(text.startIndex..., in: text), withTemplate: "")
    }
    if metric.ignoreCase { text = text.lowercased() }
    if metric.ignorePunctuation {
      let punctuation = Set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".unicodeScalars)
      var kept = String.UnicodeScalarView()
      kept.append(contentsOf: text.unicodeScalars.filter { !punctuation.contains($0) })
      text = String(kept)
    }
    return text
  }
}

/// Cuts the answer out of a generated text.
enum AnswerFilter {
  /// Text longer than this is cut before a regular expression sees it, so that matching stays bounded.
  private static let longestText = 1 << 16

  static func apply(_ filter: EvaluationTask.Filter, to text: String) throws(EvaluationError) -> String {
    var text = text
    for function in filter.functions {
      switch function {
      case .takeFirst: break
      case .lowercase: text = text.lowercased()
      case .uppercase: text = text.uppercased()
      case .removeWhitespace:
        text = String(text.drop { $0.isWhitespace })
      case .regex(let pattern, let select, let fallback):
        text = try extract(try compile(pattern), select, from: String(text.prefix(longestText))) ?? fallback
      }
    }
    return text
  }

  static func compile(_ pattern: String) throws(EvaluationError) -> NSRegularExpression {
    do {
      return try NSRegularExpression(pattern: pattern)
    } catch {
      throw EvaluationError("a task's regular expression does not compile", value: pattern)
    }
  }

  /// Match `select` (negative: from the end); of several groups the first that is not empty.
  private static func extract(
    _ pattern: NSRegularExpression, _ select: Int, from text: String
  ) throws(EvaluationError) -> String? {
    let found = pattern.matches(in: text, range: NSRange(text.startIndex..., in: text))
    let index = select < 0 ? found.count + select : select
    guard found.indices.contains(index) else { return nil }
    let match = found[index]
    let groups = match.numberOfRanges > 1 ? 1..<match.numberOfRanges : 0..<1
    for group in groups {
      if let range = Range(match.range(at: group), in: text), !range.isEmpty {
        return String(text[range]).trimmingCharacters(in: .whitespacesAndNewlines)
      }
    }
    return nil
  }
}
