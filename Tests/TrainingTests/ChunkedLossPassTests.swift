import Models
import Tensors
import Testing
import Training

@Suite struct ChunkedLossPassTests {
  /// A vocabulary so large that the chunk is shorter than the micro-batches.
  let config = ModelConfig(
    hiddenSize: 16, layerCount: 1, headCount: 2, keyValueHeadCount: 1, intermediateSize: 24, vocabularySize: 200_000,
    maxPositionEmbeddings: 256, tieWordEmbeddings: true)

  @Test func `the loss in chunks changes no bit of loss, gradients or weights`() throws {
    #expect(config.lossRows == 32)
    let batches = randomExamples([90, 120], vocabulary: 200_000).map { [$0] }
    let whole = try runStep(config, batches)
    let chunked = try runStep(config, batches, change: ChunkedLossPass().apply)
    #expect(whole.loss == chunked.loss && whole.norm == chunked.norm)
    #expect(whole.gradients == chunked.gradients)
    #expect(whole.weights == chunked.weights)
  }

  @Test func `logits of a chunk are all that memory holds`() {
    let program = config.trainingStep(shape: TrainingShape(tokens: 128), options: StepOptions()).program
    let saved = MemoryPlan(program).arenaBytes - MemoryPlan(ChunkedLossPass().apply(program)).arenaBytes
    #expect(saved >= (128 - 32) * 200_000 * 4)
  }
}
