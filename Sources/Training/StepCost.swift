import Tensors

/// Estimates how long a program runs on a machine of given rates, transfers behind the arithmetic.
package struct StepCost: Sendable {
  package let rates: MachineRates
  /// Share of the rows that have a target: the others cost the head nothing.
  package let targetShare: Double
  /// Tokens that a token sees, on average.
  package let attended: Double

  package init(rates: MachineRates, targetShare: Double = 1, attended: Double) {
    self.rates = rates
    self.targetShare = targetShare
    self.attended = attended
  }

  package struct Estimate: Sendable, Equatable {
    /// Seconds of the whole program.
    package var seconds = 0.0
    /// Seconds of these in which the arithmetic waited for transfers.
    package var waiting = 0.0
    /// Bytes that come from and go to the page tier.
    package var fetched = 0
    package var evicted = 0
  }

  package func estimate(_ program: Program) -> Estimate {
    var result = Estimate()
    var reading = 0.0
    var writing = 0.0
    var done: [Int: Double] = [:]
    for instruction in program.instructions {
      switch instruction.operation {
      case .fetch(let from, _, let transfer):
        let bytes = from.count * program[from.tensor].dtype.size
        // What was just written is read only after it is there.
        reading = max(reading, result.seconds) + Double(bytes) / rates.reads
        done[transfer] = reading
        result.fetched += bytes
      case .evict(_, let into, let transfer):
        let bytes = into.count * program[into.tensor].dtype.size
        writing = max(writing, result.seconds) + Double(bytes) / rates.writes
        done[transfer] = writing
        result.evicted += bytes
      case .wait(let transfer, _):
        let ready = done[transfer] ?? 0
        result.waiting += max(0, ready - result.seconds)
        result.seconds = max(result.seconds, ready)
      default: result.seconds += seconds(of: instruction.operation, in: program)
      }
    }
    return result
  }

  private func seconds(of operation: Operation, in program: Program) -> Double {
    let moved = (operation.reads + operation.writes).reduce(0) { $0 + $1.count * program[$1.tensor].dtype.size }
    let bytes = Double(moved) / rates.memory
    switch operation {
    case .gemm(let a, let transposeA, _, _, let c, _, _):
      let depth = transposeA ? a.rows : a.columns
      return 2 * Double(c.count) * Double(depth) / rates.products
    case .linearCrossEntropy(let o):
      let products = o.weightGradient == nil && o.hiddenGradient == nil ? 2.0 : 6.0
      let rows = Double(o.hidden.rows) * targetShare
      let logits = 4 * rows * Double(o.weight.rows) * 4 / rates.memory
      return products * rows * Double(o.weight.count) / rates.products + logits
    case .attention(let o):
      return 4 * Double(o.q.count) * min(attended, Double(o.q.rows)) / (rates.products * StepCost.tiles) + bytes
    case .attentionBackward(let o, _, _, _, _, _):
      return 10 * Double(o.q.count) * min(attended, Double(o.q.rows)) / (rates.products * StepCost.tiles) + bytes
    case .embed(_, _, let out): return Double(2 * out.count * 4) / rates.memory
    case .embedBackward(_, let outGradient, _): return Double(3 * outGradient.count * 4) / rates.memory
    default: return bytes
    }
  }

  /// Share of the products' rate that attention's small tiles reach.
  private static let tiles = 0.4
}
