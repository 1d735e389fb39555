import Basics
import Pipelines
import Store

extension Command {
  static let diff = Command(
    name: "diff", abstract: "Compares two runs, or two cells of a matrix: parameters, data, metrics and outputs",
    positionals: ["A", "B"],
    options: [.flag("all", "also what is the same on both sides")],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let history = try RunHistory.existing(try Project(invocation))
      let comparison = try history.compare(invocation.positionals[0], invocation.positionals[1])
      if terminal.wantsJSON {
        terminal.print(comparison.json)
      } else {
        terminal.print(ComparisonText(comparison, showsAll: invocation.has("all")).text)
      }
      return .done
    })
}

/// A comparison as tables, one for each stage that differs.
private struct ComparisonText {
  private let comparison: RunComparison
  private let showsAll: Bool

  init(_ comparison: RunComparison, showsAll: Bool) {
    self.comparison = comparison
    self.showsAll = showsAll
  }

  var text: String {
    var parts = ["a: \(comparison.a)\nb: \(comparison.b)"]
    var same: [String] = []
    for pair in comparison.pairs {
      if pair.differs || showsAll || comparison.pairs.count == 1 {
        parts.append(section(pair))
      } else {
        same.append(pair.name)
      }
    }
    if !same.isEmpty { parts.append("the same in both: \(same.joined(separator: ", "))") }
    return parts.joined(separator: "\n\n")
  }

  private func section(_ pair: RunComparison.Pair) -> String {
    var table = TextTable(["\(pair.name)", "", "a", "b", "difference"])
    table.add(["status", "", pair.a?.status.word ?? "absent", pair.b?.status.word ?? "absent", ""])
    for (title, changes) in [("parameter", pair.parameters), ("input", pair.inputs)] {
      for change in changes {
        let name = change.name.hasPrefix("with.") ? String(change.name.dropFirst(5)) : change.name
        let bare = name.hasPrefix("input ") ? String(name.dropFirst(6)) : name
        table.add([title, bare, bareContent(change.shown.old), bareContent(change.shown.new), ""])
      }
    }
    for (title, figures) in [("data", pair.data), ("metric", pair.metrics)] {
      for figure in figures where showsAll || figure.differs {
        table.add([title, figure.name, shown(figure, figure.a), shown(figure, figure.b), difference(figure)])
      }
    }
    for output in pair.outputs where showsAll || output.a != output.b {
      let word = output.a == output.b ? "same" : "other bytes"
      table.add(["output", output.name, short(output.a), short(output.b), word])
    }
    return table.text
  }

  /// The digest alone where a value is nothing else.
  private func bareContent(_ text: String) -> String {
    let (start, end) = ("{\"content\":\"", "\"}")
    guard text.hasPrefix(start), text.hasSuffix(end) else { return text }
    let inner = text.dropFirst(start.count).dropLast(end.count)
    return inner.contains("\"") ? text : String(inner)
  }

  private func short(_ digest: Digest?) -> String { digest.map { $0.hex.prefix(12) + "…" } ?? "-" }

  private func shown(_ figure: RunComparison.Figure, _ value: JSON?) -> String {
    guard let value, let number = value.double else { return "-" }
    if figure.name.contains("memory"), abs(number) < 0x1p62 { return Quantity.describe(bytes: Int(number)) }
    return number == number.rounded() && abs(number) < 1e15 ? value.text() : decimals(number)
  }

  private func difference(_ figure: RunComparison.Figure) -> String {
    guard let difference = figure.difference, difference != 0 else { return "" }
    let sign = difference > 0 ? "+" : ""
    if figure.name.contains("memory"), abs(difference) < 0x1p62 {
      return sign + Quantity.describe(bytes: Int(difference))
    }
    if figure.a?.int != nil, figure.b?.int != nil { return sign + "\(Int(difference))" }
    return sign + decimals(difference)
  }

  /// Six significant digits.
  private func decimals(_ value: Double) -> String {
    let size = abs(value)
    if size != 0, size < 1e-4 || size >= 1e9 { return JSON(value).text() }
    let whole = size < 1 ? 1 : String(Int(size)).count
    return Quantity.fixed(value, max(0, min(8, size < 1 ? 6 : 6 - whole)))
  }
}
