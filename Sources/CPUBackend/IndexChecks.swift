import Basics
import Tensors

/// What a negative index means.
enum NegativeIndex {
  case refused
  /// Any negative number stands for "none".
  case none
  /// This number alone stands for "none".
  case only(Int32)
}

/// The label of a row without a target.
let ignoredTarget: Int32 = -100

/// Refuses a column of indices with one outside `0..<limit` that does not stand for "none".
func checkIndices(
  _ indices: Matrix<Int32>, _ what: String, below limit: Int, negative: NegativeIndex = .refused, _ place: String
) throws(TensorError) {
  for row in 0..<indices.rows {
    let value = Int(indices[row])
    let isNone =
      switch negative {
      case .refused: false
      case .none: value < 0
      case .only(let none): value == Int(none)
      }
    guard isNone || (value >= 0 && value < limit) else {
      throw TensorError(
        Problem("\(what) out of range in row \(row): must be below \(limit)", at: place, value: "\(value)"))
    }
  }
}
