import Models
import Tensors
import Testing
import Training

@Suite struct RecomputePassTests {
  @Test(arguments: [RecomputePass.Mode.selective, .block])
  func `recomputation changes no bit of loss, gradients or weights`(mode: RecomputePass.Mode) throws {
    let config = tinyConfig(bias: true)
    let batches = randomExamples([60, 33, 90]).map { [$0] }
    let options = StepOptions(weightDecay: 0.1, maxGradNorm: 0.5)
    let plain = try runStep(config, batches, options: options)
    let pass = RecomputePass(mode, blocks: config.layerCount)
    let repeated = try runStep(config, batches, options: options, change: pass.apply)
    #expect(plain.loss == repeated.loss)
    #expect(plain.norm == repeated.norm)
    #expect(plain.gradients == repeated.gradients)
    #expect(plain.weights == repeated.weights)
  }

  @Test func `blocks may differ in what they recompute`() throws {
    let config = tinyConfig()
    let batches = randomExamples([40, 21]).map { [$0] }
    let plain = try runStep(config, batches)
    let mixed = try runStep(config, batches, change: RecomputePass(modes: [.block, .none, .selective]).apply)
    #expect(plain.gradients == mixed.gradients)
    #expect(plain.weights == mixed.weights)
  }

  @Test func `every step of recomputation needs less memory`() {
    let config = ModelPreset.nano.config(vocabularySize: 300)
    let step = config.trainingStep(shape: TrainingShape(tokens: 512, microBatches: 2), options: StepOptions())
    let plans: [Int] = [RecomputePass.Mode.none, .selective, .block].map { mode in
      MemoryPlan(RecomputePass(mode, blocks: config.layerCount).apply(step.program)).arenaBytes
    }
    #expect(plans[0] > plans[1] && plans[1] > plans[2])
  }
}
