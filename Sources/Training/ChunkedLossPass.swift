import Tensors

/// Gives the loss room for one chunk of logits at a time, where plain training holds those of the whole micro-batch.
///
/// The loss works chunk by chunk either way, in chunks that follow from the vocabulary, so every result has the same
/// bits, in the same time: there is no reason to train without this pass.
package struct ChunkedLossPass: Sendable {
  package init() {}

  /// The program with the workspace of every loss cut to its chunk.
  package func apply(_ program: Program) -> Program {
    var result = program
    for place in result.instructions.indices {
      guard case .linearCrossEntropy(var operands) = result.instructions[place].operation else { continue }
      operands.logits = cut(operands.logits, to: operands.chunk, in: &result)
      operands.gathered = cut(operands.gathered, to: operands.chunk, in: &result)
      result.instructions[place].operation = .linearCrossEntropy(operands)
    }
    return result
  }

  private func cut(_ view: TensorView, to rows: Int, in program: inout Program) -> TensorView {
    guard rows < view.rows, program[view.tensor].role == .workspace else { return view }
    program[view.tensor].rows = rows
    return view.rows(0..<rows)
  }
}
