import Basics
import Foundation
import Pipelines
import Store

extension Command {
  static let runs = Command(
    name: "runs", abstract: "Lists the runs, or gives one a name that other commands and gc know",
    positionals: ["[RUN]"],
    options: [
      .value("name", "NAME", "call the run so; what a named run needs is never collected"),
      .flag("unname", "take its name away"),
      .value("limit", "N", "list at most N runs (default: 20)"),
    ],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let history = try RunHistory.existing(try Project(invocation))
      if let name = invocation.value("name") {
        try rename(try history.run(invocation.positionals.first), name, history, terminal)
      } else if invocation.has("unname") {
        guard let run = invocation.positionals.first else { throw UsageError("--unname needs a run") }
        try Ledger(history.project.cache).name(try history.run(run).id, nil)
      } else if let text = invocation.positionals.first {
        try list([try history.run(text)], history, terminal)
      } else {
        let limit = try invocation.whole("limit", in: 1...1_000_000) ?? 20
        try list(try history.ledger.runs(limit: limit), history, terminal)
      }
      return .done
    })

  private static func rename(
    _ run: RunRecord, _ name: String, _ history: RunHistory, _ terminal: Terminal
  ) throws {
    let allowed = name.utf8.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
      default: false
      }
    }
    guard allowed, !name.isEmpty, name.utf8.count <= 100, name.utf8.first.map({ $0 > 0x39 }) ?? false else {
      throw UsageError(
        "a run can not have this name", value: name, remedy: "use letters, digits, '-', '_' and '.', a letter first")
    }
    if let other = try history.ledger.run(named: name), other.id != run.id {
      throw UsageError("run \(other.id) has this name", value: name, remedy: "take it away with --unname first")
    }
    try Ledger(history.project.cache).name(run.id, name)
    terminal.say("run \(run.id) is now '\(name)'")
  }

  private static func list(_ runs: [RunRecord], _ history: RunHistory, _ terminal: Terminal) throws {
    var table = TextTable(["run", "name", "pipeline", "started", "took", "exit", "stages"])
    var documents: [JSON] = []
    for run in runs {
      var counts: [(word: String, count: Int)] = []
      for cell in try history.cells(of: run) {
        if let place = counts.firstIndex(where: { $0.word == cell.status.word }) {
          counts[place].count += 1
        } else {
          counts.append((word: cell.status.word, count: 1))
        }
      }
      documents.append([
        "run": JSON(run.id), "name": run.name.map { JSON($0) } ?? .null, "pipeline": JSON(run.pipeline),
        "started": JSON(run.started), "finished": run.finished.map { JSON($0) } ?? .null,
        "exit_code": run.exitCode.map { JSON($0) } ?? .null, "command": JSON(run.command),
        "stages": .object(JSON.Object(counts.map { (key: $0.word, value: JSON($0.count)) })),
      ])
      table.add([
        "\(run.id)", run.name ?? "", run.pipeline, RunLock.clock(Int(run.started)),
        run.finished.map { Quantity.describe(seconds: $0 - run.started) } ?? "-", run.exitCode.map { "\($0)" } ?? "-",
        counts.map { "\($0.count) \($0.word)" }.joined(separator: ", "),
      ])
    }
    terminal.wantsJSON ? terminal.print(.array(documents)) : terminal.print(table.text)
  }
}
