import Basics
import Models
import Tensors

/// Finds the fastest way to train within a memory budget.
///
/// Candidates are ordered by their cost in time: nothing recomputed, then norms and activations of ever more blocks,
/// then ever more whole blocks. Each needs less memory than the one before it, so the first that fits is the fastest.
package struct PlanSearch: Sendable {
  package struct Candidate: Sendable, Equatable {
    package let recompute: RecomputePass
    /// Estimated time as a multiple of a step without recomputation.
    package let slowdown: Double

    /// The program as it will run: the loss in chunks, the blocks recomputed.
    package func apply(_ program: Program) -> Program { recompute.apply(ChunkedLossPass().apply(program)) }
  }

  struct Choice {
    let candidate: Candidate
    let bounds: [Int: BoundProgram]
    let arenaBytes: Int
    let memory: MemoryTable
  }

  let config: ModelConfig
  let options: TrainerOptions
  let workload: Workload
  let overhead: MemoryOverhead

  /// All candidates that `gradient_checkpointing` allows, fastest first.
  package var candidates: [Candidate] {
    let blocks = config.layerCount
    switch options.gradientCheckpointing {
    case .off: return [candidate(whole: 0, selective: 0)]
    case .on: return [candidate(whole: blocks, selective: 0)]
    case .auto:
      return (0...blocks).map { candidate(whole: 0, selective: $0) }
        + (1...max(blocks, 1)).map { candidate(whole: $0, selective: blocks - $0) }
    }
  }

  /// The first candidate that fits; without a budget the first of all.
  func fastest() throws(TrainingError) -> Choice {
    let candidates = candidates
    guard let budget = options.memoryBudget else { return choice(candidates[0]) }
    var low = 0
    var high = candidates.count
    var best: Choice?
    var smallest = Int.max
    while low < high {
      let middle = low == 0 && best == nil && smallest == Int.max ? 0 : (low + high) / 2
      let tried = choice(candidates[middle])
      smallest = min(smallest, tried.memory.total)
      if tried.memory.total <= budget {
        best = tried
        high = middle
      } else {
        low = middle + 1
      }
    }
    if let best { return best }
    throw tooSmall(budget, smallest: smallest)
  }

  private func tooSmall(_ budget: Int, smallest: Int) -> TrainingError {
    let mebibytes = (smallest + (1 << 20) - 1) >> 20
    var remedy = "the smallest memory_budget that would do is \(mebibytes)MiB"
    if options.gradientCheckpointing == .off { remedy += " (less with gradient_checkpointing: auto)" }
    if options.batchSize > 1 {
      remedy += "; a smaller per_device_train_batch_size with more gradient_accumulation_steps needs less"
    } else {
      remedy += "; shorter sequences need less"
    }
    return TrainingError(
      "no plan for this training fits memory_budget", value: Quantity.describe(bytes: budget), remedy: remedy)
  }

  private func candidate(whole: Int, selective: Int) -> Candidate {
    let blocks = config.layerCount
    let modes = (0..<blocks).map { block -> RecomputePass.Mode in
      if block < whole { return .block }
      return block < whole + selective ? .selective : .none
    }
    // Forward, and twice as much backward; the head is not repeated.
    let block = Double(config.parameterCount - config.embeddingCount) / Double(max(blocks, 1))
    let all = block * Double(blocks) + Double(config.vocabularySize * config.hiddenSize)
    let slowdown =
      1 + Double(whole) * block / all / 3 + Double(selective) / Double(max(blocks, 1)) * PlanSearch.selectiveCost
    return Candidate(recompute: RecomputePass(modes: modes), slowdown: slowdown)
  }

  /// Share of a step that norms and activations of all blocks take.
  private static let selectiveCost = 0.01

  /// A candidate's programs and memory.
  private func choice(_ candidate: Candidate) -> Choice {
    var bounds: [Int: BoundProgram] = [:]
    var arenaBytes = 0
    var largest: BoundProgram?
    for count in workload.microBatchCounts {
      let shape = TrainingShape(
        tokens: workload.longestMicroBatch, microBatches: count, positions: workload.positions)
      let program = candidate.apply(config.trainingStep(shape: shape, options: options.step).program)
      let bound = BoundProgram(program: program, plan: MemoryPlan(program))
      bounds[count] = bound
      if bound.plan.arenaBytes > arenaBytes { largest = bound }
      arenaBytes = max(arenaBytes, bound.plan.arenaBytes)
    }
    if workload.validationTokens > 0 {
      let loss = config.lossPass(
        tokens: workload.validationTokens, positions: workload.positions, options: options.step
      ).program
      arenaBytes = max(arenaBytes, MemoryPlan(ChunkedLossPass().apply(loss)).arenaBytes)
    }
    let table = largest.map {
      MemoryTable($0.program, plan: $0.plan, arenaBytes: arenaBytes, overhead: overhead)
    }
    return Choice(
      candidate: candidate, bounds: bounds, arenaBytes: arenaBytes, memory: table ?? MemoryTable(rows: []))
  }
}

extension ModelConfig {
  /// Numbers in the embedding, and in the head when it is not tied.
  var embeddingCount: Int { vocabularySize * hiddenSize * (tieWordEmbeddings ? 1 : 2) }
}
