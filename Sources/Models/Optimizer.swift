import Tensors

/// Which optimizer a training uses, by the name of Hugging Face's `optim`, and what states it keeps.
package enum Optimizer: String, Sendable, CaseIterable {
  /// AdamW with f32 states.
  case adamW = "adamw_torch"

  /// The rule for a weight, and its states' tensors in the order that `UpdateRule` names them.
  package func states(of weight: TensorSpec) -> (rule: UpdateRule, states: [TensorSpec]) {
    func twin(_ suffix: String, _ dtype: DType = .f32) -> TensorSpec {
      TensorSpec(
        name: weight.name + suffix, dtype: dtype, rows: weight.rows, columns: weight.columns, role: .state)
    }
    switch self {
    case .adamW: return (.adamW, [twin(".m"), twin(".v")])
    }
  }
}
