import Tensors

/// Turns a matrix (N,K) into NF4 codes with doubly quantised scales, some rows at a time (QLoRA, Dettmers et al. 2023).
///
/// A block of 64 values takes the largest magnitude as its scale and the code whose level times the scale is nearest;
/// of the scales the mean is taken off, and the rest becomes 8-bit codes of `DynamicMap.signed` in blocks of 256.
package struct NF4Quantiser {
  /// A quantised matrix's contents, as `QuantisedMatrix`'s tensors hold them.
  package struct Contents: Sendable, Equatable {
    package var codes: [UInt8]
    package var scaleCodes: [UInt8]
    package var scaleMaxima: [Float]
    package var offset: Float
  }

  package let rows: Int
  package let columns: Int
  private var codes: [UInt8] = []
  private var scales: [Float] = []

  /// Numbers of elements of a quantised matrix's tensors.
  package static func counts(rows: Int, columns: Int) -> (codes: Int, scaleCodes: Int, scaleMaxima: Int) {
    let scales = rows * columns / QuantisedMatrix.blockSize
    let size = QuantisedMatrix.scaleBlockSize
    return (rows * columns / 2, scales, (scales + size - 1) / size)
  }

  /// `columns` must be a multiple of 64.
  package init(rows: Int, columns: Int) throws(ModelError) {
    guard columns % QuantisedMatrix.blockSize == 0, columns > 0 else {
      throw ModelError(
        "a matrix of \(columns) columns has no NF4 form", remedy: "only multiples of 64 columns can be quantised")
    }
    self.rows = rows
    self.columns = columns
    let counts = NF4Quantiser.counts(rows: rows, columns: columns)
    codes.reserveCapacity(counts.codes)
    scales.reserveCapacity(counts.scaleCodes)
  }

  /// Takes the matrix's next rows, whole ones, one after the other. Every value must be finite.
  package mutating func add(_ values: UnsafeBufferPointer<Float>) throws(ModelError) {
    precondition(values.count % columns == 0)
    for start in stride(from: 0, to: values.count, by: QuantisedMatrix.blockSize) {
      var scale: Float = 0
      for index in start..<start + QuantisedMatrix.blockSize {
        let value = unsafe values[index]
        guard value.isFinite else {
          throw ModelError("a weight that is not finite has no NF4 code", remedy: "check the model's files")
        }
        scale = max(scale, abs(value))
      }
      scales.append(scale)
      let divisor = scale > 0 ? scale : 1
      for index in stride(from: start, to: start + QuantisedMatrix.blockSize, by: 2) {
        let first = unsafe NF4Quantiser.code(values[index] / divisor)
        let second = unsafe NF4Quantiser.code(values[index + 1] / divisor)
        codes.append(first << 4 | second)
      }
    }
  }

  /// The matrix's contents, once all rows are in.
  package func contents() -> Contents {
    precondition(codes.count == rows * columns / 2, "rows are missing")
    let offset = Float(scales.reduce(0.0) { $0 + Double($1) } / Double(max(1, scales.count)))
    let size = QuantisedMatrix.scaleBlockSize
    var result = Contents(codes: codes, scaleCodes: [], scaleMaxima: [], offset: offset)
    result.scaleCodes.reserveCapacity(scales.count)
    for start in stride(from: 0, to: scales.count, by: size) {
      let block = scales[start..<min(start + size, scales.count)].map { $0 - offset }
      let largest = block.reduce(0) { max($0, abs($1)) }
      result.scaleMaxima.append(largest)
      result.scaleCodes += block.map { DynamicMap.nearest(largest > 0 ? $0 / largest : 0, in: DynamicMap.signed) }
    }
    return result
  }

  /// The code of the level nearest to `x`, which lies in [-1, 1]: how many of the middles between levels are below.
  private static func code(_ x: Float) -> UInt8 {
    var code: UInt8 = 0
    for middle in middles { code &+= x > middle ? 1 : 0 }
    return code
  }

  private static let middles: [Float] = zip(QuantisedMatrix.levels, QuantisedMatrix.levels.dropFirst()).map {
    Float((Double($0) + Double($1)) / 2)
  }
}
