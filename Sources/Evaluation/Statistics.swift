import Basics
import Foundation

/// Means, their standard errors, and whether two paired results differ.
package enum Statistics {
  package static func mean(_ values: [Double]) -> Double {
    values.isEmpty ? .nan : values.reduce(0, +) / Double(values.count)
  }

  /// Standard error of the mean: sample standard deviation (n - 1) over sqrt(n); 0 for fewer than two values.
  package static func standardError(_ values: [Double]) -> Double {
    guard values.count > 1 else { return 0 }
    let mean = mean(values)
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (squares / Double(values.count - 1) / Double(values.count)).squareRoot()
  }

  /// Standard deviation of `statistic` over `rounds` seeded resamples with replacement (Efron's bootstrap).
  package static func bootstrapError<T>(
    _ values: [T], rounds: Int = 1000, seed: UInt64 = 1234, _ statistic: ([T]) -> Double
  ) -> Double {
    guard values.count > 1 else { return 0 }
    var random = SeededGenerator(seed: seed)
    var results: [Double] = []
    for _ in 0..<rounds {
      results.append(statistic(values.map { _ in values[random.below(values.count)] }))
    }
    return standardError(results) * Double(rounds).squareRoot()
  }

  /// Two-sided p-value that paired scores of two models come from the same distribution.
  ///
  /// Scores of 0 and 1: McNemar's exact test on the pairs that differ. Other scores: the sign-flip permutation test
  /// on the differences, 9,999 seeded flips and the observed one.
  package static func pairedPValue(_ a: [Double], _ b: [Double], seed: UInt64 = 1234) -> Double? {
    guard a.count == b.count, !a.isEmpty, (a + b).allSatisfy(\.isFinite) else { return nil }
    let differences = zip(a, b).map { $1 - $0 }
    if (a + b).allSatisfy({ $0 == 0 || $0 == 1 }) {
      let better = differences.count { $0 > 0 }
      return exactBinomial(better, of: better + differences.count { $0 < 0 })
    }
    let observed = abs(differences.reduce(0, +))
    var random = SeededGenerator(seed: seed)
    let rounds = 9_999
    var extreme = 1
    for _ in 0..<rounds {
      var sum = 0.0
      var bits: UInt64 = 0
      for (index, difference) in differences.enumerated() {
        if index % 64 == 0 { bits = random.next() }
        sum += bits & 1 == 0 ? difference : -difference
        bits >>= 1
      }
      if abs(sum) >= observed * (1 - 1e-12) { extreme += 1 }
    }
    return Double(extreme) / Double(rounds + 1)
  }

  /// Two-sided binomial test of `successes` in `trials` at one half: twice the smaller tail, at most 1.
  package static func exactBinomial(_ successes: Int, of trials: Int) -> Double {
    guard trials > 0 else { return 1 }
    let tail = min(successes, trials - successes)
    var sum = 0.0
    for k in 0...tail { sum += exp(logChoose(trials, k) - Double(trials) * log(2)) }
    return min(1, 2 * sum)
  }

  private static func logChoose(_ n: Int, _ k: Int) -> Double {
    lgamma(Double(n + 1)) - lgamma(Double(k + 1)) - lgamma(Double(n - k + 1))
  }
}
