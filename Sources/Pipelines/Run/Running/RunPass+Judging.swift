import Basics
import Store

extension RunPass {
  /// Records a cell that does not run; gives what is wrong with it, if anything.
  func record(_ index: Int, _ entry: Plan.Entry) throws(StoreError) -> Problem? {
    var problem: Problem?
    switch entry.decision {
    case .unselected, .run: return nil
    case .cached(let cached):
      if let fingerprint = entry.fingerprint { try ledger.save(fingerprint.record) }
      cells[index].status = .cached
      cells[index].attempt = cached.attempt
      cells[index].seconds = 0
      problem = try judgeExpectations(index, attempt: cached.attempt)
    case .waits(let upstream):
      cells[index].status = .skipped
      problem = Problem("\(upstream.joined(separator: ", ")) gave no result", at: entry.cell.id)
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

  /// Judges `expect` on a result; a violation leaves the result known, but the cell failed and its readers without it.
  func judgeExpectations(_ index: Int, attempt: Int) throws(StoreError) -> Problem? {
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
}
