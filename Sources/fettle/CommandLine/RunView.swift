import Basics
import Foundation
import Pipelines
import Store

/// Shows a run: a line for each stage, a progress line on a terminal, plain lines now and then in a log, a table at
/// the end.
final class RunView {
  private let terminal: Terminal
  private let pipeline: Pipeline
  private let project: Project
  /// When each stage under way last had a line in a log.
  private var lastLine: [String: Double] = [:]
  /// The newest progress of every stage under way, in the order they began.
  private var underWay: [(cell: String, event: ProgressEvent?)] = []

  init(terminal: Terminal, pipeline: Pipeline, project: Project) {
    self.terminal = terminal
    self.pipeline = pipeline
    self.project = project
  }

  func show(_ event: RunEvent) {
    switch event {
    case .waiting(let holder):
      terminal.say("waiting for another run of this project" + (holder.map { ": \($0.description)" } ?? ""))
    case .began(let run, let cells): terminal.say("run \(run) of \(pipeline.name): \(cells) stages")
    case .started(let cell, let reason, let number, let most, _):
      lastLine[cell.id] = ProcessInfo.processInfo.systemUptime
      underWay.removeAll { $0.cell == cell.id }
      underWay.append((cell: cell.id, event: nil))
      terminal.say("\(cell.id): runs, \(reason)" + (number > 1 ? " (attempt \(number) of \(most))" : ""))
    case .progress(let cell, let event): progress(cell, event)
    case .note(let cell, let text): terminal.say("\(cell.id): \(text)")
    case .retrying(let cell, let problem, let seconds):
      terminal.say("\(cell.id): \(problem.within(cell.id)); trying again in \(Quantity.describe(seconds: seconds))")
    case .ended(let cell, let record, let problem): ended(cell, record, problem)
    case .stopping(let cell):
      terminal.say("stopping" + (cell.map { ": \($0.id) saves what it has" } ?? "") + "; once more stops at once")
    case .message(let text): terminal.say(text)
    }
  }

  private func progress(_ cell: StageCell, _ event: ProgressEvent) {
    guard terminal.isInteractive else {
      let now = ProcessInfo.processInfo.systemUptime
      guard now - (lastLine[cell.id] ?? 0) >= 10, event.unit != "command" else { return }
      lastLine[cell.id] = now
      return terminal.say("\(cell.id): " + ProgressLine(event).text(width: 0))
    }
    for index in underWay.indices where underWay[index].cell == cell.id { underWay[index].event = event }
    // Alone, a stage has the line to itself.
    let width = underWay.count == 1 ? 24 : 0
    let parts = underWay.map { "\($0.cell): " + ($0.event.map { ProgressLine($0).text(width: width) } ?? "begins") }
    terminal.redraw(parts.joined(separator: " | "))
  }

  private func ended(_ cell: StageCell, _ record: CellRecord, _ problem: Problem?) {
    var line = "\(cell.id): \(record.status.word)"
    if let seconds = record.seconds, record.status == .done { line += " in \(Quantity.describe(seconds: seconds))" }
    underWay.removeAll { $0.cell == cell.id }
    if let problem {
      line += ": \(problem.within(cell.id))"
      // What went wrong is told also to those who want to hear nothing else.
      if terminal.isQuiet { Terminal.complain(line) }
    } else if let reason = record.reason, record.status != .done {
      line += ", \(reason)"
    }
    terminal.say(line)
  }

  /// The plan as a table.
  func print(_ plan: Plan) {
    var table = TextTable(["stage", "action", "why"])
    for entry in plan.entries { table.add([entry.cell.id, entry.word, entry.why]) }
    terminal.print(table.text)
  }

  /// The end of a run: stages, then metrics cell by cell, then how to go on.
  func finish(_ summary: RunSummary) {
    let results = RunResults(project: project, cells: summary.cells)
    if terminal.wantsJSON {
      terminal.print(results.json(run: summary.run, exitCode: summary.exitCode))
      return
    }
    if !terminal.isQuiet, !summary.cells.isEmpty { terminal.print(results.text) }
    if summary.exitCode == 130 {
      terminal.say("interrupted; this goes on from here: \(Command.commandLine)")
    } else if let failed = summary.cells.first(where: { $0.status == .failed }) {
      terminal.say("'fettle logs \(failed.stage)' shows what it printed; 'fettle run' goes on from there")
    }
  }
}

extension Problem {
  /// The problem as a line that already names the cell tells it.
  fileprivate func within(_ cell: String) -> Problem {
    var problem = self
    guard let place, place.hasPrefix(cell) else { return problem }
    let rest = place.dropFirst(cell.count)
    if rest.isEmpty { problem.place = nil }
    if rest.hasPrefix(", ") { problem.place = String(rest.dropFirst(2)) }
    return problem
  }
}

/// One line about work under way.
struct ProgressLine {
  private let event: ProgressEvent

  init(_ event: ProgressEvent) { self.event = event }

  /// `width` columns for a bar; 0 for none.
  func text(width: Int) -> String {
    var parts: [String] = []
    if let total = event.total, total > 0 {
      let share = min(1, Double(event.done) / Double(total))
      let full = Int(share * Double(width))
      if width > 0 {
        parts.append("[" + String(repeating: "#", count: full) + String(repeating: ".", count: width - full) + "]")
      }
      parts.append("\(event.unit) \(event.done)/\(total)")
    } else {
      parts.append("\(event.unit) \(event.done)")
    }
    let plan = event.figures.first { $0.name == "plan" }?.value
    for (name, value) in event.figures where value.isFinite {
      switch name {
      case "loss": parts.append("loss \(Quantity.fixed(value, 4))")
      case "tokens/s": parts.append("\(Quantity.fixed(value, value < 100 ? 1 : 0)) tokens/s")
      case "eta": parts.append("ETA \(Quantity.describe(seconds: value))")
      case "memory":
        let of = plan.map { " of \(Quantity.describe(bytes: Int($0))) planned" } ?? ""
        parts.append("memory \(Quantity.describe(bytes: Int(value)))\(of)")
      case "plan": break
      default: parts.append("\(name) \(Quantity.fixed(value, 3))")
      }
    }
    return parts.joined(separator: "  ")
  }
}
