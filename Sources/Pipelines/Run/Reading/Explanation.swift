import Basics
import Store

/// Why a cell ran, would run, or need not.
package struct Explanation: Sendable {
  package let cell: String
  /// "cached", "done", "failed" …, or "run" and "wait" for what is to come.
  package let status: String
  package let reason: String
  /// The parts of the fingerprint that differ from the earlier result's.
  package let changes: [FingerprintChange]
  /// The run this is about; nil for what would happen now.
  package let run: Int?

  package var json: JSON {
    [
      "stage": JSON(cell), "status": JSON(status), "reason": JSON(reason),
      "changes": .array(changes.map(\.json)), "run": run.map { JSON($0) } ?? .null,
    ]
  }

  /// The reason, and below it one line for each part that changed.
  package var text: String {
    let lines = changes.map { "  \($0.description)" }
    return (["\(cell): \(status): \(reason)"] + lines).joined(separator: "\n")
  }

  /// What the plan says of a cell; nil when it is cached, where only the past explains anything.
  package init?(_ entry: Plan.Entry) {
    cell = entry.cell.id
    status = entry.word
    run = nil
    switch entry.decision {
    case .cached: return nil
    case .run(.changed(let changes)):
      self.changes = changes
      reason = "what it depends on has changed: \(changes.map(\.name).joined(separator: ", "))"
    default:
      changes = []
      reason = entry.why
    }
  }

  fileprivate init(cell: String, status: String, reason: String, changes: [FingerprintChange], run: Int?) {
    self.cell = cell
    self.status = status
    self.reason = reason
    self.changes = changes
    self.run = run
  }
}

extension RunHistory {
  /// Why a cell ran in a run; for one that was cached, when and why it last did.
  package func why(_ cell: CellRecord, in run: RunRecord) throws(RunError) -> Explanation {
    try running {
      guard cell.status == .cached, let id = cell.attempt, let attempt = try ledger.attempt(id) else {
        let changes = try changes(cell.fingerprint, pipeline: run.pipeline, cell: cell.cell, before: run.id)
        return Explanation(
          cell: cell.cell, status: cell.status.word, reason: RunHistory.reason(cell), changes: changes, run: run.id)
      }
      let origin = try ledger.run(attempt.run)
      let then = try ledger.cells(of: attempt.run).first { sameBytes($0.cell, attempt.cell) }
      let past = origin.map { " since run \($0.id)" } ?? ""
      let because = then?.reason.map { "; it ran then because: \($0)" } ?? ""
      let changes = try changes(
        attempt.fingerprint, pipeline: attempt.pipeline, cell: attempt.cell, before: attempt.run)
      return Explanation(
        cell: cell.cell, status: cell.status.word,
        reason: "nothing it depends on has changed\(past)\(because)", changes: changes, run: run.id)
    }
  }

  /// Of a cell that ran, the reason tells why it did, not how it fared.
  private static func reason(_ cell: CellRecord) -> String {
    guard let reason = cell.reason else { return "not reached" }
    return cell.attempt == nil ? reason : "it ran because: \(reason)"
  }

  /// How a fingerprint differs from the cell's newest success before a run.
  private func changes(
    _ digest: Digest?, pipeline: String, cell: String, before run: Int
  ) throws -> [FingerprintChange] {
    guard let digest, let new = try ledger.fingerprint(digest),
      let older = try ledger.newestSuccess(pipeline: pipeline, cell: cell, before: run),
      let old = try ledger.fingerprint(older.fingerprint)
    else { return [] }
    return FingerprintChange.between(old, new)
  }
}
