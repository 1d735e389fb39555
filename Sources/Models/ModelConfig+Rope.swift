import Basics
import Foundation

extension ModelConfig {
  /// Rotary theta and scaling: from `rope_parameters` (new form) or `rope_theta` and `rope_scaling` (old form).
  static func rope(_ reader: ModelConfigReader, positions: Int) throws(ModelError) -> (Double, RopeScaling) {
    let outer = try reader.positive("rope_theta", default: 10000)
    let scaling: ModelConfigReader
    if let parameters = try reader.object("rope_scaling") {
      scaling = parameters
    } else if let parameters = try reader.object("rope_parameters") {
      scaling = parameters
    } else {
      return (outer, .none)
    }
    let theta = try scaling.positive("rope_theta", default: outer)
    if let partial = scaling.value("partial_rotary_factor"), partial.double != 1 {
      throw scaling.error(
        "partial_rotary_factor", "rotation of a part of each head is not supported", remedy: "supported: 1")
    }
    let key = scaling.value("rope_type") == nil ? "type" : "rope_type"
    let type = try scaling.string(key) ?? "default"
    let originalKey = "original_max_position_embeddings"
    let outerOriginal = try reader.optionalInt(originalKey)
    let innerOriginal = try scaling.optionalInt(originalKey)
    let original = outerOriginal ?? innerOriginal ?? positions
    switch type {
    case "default", "none": return (theta, .none)
    case "linear": return (theta, .linear(factor: try scaling.positive("factor")))
    case "llama3": return (theta, try llama3(scaling, original: original))
    case "yarn": return (theta, try yarn(scaling, original: original, positions: positions))
    default:
      throw scaling.error(
        key, "this rotary scaling is not supported", remedy: "supported: default, linear, llama3, yarn")
    }
  }

  private static func llama3(_ scaling: ModelConfigReader, original: Int) throws(ModelError) -> RopeScaling {
    let low = try scaling.positive("low_freq_factor")
    let high = try scaling.positive("high_freq_factor")
    guard high > low else { throw scaling.error("high_freq_factor", "must be above low_freq_factor (\(low))") }
    return .llama3(
      factor: try scaling.positive("factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
      originalPositions: original)
  }

  private static func yarn(_ scaling: ModelConfigReader, original: Int, positions: Int) throws(ModelError)
    -> RopeScaling
  {
    let factor = try scaling.positive("factor", default: Double(positions) / Double(original))
    func magnitude(_ scale: Double) -> Double { factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1 }
    var attention = magnitude(1)
    if scaling.value("attention_factor") != nil {
      attention = try scaling.positive("attention_factor")
    } else if let scale = scaling.value("mscale")?.double, let all = scaling.value("mscale_all_dim")?.double,
      scale != 0, all != 0
    {
      attention = magnitude(scale) / magnitude(all)
    }
    return .yarn(
      factor: factor, betaFast: try scaling.positive("beta_fast", default: 32),
      betaSlow: try scaling.positive("beta_slow", default: 1), attentionFactor: attention, originalPositions: original,
      truncate: try scaling.bool("truncate", default: true))
  }

  /// The angle per position of each pair of a head's columns, in radians, and what cosine and sine are multiplied by.
  ///
  /// Pair i is columns i and i + d/2. Formulas of transformers' `modeling_rope_utils`, in double precision.
  package func rotaryFrequencies() -> (frequencies: [Double], magnitude: Double) {
    let dimension = Double(headDimension)
    let base = (0..<headDimension / 2).map { pow(ropeTheta, -2 * Double($0) / dimension) }
    switch ropeScaling {
    case .none: return (base, 1)
    case .linear(let factor): return (base.map { $0 / factor }, 1)
    case .llama3(let factor, let low, let high, let original):
      let frequencies = base.map { frequency in
        let turns = Double(original) * frequency / (2 * .pi)
        if turns < low { return frequency / factor }
        if turns > high { return frequency }
        let smooth = (turns - low) / (high - low)
        return (1 - smooth) * frequency / factor + smooth * frequency
      }
      return (frequencies, 1)
    case .yarn(let factor, let fast, let slow, let attention, let original, let truncate):
      func dimensionTurning(_ times: Double) -> Double {
        dimension * log(Double(original) / (times * 2 * .pi)) / (2 * log(ropeTheta))
      }
      var (low, high) = (dimensionTurning(fast), dimensionTurning(slow))
      if truncate { (low, high) = (low.rounded(.down), high.rounded(.up)) }
      (low, high) = (max(low, 0), min(high, dimension - 1))
      if low == high { high += 0.001 }
      let frequencies = base.enumerated().map { index, frequency in
        let ramp = min(max((Double(index) - low) / (high - low), 0), 1)
        return frequency / factor * ramp + frequency * (1 - ramp)
      }
      return (frequencies, attention)
    }
  }
}
