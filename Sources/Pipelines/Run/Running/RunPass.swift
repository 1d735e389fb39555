import Basics
import Store

/// One pass over the pipeline's cells in their order.
final class RunPass {
  private let runner: Runner
  private let ledger: Ledger
  private let planner: Planner
  private let links: OutputLinks
  private let run: Int
  private var cells: [CellRecord]
  /// The cells that gate others.
  private let gating: Set<Int>

  init(_ runner: Runner, ledger: Ledger, planner: Planner, cache: FileDigestCache) throws {
    self.runner = runner
    self.ledger = ledger
    self.planner = planner
    links = OutputLinks(pipeline: runner.pipeline, project: runner.project, objects: ledger.objects, cache: cache)
    gating = Set(runner.pipeline.cells.flatMap(\.gates).compactMap { runner.pipeline.index(of: $0) })
    cells = runner.pipeline.cells.enumerated().map { index, cell in
      CellRecord(position: index, cell: cell.id, stage: cell.stage, kind: cell.kind.name)
    }
    run = try ledger.beginRun(
      pipeline: runner.pipeline.name, file: runner.options.file, command: runner.options.command, cells: cells)
    CommitPoint.reached("run.begun")
  }

  func go() throws -> RunSummary {
    runner.report(.began(run: run, cells: cells.count))
    var index = 0
    while index < cells.count, runner.stop.count == 0 {
      let toRun = try settleKnown(from: &index)
      guard let toRun, runner.stop.count == 0 else { continue }
      try execute(index, toRun)
      index += 1
    }
    let code = exitCode()
    try ledger.finishRun(run, exitCode: code)
    CommitPoint.reached("run.finished")
    return RunSummary(run: run, exitCode: code, cells: cells)
  }

  private func exitCode() -> Int {
    if runner.stop.count > 0 { return 130 }
    if cells.contains(where: { $0.status == .failed || $0.status == .interrupted }) { return 1 }
    return cells.contains { $0.status == .refused } ? 3 : 0
  }

  /// Decides cells from `index` on until one must run, which it gives; stops at times to be asked again.
  ///
  /// What needs no work is recorded in few large transactions: a run without work is quick.
  private func settleKnown(from index: inout Int) throws -> Plan.Entry? {
    var ended: [(index: Int, problem: Problem?)] = []
    var toRun: Plan.Entry?
    let limit = min(cells.count, index + 4096)
    try ledger.database.transaction { () throws(StoreError) in
      while index < limit, toRun == nil {
        let entry = try decide(index)
        if case .run = entry.decision {
          toRun = entry
        } else {
          ended.append((index: index, problem: try settle(index, entry)))
          index += 1
        }
      }
    }
    for (index, problem) in ended where cells[index].status != .pending {
      if cells[index].status == .cached { link(index) }
      runner.report(.ended(runner.pipeline.cells[index], cells[index], problem))
    }
    return toRun
  }

  private func decide(_ index: Int) throws(StoreError) -> Plan.Entry {
    do throws(RunError) { return try planner.decide(index) } catch { throw StoreError(error.problem) }
  }

  /// Records a cell that does not run; gives what is wrong with it, if anything.
  private func settle(_ index: Int, _ entry: Plan.Entry) throws(StoreError) -> Problem? {
    var problem: Problem?
    switch entry.decision {
    case .unselected, .run: return nil
    case .cached(let cached):
      try save(entry.fingerprint)
      cells[index].status = .cached
      cells[index].attempt = cached.attempt
      cells[index].seconds = 0
      problem = try judgeExpectations(index, attempt: cached.attempt)
    case .waits(let upstream):
      cells[index].status = .skipped
      problem = Problem("skipped: \(upstream.joined(separator: ", ")) gave no result", at: entry.cell.id)
    case .impossible(let cause):
      cells[index].status = .failed
      problem = cause
    case .refused(let cause):
      cells[index].status = .refused
      problem = cause
    }
    cells[index].fingerprint = cells[index].attempt == nil ? nil : entry.fingerprint?.digest
    cells[index].reason = entry.why
    cells[index].error = problem?.json.text()
    try ledger.update(cells[index], in: run)
    return problem
  }

  private func save(_ fingerprint: Fingerprint?) throws(StoreError) {
    if let fingerprint { try ledger.save(fingerprint.record) }
  }

  /// Judges a dry run's own limits where no stage is gated by it: then it is the one that is refused.
  private func judgeLimits(_ index: Int) throws(StoreError) -> Problem? {
    let cell = runner.pipeline.cells[index]
    guard cell.with["require"] != nil, !gating.contains(index), let outputs = planner.settled(index) else { return nil }
    do throws(RunError) {
      guard let problem = try planner.gate.judge(cell, outputs: outputs) else { return nil }
      cells[index].status = .refused
      planner.unsettle(index)
      return problem
    } catch {
      throw StoreError(error.problem)
    }
  }

  /// Judges `expect` on a result; a violation leaves the result known, but the cell failed and its readers without it.
  private func judgeExpectations(_ index: Int, attempt: Int) throws(StoreError) -> Problem? {
    let cell = runner.pipeline.cells[index]
    guard !cell.expect.isEmpty else { return try judgeLimits(index) }
    let metrics = try ledger.attempt(attempt)?.metrics?.object ?? [:]
    for expectation in cell.expect {
      if let problem = expectation.violation(in: metrics, of: cell.id) {
        cells[index].status = .failed
        planner.unsettle(index)
        return problem
      }
    }
    return try judgeLimits(index)
  }

  private func execute(_ index: Int, _ entry: Plan.Entry) throws {
    guard let fingerprint = entry.fingerprint else { return }
    let cell = entry.cell
    cells[index].status = .running
    cells[index].reason = entry.why
    try ledger.save(fingerprint.record)
    cells[index].fingerprint = fingerprint.digest
    try ledger.update(cells[index], in: run)
    CommitPoint.reached("cell.begun")
    let started = Ledger.now()
    var execution = CellExecution(
      runner: runner, ledger: ledger, planner: planner, runID: run, index: index, entry: entry, fingerprint: fingerprint
    )
    let outcome = try execution.run()
    cells[index].attempt = outcome.attempt
    cells[index].fingerprint = execution.fingerprint.digest
    cells[index].status = outcome.status
    cells[index].seconds = Ledger.now() - started
    var problem = outcome.problem
    if outcome.status == .done {
      planner.settle(index, outcome.outputs)
      if let attempt = outcome.attempt { problem = try judgeExpectations(index, attempt: attempt) }
      link(index)
    }
    cells[index].error = problem?.json.text()
    try ledger.update(cells[index], in: run)
    CommitPoint.reached("cell.recorded")
    runner.report(.ended(cell, cells[index], problem))
  }

  private func link(_ index: Int) {
    guard let outputs = planner.settled(index) else { return }
    do {
      try links.point(runner.pipeline.cells[index], to: outputs)
    } catch {
      runner.report(.message(Basics.problem(of: error).description))
    }
    CommitPoint.reached("cell.linked")
  }
}
