import Basics
import Evaluation
import Testing

@Suite struct StatisticsTests {
  @Test func `the standard error divides the sample deviation by the root of n`() {
    // numpy.std([0,1,1,0,1], ddof=1) / sqrt(5)
    #expect(abs(Statistics.standardError([0, 1, 1, 0, 1]) - 0.244948974278317) < 1e-12)
    #expect(Statistics.standardError([3]) == 0)
  }

  @Test func `McNemar's exact test gives the binomial tail of the pairs that differ`() throws {
    // 12 pairs better, 2 worse: scipy.stats.binomtest(12, 14).pvalue
    let base = [Double](repeating: 0, count: 12) + [1, 1] + [Double](repeating: 1, count: 20)
    let tuned = [Double](repeating: 1, count: 12) + [0, 0] + [Double](repeating: 1, count: 20)
    let p = try #require(Statistics.pairedPValue(base, tuned))
    #expect(abs(p - 0.012939453125) < 1e-12)
  }

  @Test func `equal scores are no evidence`() throws {
    #expect(Statistics.pairedPValue([1, 0, 1], [1, 0, 1]) == 1)
    #expect(try #require(Statistics.pairedPValue([0.5, 0.25], [0.5, 0.25])) == 1)
    #expect(Statistics.pairedPValue([1], [1, 0]) == nil)
  }

  @Test func `the sign-flip test finds a steady difference and is the same every time`() throws {
    let base = (0..<30).map { Double($0) / 7 }
    let tuned = base.map { $0 + 0.1 }
    let p = try #require(Statistics.pairedPValue(base, tuned))
    #expect(p < 0.001)
    #expect(Statistics.pairedPValue(base, tuned) == p)
  }

  @Test func `the bootstrap of a mean agrees with its formula`() {
    let values = (0..<200).map { Double($0 % 7) }
    let error = Statistics.bootstrapError(values) { Statistics.mean($0) }
    #expect(abs(error / Statistics.standardError(values) - 1) < 0.1)
  }
}
