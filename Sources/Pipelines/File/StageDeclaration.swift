import Basics

/// A stage as the file declares it, before its matrix is expanded.
struct StageDeclaration {
  let name: String
  let kind: StageKind
  let position: Position
  /// The `with` mapping; an empty one at the stage's place when absent.
  let with: YAMLNode
  let inputs: [DeclaredInput]
  /// The stage named by `inputs.gate`.
  let gate: (stage: String, node: YAMLNode)?
  let axes: [DeclaredAxis]
  /// The outputs of a command.
  let outputs: [CellOutput]
  let retries: RetryPolicy
  let environment: DeclaredEnvironment
  let timeout: Double?
  let resources: JSON.Object
  let about: String?
  let expect: [Expectation]
  /// Outputs of other stages named inside `with`.
  let mentions: [(stage: String, output: String, node: YAMLNode)]
  /// The stage a dry run forecasts, where it is named without a reference.
  let forecast: (stage: String, node: YAMLNode)?

  /// Whether `with` has a key of this name.
  func hasKey(_ name: String) -> Bool { with[name] != nil }
}

/// One input as declared.
struct DeclaredInput {
  enum Source {
    case output(stage: String, output: String)
    /// A path or model reference, which may hold `${matrix.…}`.
    case text
  }
  let name: String
  let kind: ArtifactKind
  let source: Source
  let node: YAMLNode
}

/// One axis of a stage's matrix.
struct DeclaredAxis {
  let name: String
  let node: YAMLNode
  let values: [YAMLNode]
}
