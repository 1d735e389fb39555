import Basics

/// Which stages a run shall consider, as the command line says it.
package struct Selection: Sendable {
  /// `--stage S`: S and what it needs; empty for all.
  package var stages: [String]
  /// `--from S`: S and all that follows from it, and what these need.
  package var from: [String]
  /// `--until S`: S and what it needs.
  package var until: [String]
  /// `--force S`: run S although its result is known.
  package var force: [String]

  package init(stages: [String] = [], from: [String] = [], until: [String] = [], force: [String] = []) {
    self.stages = stages
    self.from = from
    self.until = until
    self.force = force
  }

  /// Which cells are considered and which are forced, by their place in the pipeline.
  func resolve(in pipeline: Pipeline) throws(RunError) -> (included: [Bool], forced: [Bool]) {
    let graph = CellGraph(pipeline)
    let count = pipeline.cells.count
    var included = [Bool](repeating: true, count: count)
    if !stages.isEmpty || !until.isEmpty || !from.isEmpty {
      // A range: what follows from `from`, as far as `until` and `stage` need it; then all that this needs.
      var wanted = [Bool](repeating: true, count: count)
      if !from.isEmpty { wanted = graph.closure(try indices(from, in: pipeline), upwards: false) }
      let ends = try indices(stages + until, in: pipeline)
      if !ends.isEmpty {
        let needed = graph.closure(ends, upwards: true)
        for index in 0..<count { wanted[index] = wanted[index] && needed[index] }
      }
      guard wanted.contains(true) else {
        throw RunError(
          "no stage is left to run: nothing that follows from \(Selection.words(from)) is needed by "
            + Selection.words(stages + until),
          remedy: "see 'fettle dag'", isRequest: true)
      }
      included = graph.closure(wanted.indices.filter { wanted[$0] }, upwards: true)
    }
    var forced = [Bool](repeating: false, count: count)
    for index in try indices(force, in: pipeline) { forced[index] = included[index] }
    return (included: included, forced: forced)
  }

  private static func words(_ names: [String]) -> String { names.map { "'\($0)'" }.joined(separator: ", ") }

  private func indices(_ names: [String], in pipeline: Pipeline) throws(RunError) -> [Int] {
    var indices: [Int] = []
    for name in names {
      let found = pipeline.indices(of: name)
      guard !found.isEmpty else {
        let nearest = Spelling.nearest(to: name, among: pipeline.stageNames)
        throw RunError(
          "the pipeline has no such stage", value: name,
          remedy: nearest.map { "did you mean '\($0)'?" }
            ?? "its stages are \(pipeline.stageNames.joined(separator: ", "))",
          isRequest: true)
      }
      indices += found
    }
    return indices
  }
}

/// The edges between cells by their places in the pipeline.
struct CellGraph {
  /// What each cell needs before it: inputs, references and gates.
  let needs: [[Int]]
  /// Which cells need it.
  let neededBy: [[Int]]

  init(_ pipeline: Pipeline) {
    var needs: [[Int]] = []
    var neededBy = [[Int]](repeating: [], count: pipeline.cells.count)
    let writers = CommandWriters(pipeline)
    for (index, cell) in pipeline.cells.enumerated() {
      var places: [Int] = []
      for id in cell.reads + cell.gates {
        if let place = pipeline.index(of: id), !places.contains(place) { places.append(place) }
      }
      for place in CellGraph.foreseen(by: cell, in: pipeline) where place < index && !places.contains(place) {
        places.append(place)
      }
      for place in writers.before(cell, at: index) where !places.contains(place) { places.append(place) }
      needs.append(places)
      for place in places { neededBy[place].append(index) }
    }
    self.needs = needs
    self.neededBy = neededBy
  }

  /// The cells whose outputs are settings or validation tokens of the stage that a dry run forecasts: their content
  /// decides its forecast.
  static func foreseen(by cell: StageCell, in pipeline: Pipeline) -> [Int] {
    guard let id = cell.forecast, let target = pipeline[id] else { return [] }
    var places: [Int] = target.references.compactMap { reference in
      guard case .output(let producer, _) = reference.target else { return nil }
      return pipeline.index(of: producer)
    }
    for input in target.inputs where input.name == "validation" {
      if case .output(let producer, _) = input.source, let place = pipeline.index(of: producer) {
        places.append(place)
      }
    }
    return places
  }

  /// `start` and everything reached from it.
  func closure(_ start: [Int], upwards: Bool) -> [Bool] {
    var reached = [Bool](repeating: false, count: needs.count)
    var open = start
    for index in start { reached[index] = true }
    while let index = open.popLast() {
      for next in upwards ? needs[index] : neededBy[index] where !reached[next] {
        reached[next] = true
        open.append(next)
      }
    }
    return reached
  }
}
