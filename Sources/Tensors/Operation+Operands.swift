extension Operation {
  /// Views this operation reads, in-out ones included.
  package var reads: [TensorView] { operands.reads }
  /// Views this operation writes, in-out ones included.
  package var writes: [TensorView] { operands.writes }

  /// One table of reads and writes: lifetimes, passes and checks all derive from it.
  private var operands: (reads: [TensorView], writes: [TensorView]) {
    switch self {
    case .embed(let ids, let table, let out): return ([ids, table], [out])
    case .embedBackward(let ids, let outGradient, let tableGradient):
      return ([ids, outGradient, tableGradient], [tableGradient])
    case .gemm(let a, _, let b, _, let c, let accumulate, let bias):
      return ([a, b] + (accumulate ? [c] : []) + (bias.map { [$0] } ?? []), [c])
    case .biasBackward(let outGradient, let biasGradient): return ([outGradient, biasGradient], [biasGradient])
    case .rmsNorm(let x, let weight, let out, let inverse, _): return ([x, weight], [out, inverse])
    case .addRMSNorm(let x, let delta, let sum, let weight, let out, let inverse, _):
      return ([x, delta, weight], [sum, out, inverse])
    case .rmsNormBackward(let x, let weight, let inverse, let outGradient, let xGradient, let weightGradient, let keep):
      let further = weightGradient.map { [$0] } ?? []
      return ([x, weight, inverse, outGradient] + further + (keep ? [xGradient] : []), [xGradient] + further)
    case .rope(let x, let positions, let cosine, let sine, _, _): return ([x, positions, cosine, sine], [x])
    case .attention(let o): return ([o.q, o.k, o.v, o.segments], [o.out, o.logSumExp])
    case .attentionBackward(let o, let outGradient, let qGradient, let kGradient, let vGradient, let delta):
      return (
        [o.q, o.k, o.v, o.segments, o.out, o.logSumExp, outGradient], [qGradient, kGradient, vGradient, delta]
      )
    case .appendToCache(let k, let v, let keyCache, let valueCache, let slots, let positions, _):
      return ([k, v, slots, positions, keyCache, valueCache], [keyCache, valueCache])
    case .attentionOverCache(let q, let keyCache, let valueCache, let slots, let positions, let out, _, _, _, _, _, _):
      return ([q, keyCache, valueCache, slots, positions], [out])
    case .gatedActivation(_, let gate, let up, let out): return ([gate, up], [out])
    case .gatedActivationBackward(_, let gate, let up, let outGradient, let gateGradient, let upGradient):
      return ([gate, up, outGradient], [gateGradient, upGradient])
    case .linearCrossEntropy(let o):
      let gradients = [o.hiddenGradient, o.weightGradient].compactMap { $0 }
      return (
        [o.hidden, o.weight, o.targets, o.loss] + (o.weightGradient.map { [$0] } ?? []),
        [o.loss, o.logits, o.gathered] + gradients
      )
    case .scoreTargets(let logits, let targets, let logProbability, let best):
      return ([logits, targets], [logProbability, best])
    case .gatherRows(let x, let rows, let out): return ([x, rows], [out])
    case .add(let a, let b, let out): return ([a, b], [out])
    case .copy(let x, let out): return ([x], [out])
    case .zero(let x): return ([], [x])
    case .scale(let x, _): return ([x], [x])
    case .sumOfSquares(let x, let out, let accumulate): return ([x] + (accumulate ? [out] : []), [out])
    case .clipFactor(let squares, let norm, let clip, _): return ([squares], [norm, clip])
    case .update(let o): return ([o.weight, o.gradient, o.clip] + o.states, [o.weight] + o.states)
    case .cast(let x, let out): return ([x], [out])
    case .dequantise(let matrix, let out): return (matrix.views, [out])
    case .dropout(let x, let out, _, _): return ([x], [out])
    case .fetch(let from, let into, _), .evict(let from, let into, _): return ([from], [into])
    case .wait(_, let view): return ([view], [])
    }
  }
}
