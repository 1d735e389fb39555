import Basics
import Foundation
import Store

/// Runs a pipeline: what is known is taken from the cache, the rest runs in processes of its own, and every success is
/// recorded in one step once its bytes are durable.
///
/// Attempts end with the thread that starts them: call `run` on the main thread.
package final class Runner {
  let pipeline: Pipeline
  let project: Project
  let options: RunOptions
  let hooks: RunHooks
  let launcher: any AttemptLauncher
  let stop: StopRequests
  let report: (RunEvent) -> Void

  package init(
    pipeline: Pipeline, project: Project, options: RunOptions, hooks: RunHooks = RunHooks(),
    launcher: any AttemptLauncher, stop: StopRequests = .signals, report: @escaping (RunEvent) -> Void = { _ in }
  ) {
    self.pipeline = pipeline
    self.project = project
    self.options = options
    self.hooks = hooks
    self.launcher = launcher
    self.stop = stop
    self.report = report
  }

  /// The command line as it may be kept: the value of a declared secret may have come with `--set`.
  var commandWithoutSecrets: String {
    var command = options.command
    for name in Set(pipeline.cells.flatMap(\.environment.secrets)) {
      guard let value = unsafe getenv(name).map({ unsafe String(cString: $0) }), !value.isEmpty else { continue }
      command = command.replacingOccurrences(of: value, with: "***")
    }
    return command
  }

  /// What a run would do now; changes nothing, needs no lock, works without a cache.
  package func plan() throws(RunError) -> Plan {
    try checkResources()
    return try running {
      let ledger = try Ledger(reading: project.cache)
      let cache = FileDigestCache(ledger?.database, root: project.root)
      let plan = try planner(ledger, cache).plan()
      for made in ledger?.objects.restored ?? [] { report(.message(made.words)) }
      return plan
    }
  }

  /// Runs the pipeline. Throws only where the run itself can not go on; what stages do is in the summary.
  ///
  /// A runner with the process's own stop requests takes SIGINT, SIGTERM and SIGHUP for them from here on.
  package func run() throws(RunError) -> RunSummary {
    try checkResources()
    if stop === StopRequests.signals { StopRequests.listenToSignals() }
    if options.ownsProcess { Leftovers.ownDescendants() }
    guard let lock = try takeLock() else { return RunSummary(run: 0, exitCode: 130, cells: []) }
    defer { withExtendedLifetime(lock) {} }
    return try running {
      let ledger = try Ledger(project.cache)
      CommitPoint.reached("run.opened")
      try Recovery(ledger: ledger, project: project).cleanUp()
      CommitPoint.reached("run.recovered")
      let cache = FileDigestCache(ledger.database, root: project.root)
      let planner = try planner(ledger, cache)
      fetchModels(planner)
      let pass = try RunPass(self, ledger: ledger, planner: planner, cache: cache)
      let summary = try pass.go()
      // The digests only save time; a full disk must not spoil a finished run.
      try? cache.save()
      return summary
    }
  }

  /// Throws where stages ask for more than there is, before anything starts; all of them at once.
  private func checkResources() throws(RunError) {
    let (included, _) = try options.selection.resolve(in: pipeline)
    var seen: Set<[UInt8]> = []
    var faults: [String] = []
    for (index, cell) in pipeline.cells.enumerated() where included[index] {
      guard seen.insert(Array(cell.stage.utf8)).inserted, let problem = cell.excess(over: options.offers) else {
        continue
      }
      faults.append(problem.description)
    }
    guard faults.isEmpty else { throw RunError(faults.joined(separator: "\n"), isRequest: true) }
  }

  /// Fetches what must be there for a cell's identity to hold: a branch of a repository at the hub.
  private func fetchModels(_ planner: Planner) {
    let stop = self.stop
    var seen: Set<[UInt8]> = []
    for (index, cell) in pipeline.cells.enumerated() where planner.isIncluded(index) {
      for name in cell.models + (cell.forecast.flatMap { pipeline[$0] }?.models ?? []) {
        guard stop.count == 0 else { return }
        guard seen.insert(Array(name.utf8)).inserted else { continue }
        do {
          try hooks.fetch(name) { _ in stop.count > 0 ? .stop : .goOn }
        } catch {
          // The stage that needs it will fail by itself; others need not.
          report(.message(Basics.problem(of: error).description))
        }
      }
    }
  }

  private func planner(_ ledger: Ledger?, _ cache: FileDigestCache) throws(RunError) -> Planner {
    try Planner(
      pipeline: pipeline, project: project, selection: options.selection, hooks: hooks, ledger: ledger, cache: cache)
  }

  /// Nil when the wait was interrupted.
  private func takeLock() throws(RunError) -> RunLock? {
    let path = project.cache.lock
    var told: RunLock.Holder?
    var hasTold = false
    while true {
      if let lock = try running({ try RunLock.take(path, command: commandWithoutSecrets) }) { return lock }
      guard options.waits else { throw RunError(RunLock.busy(path).problem, isBusy: true) }
      let holder = RunLock.holder(path)
      if !hasTold || holder != told {
        report(.waiting(holder))
        (hasTold, told) = (true, holder)
      }
      var descriptor = pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0)
      _ = unsafe poll(&descriptor, 1, 200)
      if stop.count > 0 { return nil }
    }
  }
}
