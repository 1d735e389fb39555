import Testing
import Training

/// However a set of rows is split into batches, accumulated or packed, it is the same loss and the same gradient.
@Suite struct BatchSplitTests {
  static let lengths = [3, 50, 7, 200]

  private func split(_ name: String) -> [[TrainingExample]] {
    let rows = randomExamples(Self.lengths, seed: 12)
    return switch name {
    case "4x1": [rows]
    case "1x4": rows.map { [$0] }
    case "2x2": [Array(rows[..<2]), Array(rows[2...])]
    case "packed": [[packed(rows)]]
    default: [[packed(Array(rows[..<3]))], [rows[3]]]
    }
  }

  @Test(arguments: ["1x4", "2x2", "packed", "partly packed"])
  func `loss and gradients do not depend on the split`(name: String) throws {
    let config = tinyConfig(bias: true)
    let one = try runStep(config, split("4x1"))
    let other = try runStep(config, split(name))
    #expect(abs(one.loss - other.loss) <= 1e-5 * one.loss)
    #expect(abs(one.norm - other.norm) <= 1e-5 * one.norm)
    for (weight, gradient) in one.gradients {
      #expect(relativeDifference(gradient, try #require(other.gradients[weight])) <= 1e-5, "\(weight)")
    }
  }
}
