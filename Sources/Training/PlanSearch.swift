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
    var candidate: Candidate
    let bounds: [Int: BoundProgram]
    let flush: Program
    let arenaBytes: Int
    let pageBytes: Int
    var memory: MemoryTable
    /// Estimated time of a step as a multiple of a step without any technique.
    let slowdown: Double
    /// The fastest plan that needs more than the budget for which there is less time, of those that were tried.
    var faster: Candidate?
  }

  let config: ModelConfig
  let options: TrainerOptions
  let workload: Workload
  var overhead: MemoryOverhead
  let rates: MachineRates
  /// Whether the training will run in this process, so that what it holds can be measured.
  var isThisProcess = false

  private var blocks: Int { config.layerCount }

  /// The fastest plan that fits; without a budget the fastest of all.
  func fastest() throws(TrainingError) -> Choice {
    if let passes = options.passes { return choice(passes) }
    guard let budget = options.memoryBudget else { return choice(plainest) }
    // What the search itself leaves behind is known afterwards, and taken off what there is to plan with.
    var left = budget
    var least = Int.max
    for _ in 0..<3 {
      let found = try fastest(within: left, of: budget)
      let measured = measured(found)
      if measured.memory.total <= budget { return measured }
      least = min(least, measured.memory.total)
      left -= measured.memory.total - budget + (1 << 20)
    }
    throw tooSmall(budget, smallest: least + (1 << 20))
  }

  private func fastest(within left: Int, of budget: Int) throws(TrainingError) -> Choice {
    var all: [Candidate] = []
    var best = tried(plainest, left, &all)
    if best.bytes > left {
      for family in families { best = better(best, family, left, &all) }
      for family in neighbours(of: best.passes) { best = better(best, family, left, &all) }
    }
    guard best.bytes <= left else { throw tooSmall(budget, smallest: smallest(all) + max(budget - left, grown)) }
    var result = choice(best.passes)
    // Only largest steps were tried; other counts of micro-batches are smaller, but are placed on their own.
    guard result.memory.total <= left else {
      throw tooSmall(budget, smallest: result.memory.total + budget - left)
    }
    result.faster = all.filter { $0.bytes > left && $0.estimate.seconds < best.estimate.seconds * 0.98 }
      .min { $0.bytes < $1.bytes }
    return result
  }

  /// How much more the process holds than before the search.
  private var grown: Int {
    guard isThisProcess else { return 0 }
    ProcessMemory.returnFree()
    return max(0, ProcessMemory.current - overhead.process)
  }

  /// A choice with what the process holds now, its programs among it, instead of what it was thought to hold.
  private func measured(_ choice: Choice) -> Choice {
    guard isThisProcess, let largest = choice.bounds[workload.microBatchCounts.first ?? 1] else { return choice }
    ProcessMemory.returnFree()
    var result = choice
    var beside = overhead
    beside.process = max(overhead.process, ProcessMemory.current)
    let one = MemoryOverhead.program(largest.program)
    beside.data += one * (1 + TrainingEngine.programLimit(one, for: workload))
    result.memory = MemoryTable(
      largest.program, plan: largest.plan, arenaBytes: choice.arenaBytes, overhead: beside)
    result.candidate = Candidate(
      passes: choice.candidate.passes, bytes: result.memory.total, estimate: choice.candidate.estimate)
    return result
  }

  /// What the least of the tried plans needs: the most promising are placed, which tells it exactly.
  private func smallest(_ all: [Candidate]) -> Int {
    all.sorted { $0.bytes < $1.bytes }.prefix(8).map { choice($0.passes).memory.total }.min() ?? 0
  }

  /// The fastest plan of a family with as little recomputation as fits, if it is better than `best`.
  ///
  /// Recomputation costs time: without any the family's fastest plan shows what there is to gain.
  private func better(
    _ best: Candidate, _ family: TrainingPasses, _ budget: Int, _ all: inout [Candidate]
  ) -> Candidate {
    func isBetter(_ candidate: Candidate, than other: Candidate) -> Bool {
      guard other.bytes <= budget else { return candidate.bytes <= budget }
      return candidate.bytes <= budget && candidate.estimate.seconds < other.estimate.seconds
    }
    let steps = recomputations
    func at(_ step: Int) -> Candidate {
      var passes = family
      passes.recompute = steps[step]
      return tried(passes, budget, &all)
    }
    let least = at(0)
    if isBetter(least, than: best) { return least }
    if best.bytes <= budget, least.estimate.seconds >= best.estimate.seconds { return best }
    if least.bytes <= budget || steps.count == 1 { return best }
    var found = at(steps.count - 1)
    guard found.bytes <= budget else { return best }
    var low = 1
    var high = steps.count - 1
    while low < high {
      let middle = (low + high) / 2
      let candidate = at(middle)
      if candidate.bytes <= budget {
        found = candidate
        high = middle
      } else {
        low = middle + 1
      }
    }
    return isBetter(found, than: best) ? found : best
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

  /// Families of plans that the options allow, recomputation aside; what does least comes first.
  private var families: [TrainingPasses] {
    let orders: [AccumulationOrder] = isAccumulating ? [.batchByBatch, .layerByLayer] : [.batchByBatch]
    let all = blocks + 1
    // States, gradients, weights.
    let levels: [(Int, Int, Int)] = [
      (0, 0, 0), (blocks / 2, 0, 0), (blocks, 0, 0), (all, 0, 0), (all, blocks / 2, 0), (all, blocks, 0),
      (all, blocks, blocks / 2), (all, blocks, blocks), (all, all, blocks), (all, all, all),
    ]
    let offloads: [Int] =
      switch options.activationOffloading {
      case .on: [blocks]
      case .off: [0]
      case .auto: [0, blocks]
      }
    var result: [TrainingPasses] = []
    for (states, gradients, weights) in levels where !options.statesArePaged || states == all {
      for order in orders {
        // Gradients that come and go for every micro-batch cost more than anything they save.
        if gradients > 0, order == .batchByBatch, isAccumulating { continue }
        for offloaded in offloads {
          for lookahead in lookaheads {
            var passes = plainest
            passes.order = order
            passes.pagedStates = states
            passes.streamedGradients = gradients
            passes.streamedWeights = weights
            passes.offloadedBlocks = offloaded
            passes.isDeferred = states > 0
            passes.lookahead = lookahead
            if !passes.usesPages, lookahead != lookaheads[0] { continue }
            if passes.usesPages, rates.reads <= 0 { continue }
            result.append(passes)
          }
        }
      }
    }
    return result
  }

  /// Plans between a family that fits and the one beside it: some blocks' activations offloaded, the others recomputed.
  private func neighbours(of passes: TrainingPasses) -> [TrainingPasses] {
    guard options.activationOffloading == .auto, rates.reads > 0 else { return [] }
    return [3, 2, 1].map { quarters in
      var neighbour = passes
      neighbour.offloadedBlocks = blocks * quarters / 4
      return neighbour
    }
  }

  private var isAccumulating: Bool { (workload.microBatchCounts.first ?? 1) > 1 }

  /// Bytes on their way: two of a block's largest tensors, or little.
  private var lookaheads: [Int] {
    let block = config.hiddenSize * config.intermediateSize * 2 * MemoryLayout<Float>.stride
    let activations = workload.longestMicroBatch * config.intermediateSize * 2 * MemoryLayout<Float>.stride
    return [max(2 * max(block, activations), 16 << 20), 4 << 20]
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
  private func tried(_ passes: TrainingPasses, _ budget: Int, _ all: inout [Candidate]) -> Candidate {
    if let known = all.first(where: { $0.passes == passes }) { return known }
    let step = step(workload.microBatchCounts.first ?? 1)
    let program = passes.apply(step, bound: step)
    let estimate = cost.estimate(program)
    let beside = beside(step.program, program)
    // Placing costs time: what cannot fit is not placed.
    let least = MemoryPlan.leastArenaBytes(program) + beside.total
    let bytes =
      least > budget
      ? least + least / 64 : max(MemoryPlan(program).arenaBytes, lossBytes(passes)) + beside.total
    let candidate = Candidate(passes: passes, bytes: bytes, estimate: estimate)
    all.append(candidate)
    return candidate
  }

  /// What the process holds beside the arena, the programs of a plan included.
  private func beside(_ plain: Program, _ program: Program) -> MemoryOverhead {
    var result = overhead
    let one = MemoryOverhead.program(program)
    // The plan keeps the plain step and the planned one, the engine the one it runs and those of other shapes.
    result.data += MemoryOverhead.program(plain) + one * (2 + TrainingEngine.programLimit(one, for: workload))
    return result
  }

  private func step(_ count: Int) -> TrainingProgram {
    let shape = TrainingShape(tokens: workload.longestMicroBatch, microBatches: count, positions: workload.positions)
    return config.trainingStep(shape: shape, options: options.step)
  }

  private var cost: StepCost {
    StepCost(
      rates: rates, targetShare: Double(workload.targets) / Double(max(workload.paddedTokens, 1)),
      attended: Double(min(workload.positions, workload.longestMicroBatch)) / 2)
  }

  private func bound(_ passes: TrainingPasses, _ count: Int) -> BoundProgram {
    let step = step(count)
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
      MemoryTable(
        $0.program, plan: $0.plan, arenaBytes: arenaBytes, overhead: beside($0.step.program, $0.program))
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
    if rates.reads <= 0 {
      remedy += "; less would do with a page file: set page_folder to a folder on a disk"
    }
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
