import Basics

/// One fault of a pipeline file.
package struct PipelineFault: Sendable, Equatable {
  /// Nil for faults of the file as a whole, or of `--set`.
  package let position: Position?
  /// One sentence without a final full stop.
  package let what: String
  /// The offending text.
  package let text: String?
  package let remedy: String?
}

/// Everything that is wrong with a pipeline file, in the order of its lines.
package struct PipelineFileError: FettleError {
  /// The file as it was named.
  package let file: String
  package let faults: [PipelineFault]
  /// How many more there are than `faults` holds.
  package let unlisted: Int

  /// One problem a fault, each with `file:line:column`.
  package var problems: [Problem] {
    faults.map { fault in
      let place = fault.position.map { "\(file):\($0.line):\($0.column)" } ?? file
      return Problem(fault.what, at: place, value: fault.text, remedy: fault.remedy)
    }
  }

  /// The first fault; `description` has them all.
  package var problem: Problem { problems.first ?? Problem("the pipeline file cannot be used", at: file) }

  /// All faults, one a line.
  package var description: String {
    var lines = problems.map(\.description)
    if unlisted > 0 { lines.append("\(file): and \(unlisted) more") }
    return lines.joined(separator: "\n")
  }
}

/// The faults found so far.
final class FaultList {
  /// Beyond this number faults are only counted, and no more suggestions are sought: a file that is not meant for us
  /// must not take long to refuse.
  static let limit = 100

  private var faults: [PipelineFault] = []
  private var seen: Set<String> = []
  private var unlisted = 0

  var isEmpty: Bool { faults.isEmpty }
  /// Whether it is worth looking for suggestions.
  var wantsSuggestions: Bool { faults.count < FaultList.limit }

  /// Notes a fault once, however many cells of a stage run into it.
  func note(_ position: Position?, _ what: String, text: String? = nil, remedy: String? = nil) {
    let place = position.map { "\($0.line):\($0.column)" } ?? ""
    guard seen.count < 100_000, seen.insert("\(place) \(what) \(text ?? "")").inserted else { return }
    if faults.count >= FaultList.limit {
      unlisted += 1
    } else {
      faults.append(PipelineFault(position: position, what: what, text: text, remedy: remedy))
    }
  }

  func note(_ node: YAMLNode, _ what: String, text: String? = nil, remedy: String? = nil) {
    let got = text ?? node.excerpt
    note(node.position, what, text: got.isEmpty ? nil : got, remedy: remedy)
  }

  func error(_ file: String) -> PipelineFileError {
    let key = { (fault: PipelineFault) in (fault.position?.line ?? 0, fault.position?.column ?? 0) }
    let sorted = faults.enumerated().sorted { a, b in
      let (x, y) = (key(a.element), key(b.element))
      return x == y ? a.offset < b.offset : x < y
    }
    return PipelineFileError(file: file, faults: sorted.map(\.element), unlisted: unlisted)
  }
}

extension YAMLNode {
  var position: Position { Position(line: line, column: column) }
}
