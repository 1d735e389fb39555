import Basics
import Store

/// Two runs, or two cells, side by side: their parameters, data counts, metrics and outputs.
package struct RunComparison: Sendable {
  /// One number on both sides; nil where a side does not report it.
  package struct Figure: Sendable {
    package let name: String
    package let a: JSON?
    package let b: JSON?

    /// `b - a`.
    package var difference: Double? {
      guard let x = a?.double, let y = b?.double else { return nil }
      return y - x
    }
    package var differs: Bool {
      switch (a, b) {
      case (let x?, let y?): !sameBytes(x.text(), y.text())
      case (nil, nil): false
      default: true
      }
    }
  }

  package struct Output: Sendable {
    package let name: String
    package let a: Digest?
    package let b: Digest?
  }

  /// A cell on both sides; nil on a side that has none of its name.
  package struct Pair: Sendable {
    package let name: String
    package let a: CellRecord?
    package let b: CellRecord?
    /// Settings that differ.
    package let parameters: [FingerprintChange]
    /// Contents it reads that differ, by the input's name, and what else its result depends on.
    package let inputs: [FingerprintChange]
    /// Rows and tokens.
    package let data: [Figure]
    package let metrics: [Figure]
    package let outputs: [Output]

    /// Whether anything that is made or set is another; how long it took is not.
    package var differs: Bool {
      a?.status.word != b?.status.word && !(isKnown(a) && isKnown(b)) || !parameters.isEmpty || !inputs.isEmpty
        || outputs.contains { $0.a != $0.b } || data.contains(where: \.differs)
    }

    private func isKnown(_ cell: CellRecord?) -> Bool { cell?.status == .done || cell?.status == .cached }
  }

  /// What each side is called: "run 3 (baseline)", "run 3: base[seed=1]".
  package let a: String
  package let b: String
  package let pairs: [Pair]

  package var json: JSON {
    ["a": JSON(a), "b": JSON(b), "stages": .array(pairs.map(\.json))]
  }
}

extension RunComparison.Pair {
  fileprivate var json: JSON {
    func side(_ cell: CellRecord?) -> JSON {
      guard let cell else { return .null }
      return [
        "stage": JSON(cell.cell), "status": JSON(cell.status.word),
        "fingerprint": cell.fingerprint.map { JSON($0.hex) } ?? .null,
      ]
    }
    func figures(_ figures: [RunComparison.Figure]) -> JSON {
      .object(
        JSON.Object(
          figures.map { figure in
            let object: JSON = [
              "a": figure.a ?? .null, "b": figure.b ?? .null,
              "difference": figure.difference.map { JSON($0) } ?? .null,
            ]
            return (key: figure.name, value: object)
          }))
    }
    let outputs = self.outputs.map { output in
      let object: JSON = [
        "a": output.a.map { JSON($0.hex) } ?? .null, "b": output.b.map { JSON($0.hex) } ?? .null,
        "same": .bool(output.a == output.b),
      ]
      return (key: output.name, value: object)
    }
    return [
      "stage": JSON(name), "differs": .bool(differs), "a": side(a), "b": side(b),
      "parameters": .array(parameters.map(\.json)), "inputs": .array(inputs.map(\.json)), "data": figures(data),
      "metrics": figures(metrics), "outputs": .object(JSON.Object(outputs)),
    ]
  }
}

extension RunHistory {
  /// What a side of a comparison names: `RUN`, `CELL` of the newest run, or `RUN:CELL`; a run by its number or name.
  private enum Side {
    case run(RunRecord)
    case cell(RunRecord, CellRecord)
  }

  /// Compares two runs cell by cell, or two cells.
  package func compare(_ first: String, _ second: String) throws(RunError) -> RunComparison {
    switch (try side(first), try side(second)) {
    case (.run(let a), .run(let b)): return try compare(a, b)
    case (.cell(let a, let x), .cell(let b, let y)):
      let pair = try pair(name: sameBytes(x.cell, y.cell) ? x.cell : "\(x.cell) -> \(y.cell)", x, y)
      return RunComparison(a: "\(a.title): \(x.cell)", b: "\(b.title): \(y.cell)", pairs: [pair])
    default:
      throw RunError(
        "a run can not be compared with a cell", value: "\(first) and \(second)",
        remedy: "name two runs, or two cells as STAGE[axis=value] or RUN:STAGE", isRequest: true)
    }
  }

  private func side(_ text: String) throws(RunError) -> Side {
    if let run = try find(text) { return .run(run) }
    if let colon = text.firstIndex(of: ":"), let run = try find(String(text[..<colon])) {
      return .cell(run, try onlyCell(of: run, named: String(text[text.index(after: colon)...])))
    }
    let newest = try run()
    guard Int(text) == nil else {
      _ = try run(text)
      return .run(newest)
    }
    return .cell(newest, try onlyCell(of: newest, named: text))
  }

  private func onlyCell(of run: RunRecord, named name: String) throws(RunError) -> CellRecord {
    let found = try cells(of: run, named: name)
    guard found.count == 1, let cell = found.first else {
      throw RunError(
        "the stage has several cells", value: name,
        remedy: "name one: \(found.prefix(8).map(\.cell).joined(separator: ", "))", isRequest: true)
    }
    return cell
  }

  private func compare(_ a: RunRecord, _ b: RunRecord) throws(RunError) -> RunComparison {
    let (left, right) = (try cells(of: a), try cells(of: b))
    var byName: [[UInt8]: CellRecord] = [:]
    for cell in right { byName[Array(cell.cell.utf8)] = cell }
    var pairs: [RunComparison.Pair] = []
    for cell in left {
      pairs.append(try pair(name: cell.cell, cell, byName.removeValue(forKey: Array(cell.cell.utf8))))
    }
    for cell in right where byName[Array(cell.cell.utf8)] != nil { pairs.append(try pair(name: cell.cell, nil, cell)) }
    return RunComparison(a: a.title, b: b.title, pairs: pairs)
  }

  private func pair(name: String, _ a: CellRecord?, _ b: CellRecord?) throws(RunError) -> RunComparison.Pair {
    try running {
      let changes = FingerprintChange.between(try fingerprint(of: a), try fingerprint(of: b))
      let isParameter = { (change: FingerprintChange) in
        change.name.hasPrefix("with.") || ["seed", "stage", "device"].contains(change.name)
      }
      let kind = (b ?? a)?.kind
      let figures = figures(try metrics(of: a), try metrics(of: b))
      let isData = { (figure: RunComparison.Figure) in
        (kind == "clean" || kind == "tokenize") && figure.name != "seconds" && !figure.name.hasPrefix("peak_memory")
      }
      return RunComparison.Pair(
        name: name, a: a, b: b, parameters: changes.filter(isParameter), inputs: changes.filter { !isParameter($0) },
        data: figures.filter(isData), metrics: figures.filter { !isData($0) },
        outputs: outputs(try outputs(of: a), try outputs(of: b)))
    }
  }

  /// The parts of a cell's fingerprint; none where there is no cell or it has no fingerprint.
  private func fingerprint(of cell: CellRecord?) throws -> FingerprintRecord {
    let digest =
      if let own = cell?.fingerprint { own } else {
        try cell?.attempt.flatMap { try ledger.attempt($0)?.fingerprint }
      }
    return try digest.flatMap { try ledger.fingerprint($0) } ?? FingerprintRecord(kind: "", parts: [])
  }

  private func metrics(of cell: CellRecord?) throws -> [(name: String, value: JSON)] {
    guard let id = cell?.attempt, let metrics = try ledger.attempt(id)?.metrics else { return [] }
    return MetricList.leaves(of: metrics)
  }

  private func outputs(of cell: CellRecord?) throws -> [OutputRecord] {
    try cell?.attempt.map { try ledger.outputs(of: $0) } ?? []
  }

  private func figures(
    _ a: [(name: String, value: JSON)], _ b: [(name: String, value: JSON)]
  ) -> [RunComparison.Figure] {
    var values: [[UInt8]: JSON] = [:]
    for leaf in b { values[Array(leaf.name.utf8)] = leaf.value }
    var figures = a.map { leaf in
      RunComparison.Figure(name: leaf.name, a: leaf.value, b: values.removeValue(forKey: Array(leaf.name.utf8)))
    }
    for leaf in b where values[Array(leaf.name.utf8)] != nil {
      figures.append(RunComparison.Figure(name: leaf.name, a: nil, b: leaf.value))
    }
    return figures
  }

  private func outputs(_ a: [OutputRecord], _ b: [OutputRecord]) -> [RunComparison.Output] {
    var rest = b
    var outputs = a.map { output in
      let place = rest.firstIndex { sameBytes($0.name, output.name) }
      return RunComparison.Output(name: output.name, a: output.digest, b: place.map { rest.remove(at: $0).digest })
    }
    for output in rest { outputs.append(RunComparison.Output(name: output.name, a: nil, b: output.digest)) }
    return outputs
  }
}

extension RunRecord {
  /// "run 3 (baseline)"
  package var title: String { "run \(id)" + (name.map { " (\($0))" } ?? "") }
}

extension FingerprintChange {
  /// Both values for people: digests by their first twelve digits, "-" for what is absent.
  package var shown: (old: String, new: String) {
    (FingerprintChange.shown(old) ?? "-", FingerprintChange.shown(new) ?? "-")
  }
}
