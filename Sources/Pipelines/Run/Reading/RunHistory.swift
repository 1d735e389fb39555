import Basics
import Store

/// What the runs of a project left on record, for the commands that only read.
package struct RunHistory {
  package let project: Project
  package let ledger: Ledger

  /// Nil when nothing ever ran in the project.
  package init?(_ project: Project) throws(RunError) {
    guard let ledger = try running({ try Ledger(reading: project.cache) }) else { return nil }
    self.project = project
    self.ledger = ledger
  }

  /// The history of a project where something must have run.
  package static func existing(_ project: Project) throws(RunError) -> RunHistory {
    guard let history = try RunHistory(project) else {
      throw RunError(
        "nothing has run in this project yet", at: project.root.display, remedy: "begin with 'fettle run PIPELINE'",
        isRequest: true)
    }
    return history
  }

  /// The run with this number.
  package func run(_ id: Int) throws(RunError) -> RunRecord { try run(optional: id) }

  /// The newest run.
  package func run() throws(RunError) -> RunRecord { try run(optional: nil) }

  private func run(optional id: Int?) throws(RunError) -> RunRecord {
    let found = try running { if let id { try ledger.run(id) } else { try ledger.newestRun() } }
    guard let found else {
      throw RunError(
        id == nil ? "nothing has run in this project yet" : "there is no such run", value: id.map { String($0) },
        remedy: id == nil ? "begin with 'fettle run PIPELINE'" : "'fettle status' tells the newest one",
        isRequest: true)
    }
    return found
  }

  /// The run of this number or name; nil where there is none.
  package func find(_ text: String) throws(RunError) -> RunRecord? {
    try running {
      if let id = Int(text) { return try ledger.run(id) }
      return try ledger.run(named: text)
    }
  }

  /// The run of this number or name, or the newest one.
  package func run(_ text: String?) throws(RunError) -> RunRecord {
    guard let text else { return try run() }
    if let found = try find(text) { return found }
    throw RunError(
      "there is no such run", value: text, remedy: "'fettle runs' lists them", isRequest: true)
  }

  /// The cells of a run: all, those of one stage, or the one of this id.
  package func cells(of run: RunRecord, named name: String? = nil) throws(RunError) -> [CellRecord] {
    var all = try running { try ledger.cells(of: run.id) }
    if run.finished == nil, !isUnderWay(run) {
      // Its runner was killed: nobody recorded the end.
      for index in all.indices where all[index].status == .running { all[index].status = .interrupted }
    }
    guard let name else { return all }
    var found = all.filter { sameBytes($0.stage, name) }
    if found.isEmpty { found = all.filter { sameBytes($0.cell, name) } }
    guard !found.isEmpty else {
      let nearest = Spelling.nearest(to: name, among: all.map(\.stage))
      throw RunError(
        "run \(run.id) has no such stage", value: name, remedy: nearest.map { "did you mean '\($0)'?" },
        isRequest: true)
    }
    return found
  }

  /// Whether the run's process is still at work.
  package func isUnderWay(_ run: RunRecord) -> Bool {
    guard run.finished == nil, let holder = RunLock.holder(project.cache.lock) else { return false }
    return holder.pid == run.pid && holder.since <= Int(run.started)
  }

  /// The attempt whose log is of interest for a cell: the newest of the run, else the one its result came from.
  package func attempt(of cell: CellRecord, in run: RunRecord) throws(RunError) -> AttemptRecord? {
    try running {
      if let newest = try ledger.attempts(pipeline: run.pipeline, cell: cell.cell, run: run.id, limit: 1).first {
        return newest
      }
      return if let id = cell.attempt { try ledger.attempt(id) } else { nil }
    }
  }

  /// Where an attempt's log lies; nil when it never got that far.
  package func log(of attempt: AttemptRecord) -> FilePath? { attempt.log.map { project.cache.path.appending($0) } }

  /// Where an attempt's events lie, one JSON object a line.
  package func events(of attempt: AttemptRecord) -> FilePath? {
    attempt.events.map { project.cache.path.appending($0) }
  }

  /// The progress an attempt reported, in order.
  package func progress(of attempt: AttemptRecord) -> [ProgressEvent] {
    guard let path = events(of: attempt), let bytes = try? Files.read(path, limit: 1 << 30) else { return [] }
    return bytes.split(separator: 0x0A).compactMap { line in
      guard let json = try? JSONParser.parse(line), case .progress(let event)? = AttemptEvent(json) else { return nil }
      return event
    }
  }

  // MARK: - JSON

  /// `{"run":…,"stages":[{"stage":…,"status":…,"seconds":…}]}`, with the pipeline and how the run ended besides.
  package func status(_ run: RunRecord) throws(RunError) -> JSON {
    let stages = try cells(of: run).map { cell -> JSON in
      var object: JSON.Object = [
        "stage": JSON(cell.cell), "status": JSON(cell.status.word),
        "seconds": cell.seconds.map { JSON(($0 * 1000).rounded() / 1000) } ?? .null,
      ]
      if let reason = cell.reason { object["reason"] = JSON(reason) }
      if let error = RunHistory.problem(cell) { object["error"] = JSON(error.description) }
      return .object(object)
    }
    return [
      "run": JSON(run.id), "pipeline": JSON(run.pipeline), "started": JSON((run.started * 1000).rounded() / 1000),
      "finished": run.finished.map { JSON(($0 * 1000).rounded() / 1000) } ?? .null,
      "exit_code": run.exitCode.map { JSON($0) } ?? .null, "stages": .array(stages),
    ]
  }

  /// `{"stage":…,"status":…,"fingerprint":…,"outputs":{name:{"kind":…,"digest":…,"path":…}},"metrics":{…}}`
  package func show(_ cell: CellRecord, of run: RunRecord) throws(RunError) -> JSON {
    try running {
      var outputs: JSON.Object = [:]
      var metrics: JSON = .object([:])
      var details: JSON.Object = [:]
      if let id = cell.attempt, let attempt = try ledger.attempt(id) {
        for output in try ledger.outputs(of: id) {
          outputs[output.name] = [
            "kind": JSON(output.kind), "digest": JSON(output.digest.hex),
            "path": ledger.objects.path(output.digest).json,
          ]
        }
        metrics = attempt.metrics ?? metrics
        details["attempt"] = JSON(id)
        details["peak_memory"] = attempt.peakMemory.map { JSON($0) } ?? .null
        details["log"] = log(of: attempt)?.json ?? .null
      }
      var object: JSON.Object = [
        "stage": JSON(cell.cell), "status": JSON(cell.status.word),
        "fingerprint": cell.fingerprint.map { JSON($0.hex) } ?? .null, "outputs": .object(outputs),
        "metrics": metrics, "run": JSON(run.id), "kind": JSON(cell.kind),
        "seconds": cell.seconds.map { JSON(($0 * 1000).rounded() / 1000) } ?? .null,
        "reason": cell.reason.map { JSON($0) } ?? .null,
      ]
      if let problem = RunHistory.problem(cell) { object["error"] = JSON(problem.description) }
      for (key, value) in details.members { object[key] = value }
      return .object(object)
    }
  }

  /// What went wrong with a cell, if anything did.
  package static func problem(_ cell: CellRecord) -> Problem? {
    guard let text = cell.error, let json = try? JSONParser.parse(text) else { return nil }
    return Problem(json: json)
  }
}
