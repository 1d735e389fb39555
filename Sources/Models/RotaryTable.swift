import Foundation
import Tensors

/// Cosines and sines of rotary position embeddings (Su et al., 2021), with the scalings in use today.
///
/// The formulas are those of Hugging Face transformers' `modeling_rope_utils`; everything is computed in f64.
package struct RotaryTable: Sendable {
  /// Angle per position of each of the D/2 pairs.
  package let inverseFrequencies: [Double]
  /// Factor on every cosine and sine (YaRN's attention factor; 1 otherwise).
  package let factor: Double

  package init(headDimension: Int, theta: Double, scaling: RopeScaling) {
    let half = headDimension / 2
    let plain = (0..<half).map { pow(theta, -2 * Double($0) / Double(headDimension)) }
    switch scaling {
    case .none:
      inverseFrequencies = plain
      factor = 1
    case .linear(let divisor):
      inverseFrequencies = plain.map { $0 / divisor }
      factor = 1
    case .llama3(let divisor, let low, let high, let original):
      inverseFrequencies = plain.map {
        RotaryTable.llama3($0, divisor: divisor, low: low, high: high, original: Double(original))
      }
      factor = 1
    case .yarn(let divisor, let fast, let slow, let attentionFactor, let original, let truncate):
      let ramp = RotaryTable.yarnRamp(
        headDimension: headDimension, theta: theta, fast: fast, slow: slow, original: Double(original),
        truncate: truncate)
      inverseFrequencies = zip(plain, ramp).map { frequency, share in
        frequency / divisor * share + frequency * (1 - share)
      }
      factor = attentionFactor
    }
  }

  package init(_ config: ModelConfig) {
    self.init(headDimension: config.headDimension, theta: config.ropeTheta, scaling: config.ropeScaling)
  }

  /// Cosines and sines (positions, D/2), row by row.
  package func values(positions: Int) -> (cosine: [Float], sine: [Float]) {
    var cosine: [Float] = []
    var sine: [Float] = []
    cosine.reserveCapacity(positions * inverseFrequencies.count)
    sine.reserveCapacity(positions * inverseFrequencies.count)
    for position in 0..<positions {
      for frequency in inverseFrequencies {
        let angle = Double(position) * frequency
        cosine.append(Float(cos(angle) * factor))
        sine.append(Float(sin(angle) * factor))
      }
    }
    return (cosine, sine)
  }

  /// Long waves are stretched, short ones kept, those between blended (Llama 3.1).
  private static func llama3(
    _ frequency: Double, divisor: Double, low: Double, high: Double, original: Double
  ) -> Double {
    let wave = 2 * Double.pi / frequency
    if wave > original / low { return frequency / divisor }
    if wave < original / high { return frequency }
    let blend = (original / wave - low) / (high - low)
    return (1 - blend) * frequency / divisor + blend * frequency
  }

  /// Share of interpolation for each pair: 0 keeps the frequency, 1 divides it (YaRN's linear ramp).
  private static func yarnRamp(
    headDimension: Int, theta: Double, fast: Double, slow: Double, original: Double, truncate: Bool
  ) -> [Double] {
    func dimension(rotations: Double) -> Double {
      Double(headDimension) * log(original / (rotations * 2 * Double.pi)) / (2 * log(theta))
    }
    var low = dimension(rotations: fast)
    var high = dimension(rotations: slow)
    if truncate {
      low = low.rounded(.down)
      high = high.rounded(.up)
    }
    low = max(low, 0)
    high = min(high, Double(headDimension - 1))
    if low == high { high += 0.001 }
    return (0..<headDimension / 2).map { min(max((Double($0) - low) / (high - low), 0), 1) }
  }
}

/// The rotary tables of a program, to be written once after loading it.
package struct RotaryTensors: Sendable {
  package let cosine: TensorID
  package let sine: TensorID
  package let positions: Int
  package let table: RotaryTable

  /// Writes the tables; programs that share an arena and agree on the number of positions need it once.
  package func write(into program: any LoadedProgram) {
    let values = table.values(positions: positions)
    program.write(values.cosine, to: cosine)
    program.write(values.sine, to: sine)
  }
}
