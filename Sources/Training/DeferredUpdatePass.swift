import Tensors

/// Updates wait for the next step's forward pass: each block's comes just before the block is used, between the
/// products of the block before it, so that states can be fetched behind them.
///
/// The updates take the learning rate, the step number and the clip factor of the step that found the gradients, so
/// every result has the same bits; who reads weights in between runs `flush` first.
package struct DeferredUpdatePass: Sendable {
  package init() {}

  /// The step with the updates of the step before at its beginning.
  package func apply(_ program: Program) -> Program {
    let updates = deferred(program)
    guard !updates.isEmpty else { return program }
    let cleared = clearedAtStart(program)
    var waiting = Dictionary(grouping: updates) { instruction in
      guard case .update(let operands) = instruction.operation, !cleared.contains(operands.gradient.tensor) else {
        return DeferredUpdatePass.outside
      }
      return instruction.block ?? DeferredUpdatePass.outside
    }
    var result = program
    result.instructions = []
    // Before everything: what the embedding and the first block read.
    let blocks = Set(program.instructions.compactMap { $0.phase == .forward ? $0.block : nil }).sorted()
    let early = waiting.removeValue(forKey: DeferredUpdatePass.outside) ?? []
    let first = blocks.first.flatMap { waiting.removeValue(forKey: $0) } ?? []
    result.instructions = early + first
    var place = 0
    let rest = program.instructions.filter { !isUpdate($0) }
    while place < rest.count {
      let run = rest[place...].prefix { $0.phase == rest[place].phase && $0.block == rest[place].block }
      if let block = rest[place].block, rest[place].phase == .forward,
        let next = blocks.first(where: { $0 > block }), let coming = waiting.removeValue(forKey: next)
      {
        result.instructions += spread(coming, over: Array(run))
      } else {
        result.instructions += run
      }
      place += run.count
    }
    return result
  }

  /// Stands for what lies outside the blocks.
  private static let outside = -1

  /// The program that runs the updates which wait, and nothing else.
  package func flush(_ program: Program) -> Program {
    var result = program
    result.instructions = deferred(program)
    return result
  }

  private func isUpdate(_ instruction: Instruction) -> Bool {
    if case .update = instruction.operation { return true }
    return false
  }

  /// Gradients that are set to zero before the first micro-batch: what waits for them must come first.
  private func clearedAtStart(_ program: Program) -> Set<TensorID> {
    var result: Set<TensorID> = []
    for instruction in program.instructions.prefix(while: { $0.microBatch == nil }) {
      if case .zero(let view) = instruction.operation { result.insert(view.tensor) }
    }
    return result
  }

  private func deferred(_ program: Program) -> [Instruction] {
    program.instructions.compactMap { instruction in
      guard case .update(var operands) = instruction.operation else { return nil }
      operands.isDeferred = true
      var instruction = instruction
      instruction.operation = .update(operands)
      return instruction
    }
  }

  /// Puts `extra` between the instructions of `run`, evenly over the weights that its products read: a measure of time
  /// that does not depend on how long a micro-batch is.
  private func spread(_ extra: [Instruction], over run: [Instruction]) -> [Instruction] {
    let costs = run.map { instruction -> Double in
      guard case .gemm(_, _, let b, _, _, _, _) = instruction.operation else { return 0 }
      return Double(b.count)
    }
    let total = costs.reduce(0, +)
    var result: [Instruction] = []
    var done = 0
    var passed = 0.0
    for (instruction, cost) in zip(run, costs) {
      result.append(instruction)
      passed += cost
      let due = total > 0 ? Int(passed / total * Double(extra.count)) : extra.count
      while done < min(due, extra.count) {
        result.append(extra[done])
        done += 1
      }
    }
    return result + extra[done...]
  }
}
