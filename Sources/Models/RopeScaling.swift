/// How rotary frequencies are stretched beyond the length a model was first trained on.
///
/// The frequencies before scaling are `theta^(-2i/d)` for `i` in `0..<d/2`, `d` the head dimension.
package enum RopeScaling: Sendable, Equatable {
  case none
  /// Every frequency divided by `factor`.
  case linear(factor: Double)
  /// Low frequencies divided by `factor`, high ones kept, a ramp between (Llama 3.1).
  case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalPositions: Int)
  /// YaRN (Peng et al., 2023): a ramp over dimensions, and cosine and sine multiplied by `attentionFactor`.
  ///
  /// `truncate`: the ramp's ends are rounded outwards to whole dimensions, as most models have it.
  case yarn(
    factor: Double, betaFast: Double, betaSlow: Double, attentionFactor: Double, originalPositions: Int,
    truncate: Bool)
}
