import Basics
import Pipelines
import Store

extension Command {
  static let cache = Command(
    name: "cache", abstract: "Shares results through a folder or user@host:path, verified on arrival",
    positionals: ["push|pull", "DIR"],
    options: [
      .value("run", "RUN", "push only the results that this run used"),
      .flag("verify", "push: also read what is there already, and replace what is damaged"),
    ],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let project = try Project(invocation)
      let exchange = try CacheExchange(project, place: invocation.paths[1])
      let outcome: SharedCache.Outcome
      switch invocation.positionals[0] {
      case "push":
        outcome = try exchange.push(run: invocation.value("run"), thorough: invocation.has("verify"))
      case "pull": outcome = try exchange.pull()
      case let other: throw UsageError("unknown act of fettle cache", value: other, remedy: "use push or pull")
      }
      for fault in outcome.faults { Terminal.complain(fault.description) }
      if terminal.wantsJSON {
        terminal.print(outcome.json)
      } else {
        let done = invocation.positionals[0] == "push" ? "pushed" : "pulled"
        terminal.print(
          "\(done) \(outcome.results) results, \(outcome.objects) objects, \(Quantity.describe(bytes: outcome.bytes)); "
            + "\(outcome.known) were there already"
            + (outcome.faults.isEmpty ? "" : "; \(outcome.faults.count) were not whole"))
      }
      return outcome.faults.isEmpty ? .done : .failed
    })
}

/// Brings results to a shared cache and back; a remote one through a staging folder.
private struct CacheExchange {
  private let project: Project
  private let place: FilePath
  private let remote: RemoteCache?

  init(_ project: Project, place: FilePath) throws {
    self.project = project
    self.place = place
    remote = try RemoteCache(place.display)
  }

  func push(run: String?, thorough: Bool) throws -> SharedCache.Outcome {
    let history = try RunHistory.existing(project)
    let id = try run.map { try history.run($0).id }
    guard let remote else {
      return try SharedCache(history.ledger, folder: place).push(run: id, thorough: thorough)
    }
    // Holds off gc, and the cleaning of the work folder by another run.
    let lock = try Command.hold(project)
    defer { withExtendedLifetime(lock) {} }
    return try staged { staging in
      let known =
        thorough ? [] : (try? remote.fetchReceipts(staging)).map { SharedCache.fingerprints(in: staging) } ?? []
      let outcome = try SharedCache(history.ledger, folder: staging).push(run: id, skipping: known)
      if outcome.results > 0 { try remote.send(staging, replaces: thorough) }
      return outcome
    }
  }

  func pull() throws -> SharedCache.Outcome {
    if remote == nil, try Files.status(place)?.isFolder != true {
      throw UsageError("there is no such folder", value: place.display, remedy: "'fettle cache push' makes it")
    }
    try Files.makeFolder(project.cache.path)
    let lock = try Command.hold(project)
    defer { withExtendedLifetime(lock) {} }
    let ledger = try Ledger(project.cache)
    var outcome = SharedCache.Outcome()
    guard let remote else {
      let cache = SharedCache(ledger, folder: place)
      try cache.pull(try cache.wanted(&outcome), from: place.display, &outcome)
      return outcome
    }
    return try staged { staging in
      try remote.fetchReceipts(staging)
      let cache = SharedCache(ledger, folder: staging)
      let receipts = try cache.wanted(&outcome)
      try remote.fetch(try cache.missing(receipts), staging)
      try cache.pull(receipts, from: place.display, &outcome)
      return outcome
    }
  }

  private func staged<T>(_ body: (FilePath) throws -> T) throws -> T {
    let staging = project.cache.work.appending("share-\(UInt64.random(in: 0...UInt64.max))")
    try Files.makeFolder(staging)
    defer { try? Files.removeTree(staging) }
    return try body(staging)
  }
}
