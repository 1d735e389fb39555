import Basics
import Dispatch

/// Random weights from a seed: the same on every machine, whatever the order or the pieces in which they are read.
///
/// Matrices are normal with deviation 0.02, those that write into the residual stream (o and down) scaled by
/// 1/sqrt(2 layers) besides (GPT-2's initialisation); norms are 1, biases 0. Number i of a tensor is a pure function of
/// seed, name and i, computed with operations that IEEE 754 rounds the same everywhere.
package struct PresetWeights: WeightSource {
  package let config: ModelConfig
  package let seed: UInt64
  package let names: [String]
  private let shapes: [String: [Int]]

  package init(config: ModelConfig, seed: UInt64) {
    self.config = config
    self.seed = seed
    let parameters = config.parameters
    names = parameters.map(\.name)
    shapes = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.shape) })
  }

  package func shape(of name: String) -> [Int]? { shapes[name] }

  package func read(
    _ name: String, rows: Range<Int>?, into target: UnsafeMutableBufferPointer<Float>
  ) throws(ModelError) {
    let request = try WeightReading.rows(name, shape: shapes[name], rows: rows, count: target.count)
    if name.hasSuffix("norm.weight") { return unsafe target.update(repeating: 1) }
    if name.hasSuffix(".bias") { return unsafe target.update(repeating: 0) }
    let writesResidual = name.hasSuffix("o_proj.weight") || name.hasSuffix("down_proj.weight")
    let deviation = writesResidual ? 0.02 / Double(2 * config.layerCount).squareRoot() : 0.02
    let first = request.rows.lowerBound * request.columns
    let stream = Self.stream(name)
    let piece = 1 << 18
    nonisolated(unsafe) let target = unsafe target
    unsafe DispatchQueue.concurrentPerform(iterations: (target.count + piece - 1) / piece) { index in
      let range = unsafe index * piece..<min((index + 1) * piece, target.count)
      let part = unsafe UnsafeMutableBufferPointer(rebasing: target[range])
      unsafe fill(part, stream: stream, first: first + range.lowerBound, deviation)
    }
  }

  /// A stream of the generator for each name.
  private static func stream(_ name: String) -> UInt64 {
    UInt64(Digest(of: name).hex.prefix(16), radix: 16) ?? 0
  }

  private func fill(
    _ target: UnsafeMutableBufferPointer<Float>, stream: UInt64, first: Int, _ deviation: Double
  ) {
    let philox = Philox(seed: seed)
    var index = 0
    while index < target.count {
      let number = first + index
      let four = Normal.quantiles(words: philox.words(stream: stream, counter: UInt64(number / 4))) * deviation
      var lane = number % 4
      while lane < 4, index < target.count {
        unsafe target[index] = Float(four[lane])
        lane += 1
        index += 1
      }
    }
  }
}

/// Normal numbers from uniform words by the inverse of the distribution function.
///
/// P. J. Acklam's rational approximation, relative error below 1.2e-9. Only operations that round the same on every
/// machine are used: no library logarithm, no fused multiply-add.
enum Normal {
  /// The normal quantiles at (word + 1/2) / 2^32.
  @inline(__always) static func quantiles(words: SIMD4<UInt32>) -> SIMD4<Double> {
    let uniform = (SIMD4<Double>(words) + 0.5) * 0x1p-32
    let q = uniform - 0.5
    var result = central(q)
    if q.max() > 0.47575 || q.min() < -0.47575 {
      for lane in 0..<4 where abs(q[lane]) > 0.47575 { result[lane] = tail(uniform[lane]) }
    }
    return result
  }

  @inline(__always) private static func central(_ q: SIMD4<Double>) -> SIMD4<Double> {
    let r = q * q
    var top = -3.969683028665376e+01 * r + 2.209460984245205e+02
    top = top * r - 2.759285104469687e+02
    top = top * r + 1.383577518672690e+02
    top = top * r - 3.066479806614716e+01
    top = top * r + 2.506628277459239e+00
    var bottom = -5.447609879822406e+01 * r + 1.615858368580409e+02
    bottom = bottom * r - 1.556989798598866e+02
    bottom = bottom * r + 6.680131188771972e+01
    bottom = bottom * r - 1.328068155288572e+01
    bottom = bottom * r + 1
    return top * q / bottom
  }

  private static func tail(_ uniform: Double) -> Double {
    let lower = uniform < 0.5
    let r = (-2 * logarithm(lower ? uniform : 1 - uniform)).squareRoot()
    var top = -7.784894002430293e-03
    top = top * r - 3.223964580411365e-01
    top = top * r - 2.400758277161838e+00
    top = top * r - 2.549732539343734e+00
    top = top * r + 4.374664141464968e+00
    top = top * r + 2.938163982698783e+00
    var bottom = 7.784695709041462e-03
    bottom = bottom * r + 3.224671290700398e-01
    bottom = bottom * r + 2.445134137142996e+00
    bottom = bottom * r + 3.754408661907416e+00
    bottom = bottom * r + 1
    let value = top / bottom
    return lower ? value : -value
  }

  /// The natural logarithm of a positive normal number: 2 artanh((m - 1)/(m + 1)) of its significand as a series.
  static func logarithm(_ value: Double) -> Double {
    var significand = value.significand
    var exponent = Double(value.exponent)
    if significand > 1.4142135623730951 {
      significand /= 2
      exponent += 1
    }
    let s = (significand - 1) / (significand + 1)
    let square = s * s
    var sum = 1.0 / 21
    sum = sum * square + 1.0 / 19
    sum = sum * square + 1.0 / 17
    sum = sum * square + 1.0 / 15
    sum = sum * square + 1.0 / 13
    sum = sum * square + 1.0 / 11
    sum = sum * square + 1.0 / 9
    sum = sum * square + 1.0 / 7
    sum = sum * square + 1.0 / 5
    sum = sum * square + 1.0 / 3
    sum = sum * square + 1
    return 2 * s * sum + exponent * 0.6931471805599453
  }
}
