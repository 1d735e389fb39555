import Tensors

/// Gradient checkpointing: forward work of a block is repeated in its backward pass, so that its results need not wait
/// in memory (Chen et al., "Training deep nets with sublinear memory cost", 2016).
///
/// The repeated instructions are the same operations on the same inputs, so every result has the same bits.
package struct RecomputePass: Sendable, Equatable {
  /// What a block repeats.
  package enum Mode: String, Sendable, CaseIterable {
    /// Nothing: all that the backward pass reads is kept.
    case none
    /// What costs next to nothing: norms and activations. Products and attention are kept.
    case selective
    /// The whole block: its input alone is kept.
    case block
  }

  /// One mode for each block.
  package let modes: [Mode]

  package init(modes: [Mode]) { self.modes = modes }

  /// `mode` for all of `blocks` blocks.
  package init(_ mode: Mode, blocks: Int) { modes = [Mode](repeating: mode, count: blocks) }

  /// The program with the forward work repeated where it is needed again.
  package func apply(_ program: Program) -> Program {
    var result = program
    var places: [Key: BlockPlaces] = [:]
    for (place, instruction) in program.instructions.enumerated() {
      guard let microBatch = instruction.microBatch, let block = instruction.block, modes.indices.contains(block),
        modes[block] != .none
      else { continue }
      let key = Key(microBatch: microBatch, block: block)
      switch instruction.phase {
      case .forward: places[key, default: BlockPlaces()].forward.append(place)
      case .backward: places[key, default: BlockPlaces()].backward.append(place)
      case .loss, .update: break
      }
    }
    var inserted: [Int: [Instruction]] = [:]
    for (key, block) in places.sorted(by: { $0.key < $1.key }) {
      guard let first = block.backward.first else { continue }
      inserted[first] = repeatForward(block, mode: modes[key.block], in: &result)
    }
    var instructions: [Instruction] = []
    instructions.reserveCapacity(result.instructions.count + inserted.values.reduce(0) { $0 + $1.count })
    for (place, instruction) in result.instructions.enumerated() {
      if let repeated = inserted[place] { instructions += repeated }
      instructions.append(instruction)
    }
    result.instructions = instructions
    return result
  }

  private struct Key: Hashable, Comparable {
    let microBatch: Int
    let block: Int
    static func < (a: Key, b: Key) -> Bool { (a.microBatch, a.block) < (b.microBatch, b.block) }
  }

  private struct BlockPlaces {
    var forward: [Int] = []
    var backward: [Int] = []
  }

  /// Points the block's backward pass at fresh tensors, and returns the instructions that fill them.
  private func repeatForward(_ block: BlockPlaces, mode: Mode, in program: inout Program) -> [Instruction] {
    let forward = block.forward.map { program.instructions[$0] }
    let disposable = disposable(forward, mode: mode)
    var needed: Set<TensorID> = []
    for place in block.backward {
      for view in program.instructions[place].operation.reads where disposable.contains(view.tensor) {
        needed.insert(view.tensor)
      }
    }
    var repeated: [Instruction] = []
    for instruction in forward.reversed() {
      guard instruction.operation.writes.contains(where: { needed.contains($0.tensor) }) else { continue }
      var again = instruction
      again.operation = withoutKeptSum(instruction.operation, disposable)
      again.phase = .backward
      again.isRecomputation = true
      for view in again.operation.reads where disposable.contains(view.tensor) { needed.insert(view.tensor) }
      repeated.append(again)
    }
    var twins: [TensorID: TensorID] = [:]
    for tensor in needed.sorted(by: { $0.index < $1.index }) {
      var spec = program[tensor]
      spec.name += ".again"
      twins[tensor] = program.add(spec)
    }
    func moved(_ view: TensorView) -> TensorView {
      guard let twin = twins[view.tensor] else { return view }
      var view = view
      view.tensor = twin
      return view
    }
    for place in block.backward {
      program.instructions[place].operation = program.instructions[place].operation.mappingViews(moved)
    }
    return repeated.reversed().map { instruction in
      var instruction = instruction
      instruction.operation = instruction.operation.mappingViews(moved)
      return instruction
    }
  }

  /// Tensors that the block's forward pass makes and that need not be kept.
  private func disposable(_ forward: [Instruction], mode: Mode) -> Set<TensorID> {
    var result: Set<TensorID> = []
    switch mode {
    case .none: break
    case .selective:
      for instruction in forward {
        switch instruction.operation {
        case .rmsNorm(_, _, let out, let inverse, _), .addRMSNorm(_, _, _, _, let out, let inverse, _):
          result.formUnion([out.tensor, inverse.tensor])
        case .gatedActivation(_, _, _, let out): result.insert(out.tensor)
        default: break
        }
      }
    case .block:
      for instruction in forward { result.formUnion(instruction.operation.writes.map(\.tensor)) }
      if case .addRMSNorm(_, _, let sum, _, _, _, _) = forward.first?.operation { result.remove(sum.tensor) }
    }
    return result
  }

  /// A norm whose sum is kept starts from the sum: what was added to make it need not be there any more.
  private func withoutKeptSum(_ operation: Operation, _ disposable: Set<TensorID>) -> Operation {
    guard case .addRMSNorm(_, _, let sum, let weight, let out, let inverse, let epsilon) = operation,
      !disposable.contains(sum.tensor)
    else { return operation }
    return .rmsNorm(x: sum, weight: weight, out: out, inverse: inverse, epsilon: epsilon)
  }
}
