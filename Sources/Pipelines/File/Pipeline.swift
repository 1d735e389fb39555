import Basics

/// A pipeline file, checked and resolved: every matrix expanded, every reference known, in an order that runs.
package struct Pipeline: Sendable {
  package let name: String
  package let seed: UInt64
  /// The variables as they count: the file's, replaced by what `--set` gave.
  package let vars: JSON.Object
  /// The stages in the order of the file.
  package let stageNames: [String]
  /// All cells in an order in which each comes after what it reads and what gates it; otherwise the file's order.
  package let cells: [StageCell]
  private let cellByID: [String: Int]
  private let cellsByStage: [String: [Int]]

  package init(name: String, seed: UInt64, vars: JSON.Object, stageNames: [String], cells: [StageCell]) {
    self.name = name
    self.seed = seed
    self.vars = vars
    self.stageNames = stageNames
    self.cells = cells
    var byID: [String: Int] = [:]
    var byStage: [String: [Int]] = [:]
    for (index, cell) in cells.enumerated() {
      byID[cell.id] = index
      byStage[cell.stage, default: []].append(index)
    }
    cellByID = byID
    cellsByStage = byStage
  }

  /// The place in `cells` of the cell with this id.
  package func index(of id: String) -> Int? { cellByID[id] }

  package subscript(id: String) -> StageCell? { cellByID[id].map { cells[$0] } }

  /// The places in `cells` of a stage's cells, or of the one cell whose id is given; empty for an unknown name.
  package func indices(of name: String) -> [Int] {
    cellsByStage[name] ?? cellByID[name].map { [$0] } ?? []
  }
}

/// A stage at one point of its matrix: the unit that runs and is cached.
package struct StageCell: Sendable {
  /// `finetune`, or `finetune[learning_rate=0.0001]`; unique in the pipeline.
  package let id: String
  /// The stage's name in the file.
  package let stage: String
  /// The axes this cell is a point of, inherited ones first.
  package let axes: [AxisValue]
  package let kind: StageKind
  /// All keys of `with` with their defaults, typed and canonical: sizes in bytes, durations in seconds, numbers in
  /// their shortest form, interpolation done. `expect` is never in it. References stand in it as written.
  package let with: JSON.Object
  /// What in `with` refers to files, models or other stages' outputs: its content, not its name, is identity.
  package let references: [Reference]
  /// What the stage reads besides, by input name, in the order of the stage kind (of the file, for a command).
  package let inputs: [CellInput]
  /// What the cell will give, in order.
  package let outputs: [CellOutput]
  /// The ids of the dry-run cells that must permit this one: no identity.
  package let gates: [String]
  /// For a dry run: the id of the cell whose memory and hours are forecast. No edge, but its settings are identity.
  package let forecast: String?
  /// The seed of the stage: `with.seed` where given, else the file's; 0 for kinds that draw nothing at random.
  package let seed: UInt64
  package let retries: RetryPolicy
  /// What a command sees of the environment.
  package let environment: DeclaredEnvironment
  /// Seconds; nil for no limit.
  package let timeout: Double?
  package let resources: JSON.Object
  package let about: String?
  /// Limits on the metrics of the result: judged after it, no identity.
  package let expect: [Expectation]
  /// Where the stage stands in the file.
  package let position: Position

  /// `with` without the keys that cannot change the result. References still stand in it as text; replace each by
  /// the digest of its content with `JSON.replacing(at:with:)`.
  package var identity: JSON { kind.with.identity(of: .object(with)) }

  /// Ids of the cells this one reads, through inputs and references; without gates. Each once.
  package var reads: [String] {
    var ids: [String] = []
    for input in inputs { if case .output(let cell, _) = input.source, !ids.contains(cell) { ids.append(cell) } }
    for reference in references {
      if case .output(let cell, _) = reference.target, !ids.contains(cell) { ids.append(cell) }
    }
    return ids
  }
}

extension StageCell {
  /// The models it names that are no local paths.
  var models: [String] {
    var names: [String] = []
    for input in inputs { if case .model(let name) = input.source { names.append(name) } }
    for reference in references { if case .model(let name) = reference.target { names.append(name) } }
    return names
  }
}

/// One coordinate of a cell.
package struct AxisValue: Sendable, Equatable {
  /// The axis as the cell's id spells it: its name, or `stage.name` where two stages' axes share the name.
  package let name: String
  /// The stage whose `matrix` declares it.
  package let stage: String
  package let value: JSON
}

/// One input of a cell.
package struct CellInput: Sendable, Equatable {
  package enum Source: Sendable, Equatable {
    /// An output of another cell.
    case output(cell: String, output: String)
    /// A file or folder, relative to the project's root.
    case file(String)
    /// A model that is no local path: `hf:…`, `pypi:…`, `preset:…`.
    case model(String)
  }
  package let name: String
  package let kind: ArtifactKind
  package let source: Source
  package let position: Position
}

/// One output of a cell.
package struct CellOutput: Sendable, Equatable {
  package let name: String
  package let kind: ArtifactKind
  /// For a command: the file or folder it writes, relative to its working folder.
  package let path: String?
}

/// A value in `with` that stands for content elsewhere.
package struct Reference: Sendable, Equatable {
  package enum Target: Sendable, Equatable {
    /// A file or folder, relative to the project's root.
    case path(String)
    /// A pattern with `*`, `?`, `[…]` or `**` over such paths.
    case glob(String)
    /// A model by `hf:…` or `pypi:…`, or a shape by `preset:…`.
    case model(String)
    /// Something built in: `bytes`, `chatml`.
    case builtIn(String)
    /// An output of another cell.
    case output(cell: String, output: String)
  }
  /// Where in `with` the text stands.
  package let place: [JSONStep]
  /// Nil for a plain path.
  package let role: ModelRole?
  package let target: Target
  /// The text as it stands in `with`.
  package let text: String
  package let position: Position
}

/// A limit on one metric of a result.
package struct Expectation: Sendable, Equatable {
  /// The way to the metric: `["tasks", "tickets", "exact_match"]`.
  package let metric: [String]
  package let minimum: Double?
  package let maximum: Double?
  package let position: Position
}

/// A place in the pipeline file, from 1.
package struct Position: Sendable, Equatable {
  package let line: Int
  package let column: Int

  package init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }
}

/// One step from a JSON value to a value inside it.
package enum JSONStep: Sendable, Hashable {
  case key(String)
  case index(Int)
}
