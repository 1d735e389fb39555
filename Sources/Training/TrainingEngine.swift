import Basics
import Models
import Tensors

/// Runs the updates of a training in one arena: programs of every shape that comes up share weights and states.
final class TrainingEngine {
  /// What one update did.
  struct Outcome {
    /// Mean loss over the update's targets, before the update.
    let loss: Double
    /// Global gradient norm before clipping.
    let gradientNorm: Double
    /// The first weight whose gradient is not finite; nil when the update was applied.
    let nonFinite: String?
  }

  let plan: TrainingPlan
  private let backend: any Backend
  private let arena: any ArenaMemory
  private var steps: [[Int]: (program: TrainingProgram, loaded: any LoadedProgram)] = [:]
  /// Shapes in the order of their last use, the newest last.
  private var recent: [[Int]] = []
  /// The update that waits for the next step, where updates are deferred.
  private var pending: (rate: Double, step: Int)?
  private var flushing: (any LoadedProgram)?
  private var losses: [Int: (program: LossProgram, loaded: any LoadedProgram)] = [:]

  /// A program that is always there, through which weights and states are read and written.
  private let home: (program: TrainingProgram, loaded: any LoadedProgram)

  init(plan: TrainingPlan, backend: any Backend) throws(TrainingError) {
    self.plan = plan
    self.backend = backend
    let pages = plan.pageBytes > 0 ? PageSpace(bytes: plan.pageBytes, folder: plan.pageFolder) : nil
    let arena = try rethrowing { try backend.makeArena(bytes: plan.arenaBytes, pages: pages) }
    self.arena = arena
    let count = plan.workload.microBatchCounts.first ?? 1
    let shape = [Int](repeating: plan.workload.longestMicroBatch, count: count)
    home = try TrainingEngine.load(shape, plan, backend, arena)
    steps[shape] = home
    recent = [shape]
    home.program.rotary.write(into: home.loaded)
    nothingIsPending()
  }

  var weights: [WeightSlot] { home.program.weights }
  var gradients: [WeightSlot] { home.program.gradients }
  /// The weights that are trained: all, or those of adapters.
  var trained: [WeightSlot] { home.program.trained }
  /// The frozen matrices in NF4.
  var quantised: [QuantisedSlot] { home.program.parameters.quantised }
  /// Tensors of all trained weights.
  var weightTensors: [TensorID] { home.program.parameters.tensors.filter(\.isTrained).map(\.weight) }
  /// Tensors of all the optimizer's states.
  var stateTensors: [TensorID] { home.program.parameters.states }
  /// The program through which the slots above are read and written.
  var memory: any LoadedProgram { home.loaded }

  /// Runs one update over `batches`; `updates` counts those applied before it.
  func step(_ batches: [MicroBatch], rate: Double, updates: Int) throws(TrainingError) -> Outcome {
    let targets = batches.reduce(0) { $0 + $1.targetCount }
    guard targets > 0 else { throw TrainingError("an update has no token to train", remedy: "check the loss masks") }
    let (program, loaded) = try loadedStep(batches.map { $0.ids.count })
    loaded.write(batches.flatMap(\.ids), to: program.inputs.ids)
    loaded.write(batches.flatMap(\.targets), to: program.inputs.targets)
    loaded.write(batches.flatMap(\.positions), to: program.inputs.positions)
    loaded.write(batches.flatMap(\.segments), to: program.inputs.segments)
    var scalars = StepScalars(
      learningRate: rate, step: updates + 1, inverseTargetCount: 1 / Double(targets), seed: plan.options.seed)
    if let pending {
      scalars.deferredLearningRate = pending.rate
      scalars.deferredStep = pending.step
    }
    try rethrowing { try loaded.run(scalars) }
    // A clip factor that is not a number keeps a deferred update from happening, as it does one that is not deferred.
    if plan.passes.isDeferred { pending = (rate, updates + 1) }
    let loss = loaded.read(program.loss, as: Double.self, initial: 0)[0]
    let norm = loaded.read(program.norm, as: Double.self, initial: 0)[0]
    var nonFinite: String?
    if !norm.isFinite {
      let squares = loaded.read(program.squares, as: Double.self, initial: 0)
      nonFinite = zip(program.trained, squares).first { !$1.isFinite }?.0.name ?? "the sum of all gradients"
    }
    return Outcome(loss: loss, gradientNorm: norm, nonFinite: nonFinite)
  }

  /// Makes the update that waits, if one does: then weights and states are those after the newest step.
  func settle() throws(TrainingError) {
    guard let pending else { return }
    let loaded = try loadedFlush()
    try rethrowing {
      try loaded.run(
        StepScalars(deferredLearningRate: pending.rate, deferredStep: pending.step, seed: plan.options.seed))
    }
    nothingIsPending()
  }

  private func nothingIsPending() {
    pending = nil
    home.loaded.write([Double.nan], to: home.program.clip)
  }

  private func loadedFlush() throws(TrainingError) -> any LoadedProgram {
    if let flushing { return flushing }
    let program = plan.flush
    let loaded = try rethrowing { try backend.load(program, plan: MemoryPlan(program), in: arena) }
    flushing = loaded
    return loaded
  }

  /// The sum of squares of each trained weight's gradient in the newest update of this shape, under the weight's name.
  func squares(of batches: [MicroBatch]) throws(TrainingError) -> [(name: String, squares: Double)] {
    let (program, loaded) = try loadedStep(batches.map { $0.ids.count })
    return zip(program.trained.map(\.name), loaded.read(program.squares, as: Double.self, initial: 0)).map { ($0, $1) }
  }

  /// The sum of the targets' losses of one micro-batch; weights and states stay as they are.
  func lossSum(_ batch: MicroBatch) throws(TrainingError) -> Double {
    let (program, loaded) = try loadedLoss(batch.ids.count)
    loaded.write(batch.ids, to: program.inputs.ids)
    loaded.write(batch.targets, to: program.inputs.targets)
    loaded.write(batch.positions, to: program.inputs.positions)
    loaded.write(batch.segments, to: program.inputs.segments)
    try rethrowing { try loaded.run(StepScalars(inverseTargetCount: 1)) }
    return loaded.read(program.loss, as: Double.self, initial: 0)[0]
  }

  /// Loaded programs kept at a time beside the longest one: as many as there may be shapes, as long as they are small.
  static func programLimit(_ bytes: Int, for workload: Workload) -> Int {
    min(workload.shapeCount - 1, max(1, min(23, (24 << 20) / max(bytes, 1))))
  }

  private var programLimit: Int {
    let bytes = plan.bounds[plan.workload.microBatchCounts.first ?? 1].map { MemoryOverhead.program($0.program) } ?? 0
    return 1 + TrainingEngine.programLimit(bytes, for: plan.workload)
  }

  /// Programs of validation passes kept at a time; they are small.
  private static let lossLimit = 8

  private func loadedStep(_ shape: [Int]) throws(TrainingError) -> (
    program: TrainingProgram, loaded: any LoadedProgram
  ) {
    recent.removeAll { $0 == shape }
    recent.append(shape)
    if let known = steps[shape] { return known }
    if recent.count > programLimit { steps[recent.removeFirst()] = nil }
    let made = try TrainingEngine.load(shape, plan, backend, arena)
    steps[shape] = made
    return made
  }

  private func loadedLoss(_ tokens: Int) throws(TrainingError) -> (program: LossProgram, loaded: any LoadedProgram) {
    if let known = losses[tokens] { return known }
    if losses.count >= TrainingEngine.lossLimit { losses.removeAll() }
    var made = plan.config.lossPass(
      tokens: tokens, positions: plan.workload.positions, options: plan.options.step)
    made.program = plan.passes.apply(made)
    let memoryPlan = MemoryPlan(made.program)
    let loaded = try rethrowing { try backend.load(made.program, plan: memoryPlan, in: arena) }
    losses[tokens] = (made, loaded)
    return (made, loaded)
  }

  /// Emits the program of a shape and loads it at the places of the longest one.
  private static func load(
    _ shape: [Int], _ plan: TrainingPlan, _ backend: any Backend, _ arena: any ArenaMemory
  ) throws(TrainingError) -> (program: TrainingProgram, loaded: any LoadedProgram) {
    var made = plan.config.trainingStep(
      shape: TrainingShape(microBatchTokens: shape, positions: plan.workload.positions), options: plan.options.step)
    guard let bound = plan.bounds[shape.count] else {
      throw TrainingError("the plan has no step of so many micro-batches", value: "\(shape.count)")
    }
    made.program = plan.passes.apply(made, bound: bound.step)
    guard bound.plan.serves(made.program, planned: bound.program) else {
      throw TrainingError("the memory plan has no place for micro-batches of these lengths", value: "\(shape)")
    }
    let loaded = try rethrowing { try backend.load(made.program, plan: bound.plan, in: arena) }
    return (made, loaded)
  }
}
