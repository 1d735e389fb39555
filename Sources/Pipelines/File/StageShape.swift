import Basics

/// An axis of the file: which stage declares it, and which of that stage's axes it is.
struct AxisID: Hashable {
  let stage: Int
  let axis: Int
}

/// The axes of one stage, inherited ones first, and how its cells are numbered: the last axis runs fastest.
struct StageShape {
  let axes: [AxisID]
  let counts: [Int]
  let strides: [Int]
  /// How many cells the stage has.
  let size: Int
  private let places: [AxisID: Int]

  /// Nil when there would be more than `limit` cells.
  init?(_ axes: [AxisID], counts: [Int], limit: Int) {
    var strides = [Int](repeating: 1, count: axes.count)
    var size = 1
    for index in axes.indices.reversed() {
      strides[index] = size
      size *= counts[index]
      guard size <= limit else { return nil }
    }
    self.axes = axes
    self.counts = counts
    self.strides = strides
    self.size = size
    places = Dictionary(uniqueKeysWithValues: axes.enumerated().map { ($1, $0) })
  }

  static let single = StageShape(axes: [], counts: [], strides: [], size: 1, places: [:])

  private init(axes: [AxisID], counts: [Int], strides: [Int], size: Int, places: [AxisID: Int]) {
    self.axes = axes
    self.counts = counts
    self.strides = strides
    self.size = size
    self.places = places
  }

  /// The coordinate of cell `cell` on the axis at `index`.
  func coordinate(_ cell: Int, _ index: Int) -> Int { cell / strides[index] % counts[index] }

  /// The cells of `other` that agree with cell `cell` on every axis both have.
  func matches(_ cell: Int, in other: StageShape) -> [Int] {
    var cells = [0]
    for (index, axis) in other.axes.enumerated() {
      if let own = places[axis] {
        let step = coordinate(cell, own) * other.strides[index]
        for place in cells.indices { cells[place] += step }
      } else {
        cells = cells.flatMap { base in (0..<other.counts[index]).map { base + $0 * other.strides[index] } }
      }
    }
    return cells
  }
}
