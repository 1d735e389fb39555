import Basics
import Store

/// What a run would do with each cell, and why.
package struct Plan: Sendable {
  package enum Decision: Sendable {
    /// A known result counts.
    case cached(Cached)
    case run(Reason)
    /// It depends on results that are not there yet; these are the cells they come from.
    case waits(on: [String])
    /// A file it reads is missing or unreadable.
    case impossible(Problem)
    /// A gate's forecast breaks its limits.
    case refused(Problem)
    /// The selection leaves it out.
    case unselected
  }

  /// A result that stands for the cell.
  package struct Cached: Sendable {
    package let attempt: Int
    package let outputs: [OutputRecord]
  }

  package struct Entry: Sendable {
    package let cell: StageCell
    package let decision: Decision
    /// Nil where what it reads is not known yet.
    package let fingerprint: Fingerprint?

    /// "cached", "run", "wait", "impossible", "refused", "unselected": for JSON and tables.
    package var word: String {
      switch decision {
      case .cached: "cached"
      case .run: "run"
      case .waits: "wait"
      case .impossible: "impossible"
      case .refused: "refused"
      case .unselected: "unselected"
      }
    }

    /// One line that says why.
    package var why: String {
      switch decision {
      case .cached: "nothing it depends on has changed"
      case .run(let reason): reason.description
      case .waits(let cells): "depends on \(cells.joined(separator: ", "))"
      case .impossible(let problem), .refused(let problem): problem.description
      case .unselected: "not selected"
      }
    }
  }

  /// Why a cell runs although it may have run before.
  package enum Reason: Sendable {
    case firstTime
    case changed([FingerprintChange])
    /// Nothing changed, but the last attempt did not succeed.
    case unfinished(AttemptStatus)
    case objectGone(output: String, ObjectStore.State)
    case forced

    package var description: String {
      switch self {
      case .firstTime: "no result yet"
      case .changed(let changes):
        changes.isEmpty
          ? "what it depends on has changed"
          : changes.prefix(3).map { $0.description }.joined(separator: "; ")
            + (changes.count > 3 ? "; and \(changes.count - 3) more" : "")
      case .unfinished(let status): "its last attempt \(Reason.past(status))"
      case .objectGone(let output, .altered(let detail)): "its result '\(output)' was altered: \(detail)"
      case .objectGone(let output, _): "its result '\(output)' is gone"
      case .forced: "forced"
      }
    }

    private static func past(_ status: AttemptStatus) -> String {
      switch status {
      case .failed: "failed"
      case .refused: "was refused"
      case .interrupted, .running: "was interrupted"
      case .discarded: "was discarded, because its inputs changed meanwhile"
      case .done: "is gone"
      }
    }
  }

  package let entries: [Entry]

  /// How many cells would run for certain.
  package var runCount: Int {
    entries.count { if case .run = $0.decision { true } else { false } }
  }

  /// `{"pipeline":…, "stages":[{"stage":…,"action":"cached|run|wait|…","reason":…,"changes":[…]}]}`
  package func json(pipeline: String) -> JSON {
    let stages = entries.map { entry -> JSON in
      var object: JSON.Object = [
        "stage": JSON(entry.cell.id), "kind": JSON(entry.cell.kind.name), "action": JSON(entry.word),
        "reason": JSON(entry.why),
      ]
      if let fingerprint = entry.fingerprint { object["fingerprint"] = JSON(fingerprint.digest.hex) }
      if case .run(.changed(let changes)) = entry.decision { object["changes"] = .array(changes.map(\.json)) }
      return .object(object)
    }
    return ["pipeline": JSON(pipeline), "stages": .array(stages)]
  }
}

extension FingerprintChange {
  /// `{"part":…,"old":…,"new":…}`
  package var json: JSON {
    ["part": JSON(name), "old": old.map { JSON($0) } ?? .null, "new": new.map { JSON($0) } ?? .null]
  }
}
