import Basics

/// What a cleaning did.
package struct CleaningReport: Sendable {
  package internal(set) var sources: [SourceReport] = []
  package internal(set) var steps: [StepTally] = []
  /// Records read: rows and rejects.
  package internal(set) var rowsIn = 0
  package internal(set) var train = 0
  package internal(set) var validation = 0
  /// Rows lost by reason: rejects of the readers and what the steps dropped.
  package internal(set) var rejected: [String: Int] = [:]
  /// Rows changed by step.
  package internal(set) var edited: [String: Int] = [:]
  /// Lines of the ledger.
  package internal(set) var ledgerEntries = 0
  /// What the user should know although nothing failed.
  package internal(set) var notes: [String] = []

  package var rowsOut: Int { train + validation }
  package var keepRatio: Double { rowsIn > 0 ? Double(rowsOut) / Double(rowsIn) : 0 }

  /// The metrics of the stage.
  package var json: JSON {
    [
      "rows": [
        "in": JSON(rowsIn), "out": JSON(rowsOut), "train": JSON(train), "validation": JSON(validation),
        "rejected": CleaningReport.counts(rejected), "edited": CleaningReport.counts(edited),
      ],
      "keep_ratio": JSON(keepRatio), "steps": .array(steps.map(\.json)), "sources": .array(sources.map(\.json)),
      "ledger_entries": JSON(ledgerEntries), "notes": .array(notes.map { .string($0) }),
    ]
  }

  /// Counts as an object, names in order.
  static func counts(_ counts: [String: Int]) -> JSON {
    .object(JSON.Object(counts.sorted { $0.key < $1.key }.map { (key: $0.key, value: JSON($0.value)) }))
  }
}
