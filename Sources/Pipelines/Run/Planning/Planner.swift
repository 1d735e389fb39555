import Basics
import Store

/// Decides cell by cell what is to be done, from the results known so far.
final class Planner {
  let pipeline: Pipeline
  private let ledger: Ledger?
  private let fingerprinter: Fingerprinter
  let gate: Gate
  private let included: [Bool]
  private let forced: [Bool]
  let graph: CellGraph
  /// The results that stand for cells, as far as they are known.
  private var outputs: [[OutputRecord]?]

  init(
    pipeline: Pipeline, project: Project, selection: Selection, hooks: RunHooks, ledger: Ledger?,
    cache: FileDigestCache
  ) throws(RunError) {
    self.pipeline = pipeline
    self.ledger = ledger
    fingerprinter = Fingerprinter(
      pipeline: pipeline, project: project, hooks: hooks, cache: cache, objects: ledger?.objects)
    gate = Gate(pipeline: pipeline, objects: ledger?.objects)
    (included, forced) = try selection.resolve(in: pipeline)
    graph = CellGraph(pipeline)
    outputs = [[OutputRecord]?](repeating: nil, count: pipeline.cells.count)
  }

  /// What would be done if the run began now.
  func plan() throws(RunError) -> Plan {
    try fingerprinter.withSnapshot { () throws(RunError) in
      var entries: [Plan.Entry] = []
      for index in pipeline.cells.indices { entries.append(try decide(index)) }
      return Plan(entries: entries)
    }
  }

  /// Remembers the outputs that stand for a cell from now on.
  func settle(_ index: Int, _ outputs: [OutputRecord]) { self.outputs[index] = outputs }

  /// Forgets a result that its readers must not use.
  func unsettle(_ index: Int) { outputs[index] = nil }

  /// The outputs that stand for a cell.
  func settled(_ index: Int) -> [OutputRecord]? { outputs[index] }

  /// The digest of an output that stands for a cell.
  func digest(_ id: String, _ output: String) -> Digest? {
    pipeline.index(of: id).flatMap { outputs[$0] }?.first { sameBytes($0.name, output) }?.digest
  }

  func isIncluded(_ index: Int) -> Bool { included[index] }

  /// What to do with a cell now; a cached one is settled.
  func decide(_ index: Int) throws(RunError) -> Plan.Entry {
    let cell = pipeline.cells[index]
    guard included[index] else { return Plan.Entry(cell: cell, decision: .unselected, fingerprint: nil) }
    let missing = graph.needs[index].filter { outputs[$0] == nil }
    guard missing.isEmpty else {
      let names = missing.map { pipeline.cells[$0].id }
      return Plan.Entry(cell: cell, decision: .waits(on: names), fingerprint: nil)
    }
    let fingerprint: Fingerprint
    do {
      fingerprint = try self.fingerprint(index)
    } catch {
      return Plan.Entry(cell: cell, decision: .impossible(error.problem), fingerprint: nil)
    }
    do throws(RunError) {
      if let problem = try refusal(index) {
        return Plan.Entry(cell: cell, decision: .refused(problem), fingerprint: fingerprint)
      }
    } catch {
      // A forecast that can not be read permits nothing.
      return Plan.Entry(cell: cell, decision: .impossible(error.problem), fingerprint: fingerprint)
    }
    let decision = try decide(cell, fingerprint, forced: forced[index])
    if case .cached(let cached) = decision { outputs[index] = cached.outputs }
    return Plan.Entry(cell: cell, decision: decision, fingerprint: fingerprint)
  }

  /// The fingerprint of a cell as things are now; everything it reads from other cells must be settled.
  func fingerprint(_ index: Int) throws(RunError) -> Fingerprint {
    try fingerprinter.fingerprint(of: pipeline.cells[index]) { (id, name) throws(RunError) in
      guard let place = self.pipeline.index(of: id), let known = self.outputs[place] else {
        throw RunError("the result of '\(id)' is not known yet")
      }
      guard let output = known.first(where: { sameBytes($0.name, name) }) else {
        throw RunError("'\(id)' has no output '\(name)'")
      }
      return output.digest
    }
  }

  /// Why a gate forbids a cell, if one does.
  func refusal(_ index: Int) throws(RunError) -> Problem? {
    for id in pipeline.cells[index].gates {
      guard let place = pipeline.index(of: id), let known = outputs[place] else { continue }
      if let problem = try gate.judge(pipeline.cells[place], outputs: known) { return problem }
    }
    return nil
  }

  private func decide(_ cell: StageCell, _ fingerprint: Fingerprint, forced: Bool) throws(RunError) -> Plan.Decision {
    guard let ledger else { return .run(.firstTime) }
    return try running {
      if forced { return .run(.forced) }
      if let result = try ledger.result(fingerprint.digest) {
        for output in result.outputs {
          let state = try ledger.objects.check(output.digest)
          if state != .sound { return .run(.objectGone(output: output.name, state)) }
        }
        // Another pipeline's cell may have the same fingerprint but give its outputs other names.
        let names = cell.outputs.map(\.name)
        if names.count == result.outputs.count, zip(names, result.outputs).allSatisfy({ sameBytes($0, $1.name) }) {
          return .cached(Plan.Cached(attempt: result.attempt, outputs: result.outputs))
        }
        return .run(.firstTime)
      }
      return .run(try reason(cell, fingerprint, ledger))
    }
  }

  private func reason(_ cell: StageCell, _ fingerprint: Fingerprint, _ ledger: Ledger) throws -> Plan.Reason {
    let last = try ledger.attempts(pipeline: pipeline.name, cell: cell.id, limit: 1).first
    if let last, last.fingerprint == fingerprint.digest { return .unfinished(last.status) }
    let success = try ledger.newestSuccess(pipeline: pipeline.name, cell: cell.id)
    guard let older = success ?? last, let record = try ledger.fingerprint(older.fingerprint) else {
      return .firstTime
    }
    return .changed(FingerprintChange.between(record, fingerprint.record))
  }
}
