import Basics
import Models
import Tensors

/// Finds the fastest way to train within a memory budget.
///
/// Which tensors leave main memory, and in which order an accumulation runs, make families of plans; within a family
/// the number of recomputed blocks trades time for memory. Every plan that is tried is estimated instruction by
/// instruction from the machine's measured rates. Type, optimizer and batch are never changed: they are the user's.
package struct PlanSearch: Sendable {
  /// A plan that was tried: what it needs and how long a step is estimated to take.
  package struct Candidate: Sendable, Equatable {
    package let passes: TrainingPasses
    /// Predicted peak in bytes.
    package let bytes: Int
    package let estimate: StepCost.Estimate
  }

  struct Choice {
    let candidate: Candidate
    let bounds: [Int: BoundProgram]
    let flush: Program
    let arenaBytes: Int
    let pageBytes: Int
    let memory: MemoryTable
    /// Estimated time of a step as a multiple of a step without any technique.
    let slowdown: Double
    /// The fastest plan that needs more than the budget for which there is less time, of those that were tried.
    var faster: Candidate?
  }

  let config: ModelConfig
  let options: TrainerOptions
  let workload: Workload
  let overhead: MemoryOverhead
  let rates: MachineRates

  private var blocks: Int { config.layerCount }

  /// The fastest plan that fits; without a budget the fastest of all.
  func fastest() throws(TrainingError) -> Choice {
    if let passes = options.passes { return choice(passes) }
    let plain = plainest
    let first = tried(plain)
    guard let budget = options.memoryBudget else { return choice(plain) }
    if first.bytes <= budget { return choice(plain) }
    var all = [first]
    var best: Candidate?
    for family in families(budget) {
      if let found = leastRecomputed(family, budget, tried: &all),
        found.estimate.seconds < best?.estimate.seconds ?? .infinity
      {
        best = found
      }
    }
    guard let best else { throw tooSmall(budget, smallest: all.map(\.bytes).min() ?? 0) }
    var result = choice(best.passes)
    result.faster = all.filter { $0.bytes > budget && $0.estimate.seconds < best.estimate.seconds * 0.98 }
      .min { $0.bytes < $1.bytes }
    return result
  }

  /// The plan that the options ask for by themselves: nothing is done for memory that they leave open.
  private var plainest: TrainingPasses {
    var passes = TrainingPasses(
      recompute: RecomputePass(options.gradientCheckpointing == .on ? .block : .none, blocks: blocks))
    if options.activationOffloading == .on { passes.offloadedBlocks = blocks }
    if options.statesArePaged {
      passes.pagedStates = blocks + 1
      passes.isDeferred = true
    }
    return passes
  }

  /// Families of plans, less recomputation aside, that the options allow and that could fit.
  private func families(_ budget: Int) -> [TrainingPasses] {
    let orders: [AccumulationOrder] =
      (workload.microBatchCounts.first ?? 1) > 1 ? [.batchByBatch, .layerByLayer] : [.batchByBatch]
    let all = blocks + 1
    // States, gradients, weights.
    let levels: [(Int, Int, Int)] = [
      (0, 0, 0), (blocks / 2, 0, 0), (blocks, 0, 0), (all, 0, 0), (all, blocks, 0), (all, blocks, blocks),
      (all, all, blocks), (all, all, all),
    ]
    let offloads: [Int] =
      switch options.activationOffloading {
      case .on: [blocks]
      case .off: [0]
      case .auto: [0, blocks]
      }
    var result: [TrainingPasses] = []
    for order in orders {
      for (states, gradients, weights) in levels where !options.statesArePaged || states == all {
        // Gradients that come and go for every micro-batch cost more than anything they save.
        if gradients > 0, order == .batchByBatch, (workload.microBatchCounts.first ?? 1) > 1 { continue }
        for offloaded in offloads {
          for lookahead in PlanSearch.lookaheads {
            var passes = plainest
            passes.order = order
            passes.pagedStates = states
            passes.streamedGradients = gradients
            passes.streamedWeights = weights
            passes.offloadedBlocks = offloaded
            passes.isDeferred = states > 0
            passes.lookahead = lookahead
            if !passes.usesPages, lookahead != PlanSearch.lookaheads[0] { continue }
            result.append(passes)
          }
        }
      }
    }
    return result
  }

  /// Bytes on their way: enough for a block of a small model, or of a large one.
  private static let lookaheads = [16 << 20, 64 << 20, 256 << 20]

  /// The plan of a family with the least recomputation that fits; nil when none does.
  private func leastRecomputed(
    _ family: TrainingPasses, _ budget: Int, tried all: inout [Candidate]
  ) -> Candidate? {
    let steps = recomputations
    var low = 0
    var high = steps.count - 1
    func at(_ step: Int) -> Candidate {
      var passes = family
      passes.recompute = steps[step]
      let candidate = tried(passes)
      all.append(candidate)
      return candidate
    }
    let most = at(high)
    guard most.bytes <= budget else { return nil }
    var best = most
    while low < high {
      let middle = (low + high) / 2
      let candidate = at(middle)
      if candidate.bytes <= budget {
        best = candidate
        high = middle
      } else {
        low = middle + 1
      }
    }
    return best
  }

  /// What may be recomputed, from the least to the most.
  private var recomputations: [RecomputePass] {
    func modes(_ whole: Int, rest: RecomputePass.Mode) -> RecomputePass {
      RecomputePass(modes: (0..<blocks).map { $0 < whole ? .block : rest })
    }
    switch options.gradientCheckpointing {
    case .off: return [modes(0, rest: .none)]
    case .on: return [modes(blocks, rest: .none)]
    case .auto: return [modes(0, rest: .none)] + (0...blocks).map { modes($0, rest: .selective) }
    }
  }

  /// A plan's needs, from its largest step alone.
  private func tried(_ passes: TrainingPasses) -> Candidate {
    let count = workload.microBatchCounts.first ?? 1
    let bound = bound(passes, count)
    let arena = max(bound.plan.arenaBytes, lossBytes(passes))
    let table = MemoryTable(bound.program, plan: bound.plan, arenaBytes: arena, overhead: overhead)
    return Candidate(passes: passes, bytes: table.total, estimate: cost.estimate(bound.program))
  }

  private var cost: StepCost {
    StepCost(
      rates: rates, targetShare: Double(workload.targets) / Double(max(workload.paddedTokens, 1)),
      attended: Double(min(workload.positions, workload.longestMicroBatch)) / 2)
  }

  private func bound(_ passes: TrainingPasses, _ count: Int) -> BoundProgram {
    let shape = TrainingShape(tokens: workload.longestMicroBatch, microBatches: count, positions: workload.positions)
    let step = config.trainingStep(shape: shape, options: options.step)
    let program = passes.apply(step, bound: step)
    return BoundProgram(step: step, program: program, plan: MemoryPlan(program))
  }

  private func lossBytes(_ passes: TrainingPasses) -> Int {
    guard workload.validationTokens > 0 else { return 0 }
    let loss = config.lossPass(
      tokens: workload.validationTokens, positions: workload.positions, options: options.step)
    return MemoryPlan(passes.apply(loss)).arenaBytes
  }

  /// A plan's programs and memory.
  private func choice(_ passes: TrainingPasses) -> Choice {
    var bounds: [Int: BoundProgram] = [:]
    for count in workload.microBatchCounts { bounds[count] = bound(passes, count) }
    let largest = bounds[workload.microBatchCounts.first ?? 1]
    let flush = largest.map { passes.flush($0.step) } ?? Program()
    let flushPlan = MemoryPlan(flush)
    let arenaBytes = max(
      bounds.values.map(\.plan.arenaBytes).max() ?? 0, lossBytes(passes), passes.isDeferred ? flushPlan.arenaBytes : 0)
    let pageBytes = max(bounds.values.map(\.plan.pageBytes).max() ?? 0, flushPlan.pageBytes)
    let table = largest.map {
      MemoryTable($0.program, plan: $0.plan, arenaBytes: arenaBytes, overhead: overhead)
    }
    let estimate = largest.map { cost.estimate($0.program) }
    let memory = table ?? MemoryTable(rows: [])
    let plain = largest.map { cost.estimate(ChunkedLossPass().apply($0.step.program)).seconds } ?? 0
    let slowdown = plain > 0 ? (estimate?.seconds ?? plain) / plain : 1
    return Choice(
      candidate: Candidate(passes: passes, bytes: memory.total, estimate: estimate ?? StepCost.Estimate()),
      bounds: bounds, flush: flush, arenaBytes: arenaBytes, pageBytes: pageBytes, memory: memory, slowdown: slowdown)
  }

  private func tooSmall(_ budget: Int, smallest: Int) -> TrainingError {
    let mebibytes = (smallest + (1 << 20) - 1) >> 20
    var remedy = "the smallest memory_budget that would do is \(mebibytes)MiB"
    if options.gradientCheckpointing == .off { remedy += " (less with gradient_checkpointing: auto)" }
    if options.activationOffloading == .off { remedy += " (less with activation_offloading: auto)" }
    if options.batchSize > 1 {
      remedy += "; a smaller per_device_train_batch_size with more gradient_accumulation_steps needs less"
    } else {
      remedy += "; shorter sequences need less"
    }
    return TrainingError(
      "no plan for this training fits memory_budget", value: Quantity.describe(bytes: budget), remedy: remedy)
  }
}

extension ModelConfig {
  /// Numbers in the embedding, and in the head when it is not tied.
  var embeddingCount: Int { vocabularySize * hiddenSize * (tieWordEmbeddings ? 1 : 2) }
}
