/// A kind of stage: what its `with`, inputs and outputs are. Its code lies elsewhere.
package final class StageKind: Sendable {
  /// The name in `uses`.
  package let name: String
  /// Part of every fingerprint; raised whenever the same inputs may give other bytes.
  package let version: Int
  package let doc: String
  package let with: KeyTable
  package let inputs: [Input]
  package let outputs: [Output]
  /// Whether the author names the inputs and outputs (`command`).
  package let declaresOwn: Bool

  package struct Input: Sendable {
    package let name: String
    package let kind: ArtifactKind
    package let required: Bool
    /// Whether a path or model reference may stand where a stage's output would.
    package let takesReferences: Bool
    package let doc: String
  }

  package struct Output: Sendable {
    package let name: String
    package let kind: ArtifactKind
    package let doc: String
    /// The output exists only when this input is given.
    package var needsInput: String? = nil
    /// The output exists only when this key stands in `with`.
    package var needsKey: String? = nil
  }

  package init(
    name: String, version: Int, doc: String, with: KeyTable, inputs: [Input], outputs: [Output],
    declaresOwn: Bool = false
  ) {
    self.name = name
    self.version = version
    self.doc = doc
    self.with = with
    self.inputs = inputs
    self.outputs = outputs
    self.declaresOwn = declaresOwn
  }
}
