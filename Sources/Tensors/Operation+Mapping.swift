extension Operation {
  /// The same operation with every view replaced by `map` of it: what passes move operands with.
  package func mappingViews(_ map: (TensorView) -> TensorView) -> Operation {
    switch self {
    case .embed(let ids, let table, let out): return .embed(ids: map(ids), table: map(table), out: map(out))
    case .embedBackward(let ids, let outGradient, let tableGradient):
      return .embedBackward(ids: map(ids), outGradient: map(outGradient), tableGradient: map(tableGradient))
    case .gemm(let a, let transposeA, let b, let transposeB, let c, let accumulate, let bias):
      return .gemm(
        a: map(a), transposeA: transposeA, b: map(b), transposeB: transposeB, c: map(c), accumulate: accumulate,
        bias: bias.map(map))
    case .biasBackward(let outGradient, let biasGradient):
      return .biasBackward(outGradient: map(outGradient), biasGradient: map(biasGradient))
    case .rmsNorm(let x, let weight, let out, let inverse, let epsilon):
      return .rmsNorm(x: map(x), weight: map(weight), out: map(out), inverse: map(inverse), epsilon: epsilon)
    case .addRMSNorm(let x, let delta, let sum, let weight, let out, let inverse, let epsilon):
      return .addRMSNorm(
        x: map(x), delta: map(delta), sum: map(sum), weight: map(weight), out: map(out), inverse: map(inverse),
        epsilon: epsilon)
    case .rmsNormBackward(let x, let weight, let inverse, let outGradient, let xGradient, let weightGradient, let keep):
      return .rmsNormBackward(
        x: map(x), weight: map(weight), inverse: map(inverse), outGradient: map(outGradient),
        xGradient: map(xGradient), weightGradient: weightGradient.map(map), accumulate: keep)
    case .rope(let x, let positions, let cosine, let sine, let heads, let inverse):
      return .rope(
        x: map(x), positions: map(positions), cosine: map(cosine), sine: map(sine), heads: heads, inverse: inverse)
    case .attention(let operands): return .attention(operands.mappingViews(map))
    case .attentionBackward(let operands, let outGradient, let qGradient, let kGradient, let vGradient, let delta):
      return .attentionBackward(
        operands.mappingViews(map), outGradient: map(outGradient), qGradient: map(qGradient),
        kGradient: map(kGradient), vGradient: map(vGradient), delta: map(delta))
    case .appendToCache(let k, let v, let keyCache, let valueCache, let slots, let positions, let length):
      return .appendToCache(
        k: map(k), v: map(v), keyCache: map(keyCache), valueCache: map(valueCache), slots: map(slots),
        positions: map(positions), length: length)
    case .attentionOverCache(
      let q, let keyCache, let valueCache, let slots, let positions, let out, let heads, let keyValueHeads, let length,
      let scale, let window, let softCap):
      return .attentionOverCache(
        q: map(q), keyCache: map(keyCache), valueCache: map(valueCache), slots: map(slots),
        positions: map(positions), out: map(out), heads: heads, keyValueHeads: keyValueHeads, length: length,
        scale: scale, window: window, softCap: softCap)
    case .gatedActivation(let activation, let gate, let up, let out):
      return .gatedActivation(activation, gate: map(gate), up: map(up), out: map(out))
    case .gatedActivationBackward(let activation, let gate, let up, let outGradient, let gateGradient, let upGradient):
      return .gatedActivationBackward(
        activation, gate: map(gate), up: map(up), outGradient: map(outGradient), gateGradient: map(gateGradient),
        upGradient: map(upGradient))
    case .linearCrossEntropy(let operands): return .linearCrossEntropy(operands.mappingViews(map))
    case .scoreTargets(let logits, let targets, let logProbability, let best):
      return .scoreTargets(
        logits: map(logits), targets: map(targets), logProbability: map(logProbability), best: map(best))
    case .gatherRows(let x, let rows, let out): return .gatherRows(x: map(x), rows: map(rows), out: map(out))
    case .add(let a, let b, let out): return .add(a: map(a), b: map(b), out: map(out))
    case .copy(let x, let out): return .copy(x: map(x), out: map(out))
    case .zero(let x): return .zero(map(x))
    case .scale(let x, let factor): return .scale(map(x), factor: factor)
    case .sumOfSquares(let x, let out, let accumulate):
      return .sumOfSquares(x: map(x), out: map(out), accumulate: accumulate)
    case .clipFactor(let squares, let norm, let clip, let maximum):
      return .clipFactor(squares: map(squares), norm: map(norm), clip: map(clip), maximum: maximum)
    case .update(let operands): return .update(operands.mappingViews(map))
    case .cast(let x, let out): return .cast(x: map(x), out: map(out))
    case .dequantise(let matrix, let out): return .dequantise(matrix.mappingViews(map), out: map(out))
    case .dropout(let x, let out, let rate, let stream):
      return .dropout(x: map(x), out: map(out), rate: rate, stream: stream)
    case .fetch(let from, let into, let transfer):
      return .fetch(from: map(from), into: map(into), transfer: transfer)
    case .evict(let from, let into, let transfer):
      return .evict(from: map(from), into: map(into), transfer: transfer)
    case .wait(let transfer, let view): return .wait(transfer: transfer, view: map(view))
    }
  }
}

extension AttentionOperands {
  fileprivate func mappingViews(_ map: (TensorView) -> TensorView) -> AttentionOperands {
    var result = self
    result.q = map(q)
    result.k = map(k)
    result.v = map(v)
    result.out = map(out)
    result.logSumExp = map(logSumExp)
    result.segments = map(segments)
    return result
  }
}

extension CrossEntropyOperands {
  fileprivate func mappingViews(_ map: (TensorView) -> TensorView) -> CrossEntropyOperands {
    var result = self
    result.hidden = map(hidden)
    result.weight = map(weight)
    result.targets = map(targets)
    result.loss = map(loss)
    result.logits = map(logits)
    result.gathered = map(gathered)
    result.hiddenGradient = hiddenGradient.map(map)
    result.weightGradient = weightGradient.map(map)
    return result
  }
}
