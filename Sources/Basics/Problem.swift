/// What went wrong, in the four parts every message of Fettle has: what, where, the value got, what to do.
package struct Problem: Sendable, Equatable {
  /// One sentence without a final full stop: "unknown key 'learningrate'".
  package var what: String
  /// File, line and column, tensor, stage or row where it happened.
  package var place: String?
  /// The offending value as it was given; long values are shortened when worded.
  package var value: String?
  /// What the user can do about it.
  package var remedy: String?

  package init(_ what: String, at place: String? = nil, value: String? = nil, remedy: String? = nil) {
    self.what = what
    self.place = place
    self.value = value
    self.remedy = remedy
  }
}

extension Problem: CustomStringConvertible {
  /// `place: what (got value). Remedy.`: the one place that words an error.
  package var description: String {
    var text = ""
    if let place { text += "\(place): " }
    text += what
    if let value { text += " (got \(Problem.shortened(value)))" }
    if let remedy { text += "; \(remedy)" }
    return text
  }

  /// `text` on one line, control characters escaped, at most `limit` characters.
  package static func shortened(_ text: String, limit: Int = 120) -> String {
    var result = ""
    var count = 0
    for scalar in text.unicodeScalars {
      if count == limit { return result + "…" }
      switch scalar.value {
      case 0x0A: result += "\\n"
      case 0x0D: result += "\\r"
      case 0x09: result += "\\t"
      case 0..<0x20, 0x7F..<0xA0: result += "\\u{" + String(scalar.value, radix: 16) + "}"
      default: result.unicodeScalars.append(scalar)
      }
      count += 1
    }
    return result
  }
}

/// An error that a person can act on. Each room has its own type that conforms.
package protocol FettleError: Error, CustomStringConvertible, Sendable {
  var problem: Problem { get }
}

extension FettleError {
  package var description: String { problem.description }
}

/// The `Problem` of any error: a room's own, or the system's words for another.
package func problem(of error: any Error) -> Problem {
  if let known = error as? any FettleError { return known.problem }
  return Problem("\(error)")
}
