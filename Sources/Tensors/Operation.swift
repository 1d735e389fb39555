/// The instruction set. Everything is f32 unless a comment says otherwise; matrices are row-major.
///
/// Shape letters: T tokens, H hidden, I feed-forward width, V vocabulary, A query heads, K key-value heads,
/// D head dimension, N targets of the whole accumulated batch.
///
/// `segments` (T, 1) i32 holds, for every token, the index of the first token of its segment: token t sees tokens
/// `segments[t]...t`. `positions` (T, 1) i32 restart at 0 in every segment.
package enum Operation: Sendable {
  /// out (T,H) = table (V,H)[ids (T,1) i32]; the table is f32 or bf16.
  case embed(ids: TensorView, table: TensorView, out: TensorView)
  /// tableGradient (V,H) += rows of outGradient (T,H) at ids, in token order.
  case embedBackward(ids: TensorView, outGradient: TensorView, tableGradient: TensorView)

  /// c (M,N) = op(a) op(b) [+ c when `accumulate`] [+ bias (1,N) on every row].
  /// op is the transpose where the flag is set: a is (M,K) or (K,M), b is (K,N) or (N,K).
  case gemm(
    a: TensorView, transposeA: Bool, b: TensorView, transposeB: Bool, c: TensorView, accumulate: Bool,
    bias: TensorView?)
  /// biasGradient (1,N) += column sums of outGradient (T,N), rows in order.
  case biasBackward(outGradient: TensorView, biasGradient: TensorView)

  /// inverse (T,1) = 1 / sqrt(mean(x²) + epsilon); out (T,H) = x · inverse · weight (1,H).
  /// The mean is taken in f64.
  case rmsNorm(x: TensorView, weight: TensorView, out: TensorView, inverse: TensorView, epsilon: Double)
  /// sum (T,H) = x + delta, then `rmsNorm` of sum. `sum` may be the same view as `x`.
  case addRMSNorm(
    x: TensorView, delta: TensorView, sum: TensorView, weight: TensorView, out: TensorView, inverse: TensorView,
    epsilon: Double)
  /// xGradient (T,H) = [xGradient +] d rmsNorm / dx; weightGradient (1,H) += d / dweight, summed over tokens in a
  /// fixed order; nil where the weight is frozen. `accumulate` says whether xGradient keeps what it holds (the
  /// residual's gradient).
  case rmsNormBackward(
    x: TensorView, weight: TensorView, inverse: TensorView, outGradient: TensorView, xGradient: TensorView,
    weightGradient: TensorView?, accumulate: Bool)

  /// Rotates x (T, heads·D) in place, half-rotation pairs (i, i + D/2), by positions (T,1) i32 through
  /// cosine and sine tables (P, D/2). `inverse` rotates back (the backward pass).
  case rope(
    x: TensorView, positions: TensorView, cosine: TensorView, sine: TensorView, heads: Int, inverse: Bool)

  /// Causal attention over packed segments: q (T,A·D), k and v (T,K·D), out (T,A·D), logSumExp (T,A).
  /// Query head h reads key-value head h / (A/K). `window`: a token sees at most that many last tokens, itself included.
  /// `softCap`: scores become cap·tanh(score/cap).
  case attention(AttentionOperands)
  /// Gradients of `attention`: overwrites qGradient, kGradient, vGradient. Recomputes scores from logSumExp;
  /// `delta` (T,A) is workspace for row sums of out·outGradient.
  case attentionBackward(
    AttentionOperands, outGradient: TensorView, qGradient: TensorView, kGradient: TensorView, vGradient: TensorView,
    delta: TensorView)

  /// Copies keys and values (T,K·D) into cache rows: keyCache and valueCache (slots·length, K·D);
  /// token t goes to row `slots[t] · length + positions[t]`; slots and positions are (T,1) i32.
  case appendToCache(
    k: TensorView, v: TensorView, keyCache: TensorView, valueCache: TensorView, slots: TensorView,
    positions: TensorView, length: Int)
  /// out (T,A·D): token t attends rows 0...positions[t] of its slot. Serves prefill and batched decoding.
  /// A token whose slot is -1 is padding: its output row is zero.
  case attentionOverCache(
    q: TensorView, keyCache: TensorView, valueCache: TensorView, slots: TensorView, positions: TensorView,
    out: TensorView, heads: Int, keyValueHeads: Int, length: Int, scale: Float, window: Int?, softCap: Float?)

  /// out (T,I) = act(gate) · up.
  case gatedActivation(Activation, gate: TensorView, up: TensorView, out: TensorView)
  /// gateGradient, upGradient (T,I) from outGradient (T,I); the gradients may overwrite gate and up in place.
  case gatedActivationBackward(
    Activation, gate: TensorView, up: TensorView, outGradient: TensorView, gateGradient: TensorView,
    upGradient: TensorView)

  /// Linear head and cross-entropy in chunks of rows, rows without a target (-100) left out of the product.
  case linearCrossEntropy(CrossEntropyOperands)

  /// For scoring: from logits (R,V) and targets (R,1) i32, logProbability (R,1) f64 of each target (0 where the
  /// target is -100) and best (R,1) i32, the argmax (lowest id wins ties).
  case scoreTargets(logits: TensorView, targets: TensorView, logProbability: TensorView, best: TensorView)
  /// out (R,H) = x (T,H)[rows (R,1) i32]; a negative row gives zeros.
  case gatherRows(x: TensorView, rows: TensorView, out: TensorView)

  /// out = a + b, elementwise; out may be a or b.
  case add(a: TensorView, b: TensorView, out: TensorView)
  /// out = x.
  case copy(x: TensorView, out: TensorView)
  /// x = 0.
  case zero(TensorView)
  /// x *= factor.
  case scale(TensorView, factor: Float)

  /// out (1,1) f64 = [out +] sum of squares of x, in f64, in a fixed order. The order of a sum that is taken in parts
  /// of whole pieces (`Operation.sumPiece` elements), one after the other, is that of the whole.
  case sumOfSquares(x: TensorView, out: TensorView, accumulate: Bool)
  /// norm (1,1) f64 = sqrt(sum of squares (n,1) f64); clip (1,1) f64 = min(1, maximum / (norm + 1e-6)), 1 without a
  /// maximum, and NaN when the norm is not finite, which makes every `update` that reads it leave its operands alone.
  case clipFactor(squares: TensorView, norm: TensorView, clip: TensorView, maximum: Double?)
  /// An optimizer's change of one weight, or of a part of it.
  case update(UpdateOperands)

  /// out = x in out's element type: f32 to bf16 rounds to nearest even, bf16 to f32 is exact.
  case cast(x: TensorView, out: TensorView)
  /// out (N,K) f32 = the values of an NF4 matrix.
  case dequantise(QuantisedMatrix, out: TensorView)
  /// out = x with elements set to 0 by chance, the others divided by 1 - rate; out may be x. Which ones follows from
  /// `StepScalars.seed`, `StepScalars.step`, `stream` and the element's index alone, so forward, backward and
  /// recomputation agree.
  case dropout(x: TensorView, out: TensorView, rate: Double, stream: Int)

  /// Begins to copy `from`, of a tensor in the page tier, to `into` in memory. Both are contiguous and of one size.
  /// Transfers of overlapping parts of the page tier happen in program order.
  case fetch(from: TensorView, into: TensorView, transfer: Int)
  /// Begins to copy `from` in memory to `into` in the page tier; `from` may be read meanwhile, not written.
  case evict(from: TensorView, into: TensorView, transfer: Int)
  /// Waits until a transfer is done; `view` is its side in memory, which lives until here.
  case wait(transfer: Int, view: TensorView)

  /// Elements of a piece: what sums of squares and updates are cut into, a multiple of 8-bit states' blocks.
  package static let sumPiece = 16_384
}

package enum Activation: String, Sendable { case silu, geluTanh }

package struct AttentionOperands: Sendable {
  package var q: TensorView
  package var k: TensorView
  package var v: TensorView
  package var out: TensorView
  package var logSumExp: TensorView
  package var segments: TensorView
  package var heads: Int
  package var keyValueHeads: Int
  package var headDimension: Int
  package var scale: Float
  package var window: Int?
  package var softCap: Float?

  package init(
    q: TensorView, k: TensorView, v: TensorView, out: TensorView, logSumExp: TensorView, segments: TensorView,
    heads: Int, keyValueHeads: Int, headDimension: Int, scale: Float, window: Int? = nil, softCap: Float? = nil
  ) {
    self.q = q
    self.k = k
    self.v = v
    self.out = out
    self.logSumExp = logSumExp
    self.segments = segments
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headDimension = headDimension
    self.scale = scale
    self.window = window
    self.softCap = softCap
  }
}

/// loss (1,1) f64 += sum over targets of -log softmax(hidden · weightᵀ)[target] / N, with 1/N from
/// `StepScalars.inverseTargetCount`. Log-sum-exp and the loss are f64.
///
/// With gradients: hiddenGradient (T,H) is overwritten (rows without a target become 0) and weightGradient (V,H)
/// accumulates. The weight is f32 or bf16. The work is done for `chunk` rows at a time: the chunks are the target rows
/// in order, so the result does not depend on which rows have none. `logits` (C,V) and `gathered` (C,H) are workspace:
/// C is `chunk`, and every chunk uses the same rows, or at least T, and every chunk has rows of its own. The bits are
/// the same.
package struct CrossEntropyOperands: Sendable {
  package var hidden: TensorView
  package var weight: TensorView
  package var targets: TensorView
  package var loss: TensorView
  package var logits: TensorView
  package var gathered: TensorView
  package var hiddenGradient: TensorView?
  package var weightGradient: TensorView?
  /// Multiplies logits before the softmax (1 for most models).
  package var logitScale: Float
  /// Rows done at a time, at most the workspace's.
  package var chunk: Int

  /// Without a `chunk` it is the workspace's rows.
  package init(
    hidden: TensorView, weight: TensorView, targets: TensorView, loss: TensorView, logits: TensorView,
    gathered: TensorView, hiddenGradient: TensorView? = nil, weightGradient: TensorView? = nil, logitScale: Float = 1,
    chunk: Int? = nil
  ) {
    self.hidden = hidden
    self.weight = weight
    self.targets = targets
    self.loss = loss
    self.logits = logits
    self.gathered = gathered
    self.hiddenGradient = hiddenGradient
    self.weightGradient = weightGradient
    self.logitScale = logitScale
    self.chunk = chunk ?? logits.rows
  }
}

/// Numbers that change from run to run of the same program.
package struct StepScalars: Sendable, Equatable {
  package var learningRate: Double
  /// 1 for the first update.
  package var step: Int
  /// 1 / N: one over the number of targets in all micro-batches.
  package var inverseTargetCount: Double
  /// Learning rate and number of the update that waited for this run: what deferred updates take.
  package var deferredLearningRate: Double
  package var deferredStep: Int
  /// Keys the random numbers of stochastic rounding and dropout.
  package var seed: UInt64

  package init(
    learningRate: Double = 0, step: Int = 1, inverseTargetCount: Double = 1, deferredLearningRate: Double = 0,
    deferredStep: Int = 1, seed: UInt64 = 0
  ) {
    self.learningRate = learningRate
    self.step = step
    self.inverseTargetCount = inverseTargetCount
    self.deferredLearningRate = deferredLearningRate
    self.deferredStep = deferredStep
    self.seed = seed
  }
}
