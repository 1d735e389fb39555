import Tensors

/// One requirement that every `Backend` meets: an operation on given shapes against the oracle.
package struct ConformanceCase: Sendable {
  package let id: String
  package let check: @Sendable (any Backend) throws -> [Mismatch]

  package init(_ id: String, _ check: @escaping @Sendable (any Backend) throws -> [Mismatch]) {
    self.id = id
    self.check = check
  }

  /// Every case, for every backend.
  package static let all: [ConformanceCase] =
    elementCases + rowCases + productCases + attentionCases + cacheCases + lossCases + updateCases
    + numberCases + optimizerCases

  /// Sizes around the widths of vectors and blocks.
  package static let sizes = [1, 3, 17, 257]
}

/// A difference from the oracle.
package struct Mismatch: CustomStringConvertible {
  package let what: String
  package let description: String

  package init(_ what: String, _ text: String) {
    self.what = what
    description = "\(what): \(text)"
  }

  /// Compares all elements; the tolerance is relative to the largest expected one.
  package static func compare(_ what: String, _ got: Grid, _ expected: Grid, tolerance: Double = 1e-5) -> [Mismatch] {
    let limit = tolerance * max(expected.largest, 1e-3)
    for (index, (a, b)) in zip(got.values, expected.values).enumerated() where !(abs(a - b) <= limit) {
      return [
        Mismatch(what, "element (\(index / max(1, got.columns)), \(index % max(1, got.columns))) is \(a), not \(b)")
      ]
    }
    return got.values.count == expected.values.count ? [] : [Mismatch(what, "sizes differ")]
  }

  /// Compares a gradient with differences of the oracle at sampled elements.
  package static func compare(
    _ what: String, _ got: Grid, _ slopes: [(index: Int, slope: Double)], plus start: Grid? = nil,
    tolerance: Double = 5e-5
  ) -> [Mismatch] {
    // Where terms cancel, what is left is not known better than the terms were.
    let largest = slopes.reduce(0.02) { max($0, abs($1.slope)) }
    for (index, slope) in slopes {
      let expected = slope + (start?.values[index] ?? 0)
      if !(abs(got.values[index] - expected) <= tolerance * max(largest, abs(expected))) {
        return [Mismatch(what, "element \(index) is \(got.values[index]), not \(expected)")]
      }
    }
    return []
  }

  package static func compare(_ what: String, _ got: [Double], _ expected: [Double], tolerance: Double = 1e-6)
    -> [Mismatch]
  {
    for (index, (a, b)) in zip(got, expected).enumerated() where !(abs(a - b) <= tolerance * max(1, abs(b))) {
      return [Mismatch(what, "row \(index) is \(a), not \(b)")]
    }
    return got.count == expected.count ? [] : [Mismatch(what, "sizes differ")]
  }

  package static func equal<T: Equatable>(_ what: String, _ got: T, _ expected: T) -> [Mismatch] {
    got == expected ? [] : [Mismatch(what, "\(got), not \(expected)")]
  }
}

extension Outcome {
  /// Nothing outside the written views has changed.
  package func untouched(except written: TensorView...) -> [Mismatch] {
    let strays = strayWrites(except: written)
    return strays == 0 ? [] : [Mismatch("surroundings", "\(strays) elements outside the results were written")]
  }
}
