import Basics
import Models
import Tensors
import Testing
import Training

@Suite struct GradientTests {
  /// Rows of very different lengths, as the same data in every arrangement.
  let rows = randomExamples([3, 50, 7, 200])

  @Test(arguments: ["4x1", "1x4", "2x2", "packed"])
  func `every arrangement of the same rows has the same loss and gradients`(arrangement: String) throws {
    let config = tinyConfig()
    let separate = try runStep(config, rows.map { [$0] })
    let batches: [[TrainingExample]] =
      switch arrangement {
      case "4x1": [rows]
      case "1x4": rows.map { [$0] }
      case "2x2": [Array(rows[..<2]), Array(rows[2...])]
      default: [[packed(rows)]]
      }
    let run = try runStep(config, batches)
    #expect(abs(run.loss - separate.loss) <= 1e-5 * separate.loss)
    for (name, gradient) in run.gradients {
      #expect(relativeDifference(gradient, separate.gradients[name] ?? []) < 1e-5, "\(name)")
    }
  }

  @Test func `packed segments do not see each other`() throws {
    let config = tinyConfig()
    let alone = try runStep(config, [[rows[2]]])
    var other = rows[1]
    other.isTarget = other.isTarget.map { _ in false }
    let beside = try runStep(config, [[packed([other, rows[2]])]])
    #expect(abs(alone.loss - beside.loss) <= 1e-6 * alone.loss)
  }

  @Test(arguments: [
    (tied: true, bias: false, window: Int?.none), (tied: false, bias: true, window: nil),
    (tied: true, bias: false, window: 4),
  ])
  func `gradients are the slopes of the loss`(shape: (tied: Bool, bias: Bool, window: Int?)) throws {
    let config = tinyConfig(vocabulary: 23, layers: 2, tied: shape.tied, bias: shape.bias, window: shape.window)
    let examples = randomExamples([6, 9], vocabulary: 23)
    let run = try runStep(config, [examples])
    let source = LivelyWeights(config: config)
    var generator = SeededGenerator(seed: 3)
    var reference = ReferenceDecoder(config, source)
    for parameter in config.parameters {
      let gradient = try #require(run.gradients[parameter.name])
      for _ in 0..<2 {
        let index = generator.below(parameter.count)
        let slope = reference.slope(of: parameter.name, at: index, examples)
        #expect(abs(Double(gradient[index]) - slope) <= 2e-4 * abs(slope) + 2e-6, "\(parameter.name) \(index)")
      }
    }
    #expect(abs(run.loss - reference.loss(examples)) < 1e-5 * run.loss)
  }

  @Test func `the norm is the root of all gradients' squares`() throws {
    let run = try runStep(tinyConfig(), [rows])
    let sum = run.gradients.values.joined().reduce(0.0) { $0 + Double($1) * Double($1) }
    #expect(abs(run.norm - sum.squareRoot()) < 1e-9 * run.norm)
  }
}
