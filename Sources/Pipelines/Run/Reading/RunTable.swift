import Basics
import Foundation
import Store

/// The table a run ends with: for every stage that measured something, its cells by its metrics.
package struct RunTable: Sendable {
  package struct Section: Sendable {
    package let stage: String
    package let metrics: [String]
    package let rows: [(cell: String, status: String, values: [JSON?])]
  }

  package let sections: [Section]

  /// `{"tables":[{"stage":…,"metrics":[…],"cells":[{"cell":…,"status":…,"values":{metric: …}}]}]}`
  package var json: JSON {
    let tables = sections.map { section -> JSON in
      let cells = section.rows.map { row -> JSON in
        let values = zip(section.metrics, row.values).map { (key: $0, value: $1 ?? .null) }
        return ["cell": JSON(row.cell), "status": JSON(row.status), "values": .object(JSON.Object(values))]
      }
      return [
        "stage": JSON(section.stage), "metrics": .array(section.metrics.map { JSON($0) }), "cells": .array(cells),
      ]
    }
    return ["tables": .array(tables)]
  }

  /// The sections as aligned text, an empty line between them.
  package var text: String { sections.map(\.text).joined(separator: "\n") }
}

extension RunTable.Section {
  /// One line of headings, one for each cell.
  package var text: String {
    var lines = [[stage, "status"] + metrics]
    for row in rows {
      var line = [row.cell, row.status]
      for (metric, value) in zip(metrics, row.values) { line.append(value.map { Self.shown($0, metric) } ?? "") }
      lines.append(line)
    }
    let widths = lines[0].indices.map { column in lines.map { $0[column].unicodeScalars.count }.max() ?? 0 }
    return lines.map { line in
      var text = ""
      for (column, cell) in line.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.unicodeScalars.count)
        if column > 0 { text += "  " }
        text += column < 2 ? cell + padding : padding + cell
      }
      while text.last == " " { text.removeLast() }
      return text + "\n"
    }.joined()
  }

  private static func shown(_ value: JSON, _ metric: String) -> String {
    guard let number = value.double else { return value.string ?? value.text() }
    if metric.contains("memory"), abs(number) < 0x1p62 { return Quantity.describe(bytes: Int(number)) }
    if let whole = value.int { return String(whole) }
    if metric.hasSuffix("seconds") { return Quantity.describe(seconds: number) }
    if metric.hasSuffix("p_value"), number != 0, abs(number) < 0.0001 { return String(number.exponentText) }
    return abs(number) >= 0.001 && abs(number) < 1e6 ? Quantity.fixed(number, 4) : number.exponentText
  }
}

extension Double {
  /// "1.2e-07"
  fileprivate var exponentText: String { String(format: "%.1e", self) }
}

extension RunHistory {
  /// The table of a run.
  package func table(_ run: RunRecord) throws(RunError) -> RunTable {
    let cells = try cells(of: run)
    return try running {
      var order: [[UInt8]] = []
      var byStage: [[UInt8]: [(cell: CellRecord, metrics: [(name: String, value: JSON)])]] = [:]
      for cell in cells {
        guard let id = cell.attempt, let metrics = try ledger.attempt(id)?.metrics else { continue }
        let stage = Array(cell.stage.utf8)
        if byStage[stage] == nil { order.append(stage) }
        byStage[stage, default: []].append((cell: cell, metrics: MetricList.leaves(of: metrics)))
      }
      let sections = order.compactMap { stage -> RunTable.Section? in
        guard let rows = byStage[stage], let kind = rows.first?.cell.kind else { return nil }
        let metrics = MetricList.columns(of: rows.map(\.metrics), kind: kind)
        guard !metrics.isEmpty else { return nil }
        return RunTable.Section(
          stage: String(decoding: stage, as: UTF8.self), metrics: metrics,
          rows: rows.map { row in
            let values = metrics.map { name in row.metrics.first { sameBytes($0.name, name) }?.value }
            return (cell: row.cell.cell, status: row.cell.status.word, values: values)
          })
      }
      return RunTable(sections: sections)
    }
  }
}

/// The numbers in a stage's metrics by their dotted names.
enum MetricList {
  /// All numbers in the order they stand in, at most 500.
  static func leaves(of metrics: JSON) -> [(name: String, value: JSON)] {
    var leaves: [(name: String, value: JSON)] = []
    collect(metrics, "", &leaves)
    return leaves
  }

  private static func collect(_ value: JSON, _ name: String, _ leaves: inout [(name: String, value: JSON)]) {
    guard leaves.count < 500 else { return }
    switch value {
    case .number: leaves.append((name: name, value: value))
    case .object(let object):
      for (key, member) in object.members { collect(member, name.isEmpty ? key : "\(name).\(key)", &leaves) }
    default: break
    }
  }

  /// What a reader wants to see first of each kind; the rest is in `show`.
  private static let preferred: [String: [String]] = [
    "clean": ["rows.in", "rows.out"],
    "finetune": ["steps", "train_loss", "eval_loss", "tokens_per_second", "peak_memory.measured", "seconds"],
    "dry-run": ["peak_memory.predicted", "peak_memory.measured", "hours", "tokens_per_second", "seconds"],
  ]

  /// The columns of a stage's table: the preferred ones it has, for an evaluation every task's metrics, else the first.
  static func columns(of rows: [[(name: String, value: JSON)]], kind: String) -> [String] {
    var seen: Set<[UInt8]> = []
    var names: [String] = []
    for row in rows { for leaf in row where seen.insert(Array(leaf.name.utf8)).inserted { names.append(leaf.name) } }
    if kind == "evaluate" {
      return Array(
        names.filter { name in
          name.hasPrefix("tasks.")
            && [".value", ".baseline.value", ".p_value", ".n"].contains { name.hasSuffix($0) }
        }.prefix(16))
    }
    let wanted = (preferred[kind] ?? []).filter { name in names.contains { sameBytes($0, name) } }
    return wanted.isEmpty ? Array(names.prefix(6)) : wanted
  }
}
