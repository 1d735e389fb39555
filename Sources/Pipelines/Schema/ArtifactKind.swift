/// What an output of a stage holds.
package enum ArtifactKind: String, Sendable, CaseIterable {
  case rows, tokens, model, ledger, forecast, metrics, results, files

  /// Whether an output of this kind may be wired to an input that wants `wanted`.
  ///
  /// `files` come from commands and exports, whose content only the reader can judge: rows and models may be read
  /// from them. A command reads anything, so an input of kind `files` takes every kind.
  package func fits(_ wanted: ArtifactKind) -> Bool {
    if self == wanted || wanted == .files { return true }
    return self == .files && (wanted == .rows || wanted == .model)
  }
}
