import Tensors

/// Which optimizer a training uses, by the name of Hugging Face's `optim`, and what states it keeps.
package enum Optimizer: String, Sendable, CaseIterable {
  /// AdamW with f32 states.
  case adamW = "adamw_torch"
  /// AdamW with bf16 states, rounded by chance.
  case adamWHalf = "adamw_bf16"
  /// AdamW with 8-bit states, quantised block by block (bitsandbytes).
  case adamW8bit = "adamw_8bit"
  /// `adamW` with states in the page tier.
  case pagedAdamW32bit = "paged_adamw_32bit"
  /// `adamW8bit` with states in the page tier.
  case pagedAdamW8bit = "paged_adamw_8bit"
  /// Gradient descent without momentum.
  case sgd
  /// Adafactor with a given learning rate, of states that are rows and columns of means.
  case adafactor

  /// Whether states lie in the page tier whatever the memory.
  package var isPaged: Bool { self == .pagedAdamW32bit || self == .pagedAdamW8bit }
  /// Whether small weights and, by option, the embedding's have f32 states where the others have smaller ones.
  package var hasSmallStates: Bool { self == .adamWHalf || self == .adamW8bit || self == .pagedAdamW8bit }
  /// Whether Adam's betas and epsilon mean anything.
  package var isAdam: Bool { self != .sgd && self != .adafactor }

  /// Weights of fewer elements keep f32 states, as in bitsandbytes.
  package static let smallest = 4096

  /// The change of a part of a weight's tensor, and its states' tensors in the order that `UpdateRule` names them.
  package struct Update: Sendable {
    package let part: TensorView
    package let rule: UpdateRule
    package let states: [TensorSpec]
  }

  /// The updates of `weight`, which holds the Hugging Face weights `slots`: one of all where elements are changed each
  /// on its own, else one for each. `isFull`: states are f32 whatever the optimizer.
  package func updates(of weight: TensorSpec, _ id: TensorID, slots: [WeightSlot], isFull: Bool) -> [Update] {
    func state(_ name: String, _ dtype: DType, _ rows: Int, _ columns: Int) -> TensorSpec {
      TensorSpec(name: name, dtype: dtype, rows: rows, columns: columns, role: .state)
    }
    func twin(_ suffix: String, _ dtype: DType) -> TensorSpec {
      state(weight.name + suffix, dtype, weight.rows, weight.columns)
    }
    let whole = TensorView(tensor: id, rows: weight.rows, columns: weight.columns)
    let isFull = isFull || weight.count < Optimizer.smallest
    switch self {
    case .adamW8bit where !isFull, .pagedAdamW8bit where !isFull:
      let blocks = (weight.count + UpdateOperands.blockSize - 1) / UpdateOperands.blockSize
      let states = [
        twin(".m", .u8), twin(".v", .u8), state(weight.name + ".m.maxima", .f32, 1, blocks),
        state(weight.name + ".v.maxima", .f32, 1, blocks),
      ]
      return [Update(part: whole, rule: .adamW8bit, states: states)]
    case .adamW, .adamWHalf, .adamW8bit, .pagedAdamW32bit, .pagedAdamW8bit:
      let dtype: DType = self == .adamWHalf && !isFull ? .bf16 : .f32
      return [Update(part: whole, rule: .adamW, states: [twin(".m", dtype), twin(".v", dtype)])]
    case .sgd: return [Update(part: whole, rule: .sgd, states: [])]
    case .adafactor:
      return slots.map { slot in
        let columns = state(slot.name + ".columns", .f32, 1, slot.view.columns)
        let rows = state(slot.name + ".rows", .f32, slot.view.rows, 1)
        return Update(part: slot.view, rule: .adafactor, states: slot.shape.count == 2 ? [rows, columns] : [columns])
      }
    }
  }
}
