import Tensors

/// The number formats of a program that trains.
package enum Precision: String, Sendable, CaseIterable {
  /// Everything in f32.
  case f32
  /// Matrices, their gradients and states, and activations in bf16; norms, biases, statistics and losses stay.
  case bf16

  /// A program in these formats.
  func applied(to program: Program) -> Program {
    self == .bf16 ? HalfPrecisionPass().apply(program) : program
  }
}

/// Gives a program's large tensors bf16 elements: `Program -> Program` for backends that compute in bf16.
///
/// What stays f32: rows that are one (norms and biases) with their gradients and states, constants, and the statistics
/// that operations leave for their backward pass. Views count in elements, so nothing else changes. The head then works
/// on more rows at a time, since its logits are smaller and a card wants large products.
package struct HalfPrecisionPass: Sendable {
  /// Most bytes of the head's logits.
  package var logitsBytes: Int

  package init(logitsBytes: Int = 1 << 29) { self.logitsBytes = logitsBytes }

  package func apply(_ given: Program) -> Program {
    var program = given
    let statistics = statistics(given)
    for index in given.tensors.indices {
      let id = TensorID(index: index)
      let spec = given[id]
      guard spec.dtype == .f32, !statistics.contains(id) else { continue }
      switch spec.role {
      case .weight, .gradient, .state: if spec.rows > 1 { program[id].dtype = .bf16 }
      case .cache, .activation, .activationGradient, .workspace, .window: program[id].dtype = .bf16
      case .constant, .input, .output: break
      }
    }
    for index in program.instructions.indices {
      guard case .linearCrossEntropy(var operands) = program.instructions[index].operation else { continue }
      let rows = max(64, logitsBytes / max(1, operands.weight.rows * 2) / 64 * 64)
      operands.chunk = max(operands.chunk, min(rows, operands.logits.rows))
      program.instructions[index].operation = .linearCrossEntropy(operands)
    }
    return program
  }

  /// Tensors that hold norms' factors, log-sum-exps and row sums.
  private func statistics(_ program: Program) -> Set<TensorID> {
    var result: Set<TensorID> = []
    for instruction in program.instructions {
      switch instruction.operation {
      case .rmsNorm(_, _, _, let inverse, _), .addRMSNorm(_, _, _, _, _, let inverse, _):
        result.insert(inverse.tensor)
      case .attention(let operands): result.insert(operands.logSumExp.tensor)
      case .attentionBackward(let operands, _, _, _, _, let delta):
        result.insert(operands.logSumExp.tensor)
        result.insert(delta.tensor)
      default: break
      }
    }
    return result
  }
}
