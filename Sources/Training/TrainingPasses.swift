import Models
import Tensors

/// In which order the micro-batches of an accumulation go through the model.
package enum AccumulationOrder: String, Sendable, CaseIterable {
  case batchByBatch = "batch by batch"
  case layerByLayer = "layer by layer"
}

/// The memory techniques of a plan, which together make a step program of the plain one. None of them changes a bit of
/// what is computed.
package struct TrainingPasses: Sendable, Equatable {
  package var order = AccumulationOrder.batchByBatch
  package var recompute: RecomputePass
  /// Blocks whose waiting activations are in the page tier, from the first on.
  package var offloadedBlocks = 0
  /// Blocks whose optimizer states, gradients and weights are in the page tier, from the first on; one more than there
  /// are blocks means what lies outside the blocks too.
  package var pagedStates = 0
  package var streamedGradients = 0
  package var streamedWeights = 0
  /// Whether updates wait for the next step's forward pass.
  package var isDeferred = false
  /// Bytes of paged tensors on their way in, and as many on their way out.
  package var lookahead = 16 << 20
  /// Elements of an update's slice where states or gradients are paged.
  package var sliceElements = 1 << 19

  package init(recompute: RecomputePass) { self.recompute = recompute }

  /// Whether anything lies in the page tier.
  package var usesPages: Bool {
    offloadedBlocks + pagedStates + streamedGradients + streamedWeights > 0
  }

  /// The step as it will run. `bound` is the same step for the longest micro-batches.
  package func apply(_ step: TrainingProgram, bound: TrainingProgram) -> Program {
    var program = ordered(step.program)
    let persistent = persistentPages(step.parameters, program)
    program = SliceUpdatesPass(tensors: persistent, elements: sliceElements).apply(program)
    if isDeferred { program = DeferredUpdatePass().apply(program) }
    let waiting = waitingActivations(ordered(bound.program))
    return PagingPass(tensors: persistent.union(waiting), lookahead: lookahead).apply(program, bound: bound.program)
  }

  /// A forward pass with the loss, over the same weights at the same places.
  package func apply(_ loss: LossProgram) -> Program {
    let program = ChunkedLossPass().apply(loss.program)
    let pages = persistentPages(loss.parameters, program)
    return PagingPass(tensors: pages, lookahead: lookahead).apply(program, bound: program)
  }

  /// The updates that wait, alone.
  package func flush(_ step: TrainingProgram) -> Program {
    let pages = persistentPages(step.parameters, step.program)
    let program = DeferredUpdatePass().flush(
      SliceUpdatesPass(tensors: pages, elements: sliceElements).apply(step.program))
    return PagingPass(tensors: pages, lookahead: lookahead).apply(program, bound: program)
  }

  private func ordered(_ program: Program) -> Program {
    var result = ChunkedLossPass().apply(program)
    if order == .layerByLayer { result = LayerOrderPass().apply(result) }
    return recompute.apply(result)
  }

  /// Smaller tensors are not worth a transfer.
  private static let smallest = 16 << 10

  private func persistentPages(_ parameters: DecoderParameters, _ program: Program) -> Set<TensorID> {
    var result: Set<TensorID> = []
    for tensor in parameters.tensors {
      let place = tensor.block ?? parameters.blocks.count
      if place < streamedWeights { result.insert(tensor.weight) }
      guard let training = tensor.training else { continue }
      if place < streamedGradients { result.insert(training.gradient) }
      if place < pagedStates { result.formUnion(training.states) }
    }
    return result.filter { program[$0].bytes >= TrainingPasses.smallest }
  }

  /// Activations that are made in one of the offloaded blocks and wait there for the backward pass.
  private func waitingActivations(_ program: Program) -> Set<TensorID> {
    guard offloadedBlocks > 0 else { return [] }
    var made: Set<TensorID> = []
    var result: Set<TensorID> = []
    for instruction in program.instructions {
      switch instruction.phase {
      case .forward:
        guard let block = instruction.block, block < offloadedBlocks else { continue }
        made.formUnion(instruction.operation.writes.map(\.tensor))
      case .backward:
        result.formUnion(instruction.operation.reads.map(\.tensor).filter { made.contains($0) })
      case .loss, .update: break
      }
    }
    return result.filter {
      program[$0].role == .activation && program[$0].bytes >= TrainingPasses.smallest
    }
  }

  /// In words: "8 of 30 blocks recomputed, optimizer states paged, layer by layer".
  package var description: String {
    let blocks = recompute.modes.count
    let whole = recompute.modes.count { $0 == .block }
    let selective = recompute.modes.count { $0 == .selective }
    func part(_ count: Int) -> String {
      count > blocks ? "" : count == blocks ? " of the blocks" : " of \(count) of \(blocks) blocks"
    }
    var parts: [String] = []
    if whole > 0 { parts.append("\(whole) of \(blocks) blocks recomputed") }
    if selective > 0 { parts.append("norms and activations of \(selective) blocks recomputed") }
    if parts.isEmpty { parts.append("no recomputation") }
    if offloadedBlocks > 0 { parts.append("activations\(part(offloadedBlocks)) offloaded") }
    if pagedStates > 0 { parts.append("optimizer states\(part(pagedStates)) paged") }
    if streamedGradients > 0 { parts.append("gradients\(part(streamedGradients)) streamed") }
    if streamedWeights > 0 { parts.append("weights\(part(streamedWeights)) streamed") }
    if order == .layerByLayer { parts.append("accumulation layer by layer") }
    if isDeferred { parts.append("updates in the next forward pass") }
    return parts.joined(separator: ", ")
  }
}
