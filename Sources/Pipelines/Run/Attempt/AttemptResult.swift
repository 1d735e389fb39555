import Basics

/// What an attempt leaves in `result.json` for the runner.
package struct AttemptResult: Sendable {
  package var metrics: JSON.Object
  /// Sentences worth showing at the end of the run.
  package var notes: [String]
  /// Why it failed or refused.
  package var problem: Problem?
  /// Which way of failing it was; nil for the stage's own error.
  package var cause: FailureCause?
  /// Bytes, as the process itself saw its peak.
  package var peakMemory: Int?

  package init(
    metrics: JSON.Object = [:], notes: [String] = [], problem: Problem? = nil, cause: FailureCause? = nil,
    peakMemory: Int? = nil
  ) {
    self.metrics = metrics
    self.notes = notes
    self.problem = problem
    self.cause = cause
    self.peakMemory = peakMemory
  }

  package var json: JSON {
    var object: JSON.Object = ["metrics": .object(metrics), "notes": .array(notes.map { JSON($0) })]
    if let problem { object["problem"] = problem.json }
    if let cause { object["cause"] = JSON(cause.rawValue) }
    if let peakMemory { object["peak_memory"] = JSON(peakMemory) }
    return .object(object)
  }

  /// Reads what `json` wrote; parts that are absent stay empty, so that a shell script can write one too.
  package init(_ json: JSON) {
    metrics = json["metrics"]?.object ?? [:]
    notes = (json["notes"]?.array ?? []).compactMap(\.string)
    problem = json["problem"].flatMap { Problem(json: $0) }
    cause = json["cause"]?.string.flatMap { FailureCause(rawValue: $0) }
    peakMemory = json["peak_memory"]?.int
  }
}

extension Problem {
  /// The problem's parts by name.
  package var json: JSON {
    var object: JSON.Object = ["what": JSON(what)]
    if let place { object["place"] = JSON(place) }
    if let value { object["value"] = JSON(value) }
    if let remedy { object["remedy"] = JSON(remedy) }
    return .object(object)
  }

  package init?(json: JSON) {
    guard let what = json["what"]?.string else { return nil }
    self.init(what, at: json["place"]?.string, value: json["value"]?.string, remedy: json["remedy"]?.string)
  }
}
