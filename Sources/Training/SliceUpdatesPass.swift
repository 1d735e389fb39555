import Tensors

/// Cuts updates into slices of their flattened tensors, so that no more than some slices of the states need be in
/// memory. Updates are elementwise and slices whole blocks of quantised states, so every result has the same bits.
package struct SliceUpdatesPass: Sendable {
  /// The updates that are cut: those with an operand in here.
  package let tensors: Set<TensorID>

  /// Elements of a slice, a multiple of the blocks of quantised states.
  package let elements: Int

  /// Without `elements` slices are whole pages of every state, quantised maxima included.
  package init(tensors: Set<TensorID>, elements: Int = 1 << 19) {
    self.tensors = tensors
    self.elements = elements
  }

  package func apply(_ program: Program) -> Program {
    var result = program
    result.instructions = program.instructions.flatMap { instruction -> [Instruction] in
      guard case .update(let operands) = instruction.operation, isCut(operands) else { return [instruction] }
      let count = operands.weight.count
      return stride(from: 0, to: count, by: elements).map { start in
        var slice = instruction
        let range = start..<min(count, start + elements)
        slice.operation = .update(cut(operands, to: range))
        return slice
      }
    }
    return result
  }

  private func isCut(_ operands: UpdateOperands) -> Bool {
    let views = [operands.weight, operands.gradient] + operands.states
    return operands.rule.isElementwise && operands.weight.count > elements
      && views.allSatisfy(\.isContiguous) && views.contains { tensors.contains($0.tensor) }
  }

  private func cut(_ operands: UpdateOperands, to range: Range<Int>) -> UpdateOperands {
    let count = operands.weight.count
    func part(_ view: TensorView) -> TensorView {
      // A state has one number for each element, or one for each block of elements.
      let unit = view.count == count ? 1 : UpdateOperands.blockSize
      let low = range.lowerBound / unit
      let high = (range.upperBound + unit - 1) / unit
      return TensorView(tensor: view.tensor, offset: view.offset + low, rows: 1, columns: high - low)
    }
    var result = operands
    result.weight = part(operands.weight)
    result.gradient = part(operands.gradient)
    result.states = operands.states.map(part)
    result.start += range.lowerBound
    return result
  }
}
