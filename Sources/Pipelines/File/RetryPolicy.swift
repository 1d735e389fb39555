import Basics

/// How often, after what and how soon a failed stage is tried again.
package struct RetryPolicy: Sendable, Equatable {
  /// Tries after the first one.
  package let count: Int
  package let causes: Set<FailureCause>
  /// Seconds before the first retry.
  package let delay: Double

  package init(count: Int = 0, causes: Set<FailureCause> = Set(FailureCause.allCases), delay: Double = 1) {
    self.count = count
    self.causes = causes
    self.delay = delay
  }

  /// The policy of a stage's decoded keys.
  init(_ values: JSON.Object) {
    let words = values["retry_on"]?.array?.compactMap { $0.string.flatMap { FailureCause(rawValue: $0) } }
    self.init(
      count: values["retries"]?.int ?? 0, causes: words.map { Set($0) } ?? Set(FailureCause.allCases),
      delay: values["retry_delay"]?.double ?? 1)
  }

  /// Longest wait in seconds.
  static let longestDelay = 600.0

  /// Seconds before the n-th retry, n from 1.
  package func delay(before retry: Int) -> Double {
    var wait = delay
    for _ in 1..<max(1, retry) where wait < RetryPolicy.longestDelay { wait *= 2 }
    return min(wait, max(delay, RetryPolicy.longestDelay))
  }
}

/// The variables of the runner's environment that a command sees.
package struct DeclaredEnvironment: Sendable, Equatable {
  /// Their values are identity.
  package let names: [String]
  /// Their values are kept nowhere.
  package let secrets: [String]

  package init(names: [String] = [], secrets: [String] = []) {
    self.names = names
    self.secrets = secrets
  }
}
