import Foundation
import Tensors

/// Cosines and sines of rotary position embeddings (Su et al., 2021), computed in f64.
package struct RotaryTable: Sendable {
  /// Angle per position of each of the D/2 pairs.
  package let frequencies: [Double]
  /// Factor on every cosine and sine (YaRN's attention factor; 1 otherwise).
  package let magnitude: Double

  package init(_ config: ModelConfig) {
    (frequencies, magnitude) = config.rotaryFrequencies()
  }

  /// Cosines and sines (positions, D/2), row by row.
  package func values(positions: Int) -> (cosine: [Float], sine: [Float]) {
    var cosine: [Float] = []
    var sine: [Float] = []
    cosine.reserveCapacity(positions * frequencies.count)
    sine.reserveCapacity(positions * frequencies.count)
    for position in 0..<positions {
      for frequency in frequencies {
        let angle = Double(position) * frequency
        cosine.append(Float(cos(angle) * magnitude))
        sine.append(Float(sin(angle) * magnitude))
      }
    }
    return (cosine, sine)
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
