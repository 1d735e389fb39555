import Basics
import Foundation
import Pipelines
import Store

extension Command {
  static let metrics = Command(
    name: "metrics",
    abstract: "Draws a training's curves and prints its rows; without a stage, the run's metrics by cell",
    positionals: ["[STAGE]"],
    options: [
      .value("run", "RUN", "of this run, by its number or name, instead of the newest"),
      .value("metric", "NAME", repeats: true, "draw this column: loss, eval_loss, grad_norm, learning_rate, …"),
      .value("every", "N", "print only every N-th row"),
      .flag("no-rows", "only the curves"),
    ],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let project = try Project(invocation)
      let history = try RunHistory.existing(project)
      let run = try history.run(invocation.value("run"))
      guard let name = invocation.positionals.first else {
        let table = try history.table(run)
        terminal.wantsJSON ? terminal.print(table.json) : terminal.print(table.text)
        return .done
      }
      let trainings = try history.cells(of: run, named: name).compactMap { cell in
        try Training(cell, history)
      }
      guard !trainings.isEmpty else {
        throw UsageError("the stage has no output 'metrics' in run \(run.id)", value: name, remedy: "name a training")
      }
      let every = try invocation.whole("every", in: 1...Int.max) ?? 1
      if terminal.wantsJSON {
        for training in trainings { for row in training.kept(every) { terminal.print(row, pretty: false) } }
        return .done
      }
      let wanted = invocation.all("metric")
      let charts = try curves(trainings, wanted.isEmpty ? ["loss", "eval_loss"] : wanted, isAsked: !wanted.isEmpty)
      if !charts.isEmpty { terminal.print(charts.joined(separator: "\n\n")) }
      if invocation.has("no-rows") || trainings.count > 1 { return .done }
      if !charts.isEmpty { terminal.print("") }
      terminal.print(trainings[0].table(every))
      return .done
    })

  private static func curves(_ trainings: [Training], _ names: [String], isAsked: Bool) throws -> [String] {
    let shape = CurveChart.terminalShape()
    var charts: [String] = []
    for name in names {
      let series = trainings.map { CurveChart.Series(name: $0.cell, points: $0.points(name)) }
      let known = series.filter { $0.points.count > 1 || (isAsked && !$0.points.isEmpty) }
      let chart = CurveChart(
        title: name, unit: "step", series: known, width: shape.width, hasUnicode: shape.hasUnicode)
      if let text = chart.text {
        charts.append(text)
      } else if isAsked {
        let columns = trainings.first?.columns ?? []
        throw UsageError(
          "the training has no such column", value: name, remedy: "it has \(columns.joined(separator: ", "))")
      }
    }
    return charts
  }
}

/// The rows a training wrote.
private struct Training {
  let cell: String
  private let rows: [JSON]

  /// Nil for a cell without rows.
  init?(_ cell: CellRecord, _ history: RunHistory) throws {
    let outputs = try cell.attempt.map { try history.ledger.outputs(of: $0) } ?? []
    guard let output = outputs.first(where: { sameBytes($0.name, "metrics") }) else { return nil }
    self.cell = cell.cell
    rows = try Files.read(history.ledger.objects.path(output.digest), limit: 1 << 30)
      .split(separator: 0x0A).map { try JSONParser.parse($0) }
  }

  var columns: [String] { rows.first?.object?.keys.filter { rows.first?[$0]?.double != nil } ?? [] }

  func kept(_ every: Int) -> [JSON] {
    rows.enumerated().filter { ($0.offset + 1) % every == 0 || $0.offset == rows.count - 1 }.map(\.element)
  }

  func points(_ name: String) -> [(x: Double, y: Double)] {
    rows.compactMap { row in
      guard let x = row["step"]?.double, let y = row[name]?.double else { return nil }
      return (x: x, y: y)
    }
  }

  func table(_ every: Int) -> String {
    var table = TextTable(["step", "epoch", "loss", "grad norm", "learning rate", "tokens/s"])
    for row in kept(every) {
      func number(_ key: String, _ digits: Int) -> String {
        row[key]?.double.map { Quantity.fixed($0, digits) } ?? "-"
      }
      table.add([
        row["step"]?.text() ?? "-", number("epoch", 2), number("loss", 4), number("grad_norm", 3),
        row["learning_rate"]?.double.map { String(format: "%.3g", $0) } ?? "-", number("tokens_per_second", 0),
      ])
    }
    return table.text
  }
}
