import Tensors

/// Accumulation layer by layer: every block runs for all micro-batches before the next one does, so that its weights
/// are needed twice a step and its gradients are whole after one visit, however long the accumulation.
///
/// Each sum still takes its micro-batches in order, so every result has the same bits; what waits is one stream of
/// block inputs for every micro-batch.
package struct LayerOrderPass: Sendable {
  package init() {}

  /// The program in layer order; programs whose micro-batches differ in their steps are left alone.
  package func apply(_ program: Program) -> Program {
    guard let first = program.instructions.firstIndex(where: { $0.microBatch != nil }),
      let last = program.instructions.lastIndex(where: { $0.microBatch != nil })
    else { return program }
    var batches: [[[Instruction]]] = []
    var keys: [[Key]] = []
    for instruction in program.instructions[first...last] {
      guard let microBatch = instruction.microBatch else { return program }
      if microBatch == batches.count {
        batches.append([])
        keys.append([])
      }
      guard microBatch == batches.count - 1 else { return program }
      let key = Key(phase: instruction.phase, block: instruction.block)
      if keys[microBatch].last != key {
        keys[microBatch].append(key)
        batches[microBatch].append([])
      }
      batches[microBatch][batches[microBatch].count - 1].append(instruction)
    }
    guard keys.allSatisfy({ $0 == keys[0] }) else { return program }
    var result = program
    let middle = keys[0].indices.flatMap { place in batches.flatMap { $0[place] } }
    result.instructions.replaceSubrange(first...last, with: middle)
    return result
  }

  private struct Key: Equatable {
    let phase: Instruction.Phase
    let block: Int?
  }
}
