import Basics
import Pipelines
import Store

/// What came of a run's cells: their states, and their metrics side by side.
struct RunResults {
  private let cells: [CellRecord]
  private let metrics: [JSON?]
  /// Why metrics are missing, where the ledger could not be read.
  private let fault: Problem?

  init(project: Project, cells: [CellRecord]) {
    self.cells = cells
    var metrics = [JSON?](repeating: nil, count: cells.count)
    var fault: Problem?
    do {
      if let ledger = try Ledger(reading: project.cache) {
        for (index, cell) in cells.enumerated() {
          if let attempt = cell.attempt { metrics[index] = try ledger.attempt(attempt)?.metrics }
        }
      }
    } catch {
      fault = problem(of: error)
    }
    self.metrics = metrics
    self.fault = fault
  }

  func json(run: Int, exitCode: Int) -> JSON {
    var object: JSON.Object = [
      "run": JSON(run), "exit_code": JSON(exitCode),
      "stages": .array(
        zip(cells, metrics).map { cell, metrics in
          var object: JSON.Object = ["stage": JSON(cell.cell), "status": JSON(cell.status.word)]
          object["seconds"] = cell.seconds.map { JSON($0) } ?? .null
          if let error = RunHistory.problem(cell) { object["error"] = JSON(error.description) }
          if let metrics { object["metrics"] = metrics }
          return .object(object)
        }),
    ]
    if let fault { object["fault"] = JSON(fault.description) }
    return .object(object)
  }

  var text: String {
    var table = TextTable(["stage", "status", "time", "result"])
    for (cell, metrics) in zip(cells, metrics) {
      table.add([
        cell.cell, cell.status.word, cell.seconds.map { Quantity.describe(seconds: $0) } ?? "-",
        metrics.map { MetricSummary.line(cell.kind, $0) } ?? RunHistory.problem(cell)?.what ?? cell.reason ?? "",
      ])
    }
    var parts = [table.text]
    if let fault { parts.append("metrics are missing: \(fault)") }
    let evaluations = zip(cells, metrics).filter { $0.0.kind == "evaluate" && $0.1 != nil }
    if !evaluations.isEmpty {
      parts.append(ComparisonTable.text(evaluations.map { (cell: $0.0.cell, metrics: $0.1 ?? .null) }))
    }
    return parts.joined(separator: "\n\n")
  }
}

/// The figures of a stage that are worth one line.
enum MetricSummary {
  static func line(_ kind: String, _ metrics: JSON) -> String {
    func number(_ key: String, _ digits: Int) -> String? { metrics[key]?.double.map { Quantity.fixed($0, digits) } }
    var parts: [String] = []
    switch kind {
    case "clean":
      if let rows = metrics["rows"], let read = rows["in"]?.int, let kept = rows["out"]?.int {
        parts.append("\(kept) of \(read) rows kept")
        let reasons = (rows["rejected"]?.object?.members ?? []).sorted { ($0.value.int ?? 0) > ($1.value.int ?? 0) }
        parts += reasons.prefix(4).map { "\($0.value.int ?? 0) \($0.key)" }
      }
    case "tokenize":
      if let train = metrics["train"] {
        parts.append("\(train["tokens"]?.int ?? 0) tokens, \(train["trained_tokens"]?.int ?? 0) trained")
      }
    case "finetune":
      if let loss = number("train_loss", 4) { parts.append("loss \(loss)") }
      if let loss = number("eval_loss", 4) { parts.append("eval_loss \(loss)") }
      if let skipped = metrics["skipped_steps"]?.int, skipped > 0 { parts.append("\(skipped) updates skipped") }
      if let rate = number("tokens_per_second", 0) { parts.append("\(rate) tokens/s") }
      if let seconds = metrics["time"]?["measured"]?.double, let predicted = metrics["time"]?["predicted"]?.double {
        parts.append(
          "\(Quantity.describe(seconds: seconds)) of updates (predicted \(Quantity.describe(seconds: predicted)))")
      }
      if let peak = metrics["peak_memory"]?["measured"]?.int {
        let predicted = metrics["peak_memory"]?["predicted"]?.int
        parts.append(
          "peak \(Quantity.describe(bytes: peak))"
            + (predicted.map { " (predicted \(Quantity.describe(bytes: $0)))" } ?? ""))
      }
    case "dry-run":
      if let hours = metrics["hours"]?["predicted"]?.double ?? metrics["hours"]?.double {
        parts.append("forecast \(Quantity.describe(seconds: hours * 3600))")
      }
      if let peak = metrics["peak_memory"]?["predicted"]?.int { parts.append("peak \(Quantity.describe(bytes: peak))") }
    case "evaluate":
      for (task, scores) in metrics["tasks"]?.object?.members ?? [] {
        for (metric, score) in scores.object?.members ?? [] {
          parts.append("\(task) \(metric) \(Quantity.fixed(score["value"]?.double ?? .nan, 4))")
        }
      }
    default: break
    }
    return parts.joined(separator: ", ")
  }
}

/// Base against tuned, task by task.
enum ComparisonTable {
  static func text(_ evaluations: [(cell: String, metrics: JSON)]) -> String {
    var table = TextTable(["evaluation", "task", "metric", "n", "base", "tuned", "gain", "p"])
    for (cell, metrics) in evaluations {
      for (task, scores) in metrics["tasks"]?.object?.members ?? [] {
        for (metric, score) in scores.object?.members ?? [] {
          table.add([cell, task, metric] + figures(score))
        }
      }
    }
    return table.text
  }

  private static func figures(_ score: JSON) -> [String] {
    let value = score["value"]?.double ?? .nan
    let base = score["baseline"]?["value"]?.double
    func shown(_ value: Double, _ error: Double?) -> String {
      Quantity.fixed(value, 4) + (error.map { " ± \(Quantity.fixed($0, 4))" } ?? "")
    }
    let gain = base.map { value - $0 }
    return [
      score["n"]?.int.map { "\($0)" } ?? "-",
      base.map { shown($0, score["baseline"]?["stderr"]?.double) } ?? "-", shown(value, score["stderr"]?.double),
      gain.map { ($0 >= 0 ? "+" : "") + Quantity.fixed($0, 4) } ?? "-",
      score["p_value"]?.double.map { $0 < 1e-4 ? "< 0.0001" : Quantity.fixed($0, 4) } ?? "-",
    ]
  }
}
