/// How an optimizer changes weights.
package enum UpdateRule: String, Sendable, CaseIterable {
  /// Decoupled AdamW (Loshchilov and Hutter): w -= lr·decay·w; m, v; w -= lr/(1-b1^t) · m / (sqrt(v/(1-b2^t)) + eps).
  /// States: m and v of the weight's shape, f32, or bf16 rounded stochastically.
  case adamW
  /// The same with block-wise quantised states (bitsandbytes' dynamic maps, blocks of `UpdateOperands.blockSize`
  /// elements of the flattened weight). States: codes of m, codes of v (u8, the weight's shape), absolute maxima of m's
  /// and of v's blocks (1, blocks) f32. The weight moves by the unquantised moments.
  case adamW8bit
  /// w -= lr·(g + decay·w), or with a state b of the weight's shape b = momentum·b + g + decay·w, w -= lr·b
  /// (torch.optim.SGD; momentum is `beta1`).
  case sgd
  /// Adafactor (Shazeer and Stern, 2018) without relative steps, as Hugging Face's trainer sets it. States: means of
  /// the squared gradient by row (R,1) and by column (1,C) for matrices; (1,C) for vectors.
  case adafactor

  /// Whether the update of a part of a weight needs that part alone.
  package var isElementwise: Bool { self != .adafactor }
}

/// An optimizer's change of a weight: gradient·clip goes in, states and weight change in place.
///
/// A bf16 weight is read, updated in f32 and rounded stochastically, with random numbers keyed by
/// `StepScalars.seed`, the step, `stream` and the element's index in its tensor, so that a repeated step has the same
/// bits. A clip that is NaN leaves everything alone.
package struct UpdateOperands: Sendable {
  package var rule: UpdateRule
  /// f32 or bf16.
  package var weight: TensorView
  /// f32, of the weight's shape.
  package var gradient: TensorView
  package var states: [TensorView]
  /// (1,1) f64.
  package var clip: TensorView
  package var parameters: UpdateParameters
  /// Tells the tensor's random numbers from those of others.
  package var stream: Int
  /// Index of the views' first element in the flattened tensor, a multiple of `blockSize`.
  package var start: Int
  /// Whether this is the update of the step before: it takes the deferred learning rate and step number.
  package var isDeferred: Bool

  /// Elements that share an absolute maximum in 8-bit states.
  package static let blockSize = 256

  package init(
    rule: UpdateRule, weight: TensorView, gradient: TensorView, states: [TensorView], clip: TensorView,
    parameters: UpdateParameters, stream: Int = 0, start: Int = 0, isDeferred: Bool = false
  ) {
    self.rule = rule
    self.weight = weight
    self.gradient = gradient
    self.states = states
    self.clip = clip
    self.parameters = parameters
    self.stream = stream
    self.start = start
    self.isDeferred = isDeferred
  }

  func mappingViews(_ map: (TensorView) -> TensorView) -> UpdateOperands {
    var result = self
    result.weight = map(weight)
    result.gradient = map(gradient)
    result.states = states.map(map)
    result.clip = map(clip)
    return result
  }
}

package struct UpdateParameters: Sendable, Equatable {
  package var beta1: Double
  package var beta2: Double
  package var epsilon: Double
  package var weightDecay: Double

  package init(beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }
}

/// A matrix (N,K) in NF4 with double quantisation (QLoRA, Dettmers et al. 2023), row-major, K a multiple of 64.
///
/// Value i is levels[code i] · (offset + map[scaleCode i/64] · scaleMaximum i/(64·256)): two codes a byte, the first in
/// the high half; `map` is the signed dynamic 8-bit map.
package struct QuantisedMatrix: Sendable {
  /// (N, K/2) u8.
  package var codes: TensorView
  /// (1, N·K/64) u8.
  package var scaleCodes: TensorView
  /// (1, blocks of 256 scales) f32.
  package var scaleMaxima: TensorView
  /// (1,1) f32, the mean of the scales.
  package var offset: TensorView

  package static let blockSize = 64
  package static let scaleBlockSize = 256

  /// The values of NF4's codes times a block's largest magnitude: quantiles of a normal distribution, with 0 and ±1.
  package static let levels: [Float] = [
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
  ]

  package init(codes: TensorView, scaleCodes: TensorView, scaleMaxima: TensorView, offset: TensorView) {
    self.codes = codes
    self.scaleCodes = scaleCodes
    self.scaleMaxima = scaleMaxima
    self.offset = offset
  }

  package var views: [TensorView] { [codes, scaleCodes, scaleMaxima, offset] }

  func mappingViews(_ map: (TensorView) -> TensorView) -> QuantisedMatrix {
    QuantisedMatrix(
      codes: map(codes), scaleCodes: map(scaleCodes), scaleMaxima: map(scaleMaxima), offset: map(offset))
  }
}
