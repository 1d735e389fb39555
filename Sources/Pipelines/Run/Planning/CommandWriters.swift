import Basics

/// Which commands write where in the project: a stage that reads such a file by its path comes after them.
struct CommandWriters {
  /// The writers of exactly a path.
  private var exact: [[UInt8]: [Int]] = [:]
  /// The writers of something below a path.
  private var below: [[UInt8]: [Int]] = [:]

  init(_ pipeline: Pipeline) {
    for (place, cell) in pipeline.cells.enumerated() {
      for output in cell.outputs {
        guard let path = output.path else { continue }
        var prefixes = CommandWriters.prefixes(path)
        guard let whole = prefixes.popLast() else { continue }
        exact[whole, default: []].append(place)
        for prefix in prefixes { below[prefix, default: []].append(place) }
      }
    }
  }

  /// The cells before `index` that write what the cell reads by its path.
  func before(_ cell: StageCell, at index: Int) -> [Int] {
    if exact.isEmpty { return [] }
    var places: [Int] = []
    for path in cell.pathsRead {
      let prefixes = CommandWriters.prefixes(path)
      for prefix in prefixes { places += exact[prefix] ?? [] }
      if let whole = prefixes.last { places += below[whole] ?? [] }
    }
    return places.filter { $0 < index }
  }

  /// "a", "a/b", "a/b/c" of "./a//b/c".
  private static func prefixes(_ path: String) -> [[UInt8]] {
    if path.hasPrefix("/") { return [] }
    var prefixes: [[UInt8]] = []
    for step in CommandNames.steps(path) {
      prefixes.append((prefixes.last.map { $0 + [UInt8(ascii: "/")] } ?? []) + Array(step.utf8))
    }
    return prefixes
  }
}

extension StageCell {
  /// Files and folders it reads by their paths in the project; of a pattern, the folder it begins with.
  var pathsRead: [String] {
    var paths: [String] = []
    for input in inputs { if case .file(let path) = input.source { paths.append(path) } }
    for reference in references {
      switch reference.target {
      case .path(let path): paths.append(path)
      case .glob(let pattern):
        let fixed = pattern.split(separator: "/", omittingEmptySubsequences: false).prefix {
          !$0.contains { "*?[".contains($0) }
        }
        if !fixed.isEmpty { paths.append(fixed.joined(separator: "/")) }
      default: break
      }
    }
    return paths
  }

  /// Whether two cells must not run at the same time, because one writes what the other reads or writes.
  func isInTheWay(of other: StageCell) -> Bool {
    let own = outputs.compactMap(\.path)
    let others = other.outputs.compactMap(\.path)
    if own.isEmpty, others.isEmpty { return false }
    return own.contains { path in (others + other.pathsRead).contains { CommandNames.overlap(path, $0) } }
      || others.contains { path in pathsRead.contains { CommandNames.overlap(path, $0) } }
  }
}
