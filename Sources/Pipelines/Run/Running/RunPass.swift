import Basics
import Foundation
import Store

/// One pass over the pipeline's cells: each is decided once all it needs is settled, and what must run runs side by
/// side as far as the machine goes.
///
/// All of it is one thread's work: it waits for the processes of the attempts and for requests to stop, never for one
/// attempt alone.
final class RunPass {
  let runner: Runner
  let ledger: Ledger
  let planner: Planner
  let run: Int
  var cells: [CellRecord]
  /// The cells that gate others.
  let gating: Set<Int>
  private let links: OutputLinks

  /// For each cell, how many of those it needs are not settled yet.
  private var waiting: [Int]
  /// Cells to decide.
  private var ready = IndexHeap()
  /// Cells whose files are missing, which a command before them may still make.
  private var deferred: [Int] = []
  /// Commands that are not over, by their places.
  private var openCommands: Set<Int>
  /// Cells that must run and wait for room, in their order.
  private var queue: [Int] = []
  /// Cells that wait for their next attempt.
  private var pausing: [(execution: CellExecution, until: Double, outcome: CellExecution.Outcome)] = []
  private var active: [CellExecution] = []
  private var floor: MachineFloor
  /// How many requests to stop were passed on to the attempts.
  private var stopsPassedOn = 0

  init(_ runner: Runner, ledger: Ledger, planner: Planner, cache: FileDigestCache) throws {
    self.runner = runner
    self.ledger = ledger
    self.planner = planner
    links = OutputLinks(pipeline: runner.pipeline, project: runner.project, objects: ledger.objects, cache: cache)
    gating = Set(runner.pipeline.cells.flatMap(\.gates).compactMap { runner.pipeline.index(of: $0) })
    cells = runner.pipeline.cells.enumerated().map { index, cell in
      CellRecord(position: index, cell: cell.id, stage: cell.stage, kind: cell.kind.name)
    }
    waiting = planner.graph.needs.map(\.count)
    openCommands = Set(runner.pipeline.cells.indices.filter { runner.pipeline.cells[$0].kind.declaresOwn })
    floor = MachineFloor(runner.options.offers)
    run = try ledger.beginRun(
      pipeline: runner.pipeline.name, file: runner.options.file, command: runner.commandWithoutSecrets, cells: cells)
    CommitPoint.reached("run.begun")
  }

  func go() throws -> RunSummary {
    runner.report(.began(run: run, cells: cells.count))
    // Whatever goes wrong here, no process outlives the run.
    defer { for execution in active { execution.kill() } }
    for (index, count) in waiting.enumerated() where count == 0 { ready.insert(index) }
    while true {
      if runner.stop.count == 0 {
        try decideReady()
        try startWhatFits()
      }
      passOnStops()
      let isStopped = runner.stop.count > 0
      if active.isEmpty, isStopped || (queue.isEmpty && pausing.isEmpty && ready.isEmpty) { break }
      wait()
      try advance()
    }
    for (execution, _, outcome) in pausing {
      var outcome = outcome
      outcome.status = .interrupted
      try settle(execution, outcome)
    }
    relinkShared()
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

  // MARK: - Deciding

  /// Decides every cell that can be; what needs no work is recorded in few large transactions: a run without work is
  /// quick.
  private func decideReady() throws {
    while !ready.isEmpty, runner.stop.count == 0 {
      var ended: [(index: Int, problem: Problem?)] = []
      try ledger.database.transaction { () throws(StoreError) in
        for _ in 0..<4096 {
          guard let index = ready.removeFirst() else { break }
          let entry = try decide(index)
          if case .run = entry.decision {
            enqueue(index)
          } else if case .impossible = entry.decision, openCommands.contains(where: { $0 < index }) {
            deferred.append(index)
          } else {
            ended.append((index: index, problem: try record(index, entry)))
            release(index)
          }
        }
      }
      for (index, problem) in ended where cells[index].status != .pending {
        if cells[index].status == .cached { link(index) }
        runner.report(.ended(runner.pipeline.cells[index], cells[index], problem))
      }
    }
  }

  private func decide(_ index: Int) throws(StoreError) -> Plan.Entry {
    do throws(RunError) { return try planner.decide(index) } catch { throw StoreError(error.problem) }
  }

  private func enqueue(_ index: Int) {
    if let last = queue.last, last > index {
      queue.insert(index, at: queue.firstIndex { $0 > index } ?? queue.count)
    } else {
      queue.append(index)
    }
  }

  /// A cell is over: those that waited for it may be ready.
  private func release(_ index: Int) {
    for reader in planner.graph.neededBy[index] {
      waiting[reader] -= 1
      if waiting[reader] == 0 { ready.insert(reader) }
    }
    guard openCommands.remove(index) != nil, !deferred.isEmpty else { return }
    for place in deferred { ready.insert(place) }
    deferred.removeAll()
  }

  // MARK: - Running

  /// Starts, in their order, all that must run and for which there is room.
  private func startWhatFits() throws {
    let now = RunningAttempt.clock()
    for (execution, until, _) in pausing where until <= now && floor.take(execution) {
      guard !active.contains(where: { $0.cell.isInTheWay(of: execution.cell) }) else {
        floor.giveBack(execution)
        continue
      }
      pausing.removeAll { $0.execution === execution }
      active.append(execution)
      try execution.begin()
    }
    var place = 0
    while place < queue.count, runner.stop.count == 0 {
      let index = queue[place]
      let cell = runner.pipeline.cells[index]
      guard floor.hasRoom(for: cell), !active.contains(where: { $0.cell.isInTheWay(of: cell) }) else {
        if floor.isFull { return }
        place += 1
        continue
      }
      queue.remove(at: place)
      try start(index)
      // What it read may have been changed or made meanwhile, and then others are ready.
      if !ready.isEmpty { return try decideReady() }
    }
  }

  /// Begins a cell, which is looked at once more: it may have waited for long.
  private func start(_ index: Int) throws {
    let entry = try running { try planner.decide(index) }
    guard case .run = entry.decision, let fingerprint = entry.fingerprint else {
      ready.insert(index)
      return
    }
    cells[index].status = .running
    cells[index].reason = entry.why
    try ledger.save(fingerprint.record)
    cells[index].fingerprint = fingerprint.digest
    try ledger.update(cells[index], in: run)
    CommitPoint.reached("cell.begun")
    let execution = CellExecution(
      runner: runner, ledger: ledger, planner: planner, runID: run, index: index, reason: entry.why,
      fingerprint: fingerprint, livingProcesses: { [unowned self] in Set(self.active.compactMap(\.pid)) })
    guard floor.take(execution) else { return enqueue(index) }
    active.append(execution)
    try execution.begin()
  }

  /// Lets every attempt handle what has happened to it.
  private func advance() throws {
    for execution in active {
      switch try execution.step() {
      case .running: continue
      case .pausing(let until, let outcome):
        drop(execution)
        pausing.append((execution: execution, until: until, outcome: outcome))
      case .over(let outcome):
        drop(execution)
        try settle(execution, outcome)
      }
    }
  }

  private func drop(_ execution: CellExecution) {
    active.removeAll { $0 === execution }
    floor.giveBack(execution)
  }

  /// Records how a cell that ran fared.
  private func settle(_ execution: CellExecution, _ outcome: CellExecution.Outcome) throws {
    let index = execution.index
    cells[index].attempt = outcome.attempt
    cells[index].fingerprint = execution.fingerprint.digest
    cells[index].status = outcome.status
    cells[index].seconds = Ledger.now() - execution.started
    var problem = outcome.problem
    if outcome.status == .done {
      planner.settle(index, outcome.outputs)
      if let attempt = outcome.attempt { problem = try judgeExpectations(index, attempt: attempt) }
      link(index)
    }
    cells[index].error = problem?.json.text()
    try ledger.update(cells[index], in: run)
    CommitPoint.reached("cell.recorded")
    release(index)
    runner.report(.ended(execution.cell, cells[index], problem))
  }

  // MARK: - Waiting

  /// Waits until something happens, at most a tenth of a second.
  private func wait() {
    var descriptors = [pollfd(fd: runner.stop.descriptor, events: Int16(POLLIN), revents: 0)]
    for execution in active {
      for descriptor in execution.descriptors {
        descriptors.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
      }
    }
    // Without a descriptor for its end, a process must be looked at now and then.
    var patience = active.contains { $0.descriptors.isEmpty } ? 0.005 : 0.1
    for (_, until, _) in pausing { patience = min(patience, max(0.001, until - RunningAttempt.clock())) }
    _ = unsafe Foundation.poll(&descriptors, nfds_t(descriptors.count), Int32(patience * 1000) + 1)
  }

  private func passOnStops() {
    let asked = runner.stop.count
    guard asked > stopsPassedOn else { return }
    runner.stop.drain()
    if stopsPassedOn == 0 {
      if active.isEmpty { runner.report(.stopping(at: nil)) }
      for execution in active {
        runner.report(.stopping(at: execution.cell))
        execution.stop()
      }
    }
    if asked > 1 { for execution in active { execution.kill() } }
    stopsPassedOn = asked
  }

  // MARK: - Links

  private func link(_ index: Int) {
    guard let outputs = planner.settled(index) else { return }
    let cell = runner.pipeline.cells[index]
    // A running stage writes there; the link is set when it is over.
    if active.contains(where: { $0.index != index && $0.cell.isInTheWay(of: cell) }) {
      unlinked.insert(index)
      return
    }
    do {
      try links.point(cell, to: outputs)
    } catch {
      runner.report(.message(Basics.problem(of: error).description))
    }
    if cell.outputs.contains(where: { $0.path != nil }) { unlinked.formUnion(links.owners(beside: cell)) }
    CommitPoint.reached("cell.linked")
  }

  /// Cells whose declared paths another cell has written since.
  private var unlinked: Set<Int> = []

  /// Several cells may declare one path: at the end the last of them has it.
  private func relinkShared() {
    for index in unlinked.sorted() { link(index) }
  }
}
