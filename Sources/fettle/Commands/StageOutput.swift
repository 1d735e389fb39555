import Basics
import Pipelines
import Store

/// Outputs of recorded runs, by stage name.
enum StageOutput {
  /// Where the output of a stage lies: `NAME`, or a cell `NAME[axis=value]`, of the newest run or of run `run`.
  static func path(_ stage: String, output: String, project: Project, run id: String? = nil) throws -> FilePath {
    let history = try RunHistory.existing(project)
    return try path(stage, output: output, run: try history.run(id), history)
  }

  private static func path(
    _ stage: String, output: String, run: RunRecord, _ history: RunHistory
  ) throws -> FilePath {
    let cells = try history.cells(of: run, named: stage)
    guard cells.count == 1, let cell = cells.first else {
      throw UsageError(
        "the stage has several cells", value: stage,
        remedy: "name one: \(cells.map(\.cell).joined(separator: ", "))")
    }
    let outputs = try cell.attempt.map { try history.ledger.outputs(of: $0) } ?? []
    guard let found = outputs.first(where: { sameBytes($0.name, output) }) else {
      throw UsageError(
        "the stage '\(stage)' has no output '\(output)' in run \(run.id)", value: cell.status.word,
        remedy: outputs.isEmpty
          ? "run it first: fettle run --stage \(stage)"
          : "its outputs are \(outputs.map(\.name).joined(separator: ", "))")
    }
    return history.ledger.objects.path(found.digest)
  }

  /// The folder of the model that `stage` or `stage.model` names in the newest run; nil when no stage is called so.
  ///
  /// A stage of that name without a model, or with several, is an error.
  static func modelPath(_ reference: String, project: Project) throws -> String? {
    guard !Files.exists(project.root.appending(reference)), !reference.contains(":"), !reference.contains("/") else {
      return nil
    }
    let stage = reference.hasSuffix(".model") ? String(reference.dropLast(6)) : reference
    guard let history = try RunHistory(project), let newest = try history.ledger.newestRun(),
      try history.cells(of: newest).contains(where: { sameBytes($0.stage, stage) || sameBytes($0.cell, stage) })
    else { return nil }
    return try path(stage, output: "model", run: newest, history).display
  }
}

/// Rows of a clean stage: what it kept, or its ledger.
struct LedgerRows {
  private let invocation: Invocation
  private let project: Project
  private let stage: String
  private let limit: Int
  private let run: String?

  init(_ invocation: Invocation, project: Project, stage: String, limit: Int) throws {
    self.invocation = invocation
    self.project = project
    self.stage = stage
    self.limit = limit
    run = invocation.value("run")
  }

  func print() throws -> ExitCode {
    let rejected = invocation.has("rejected")
    let edited = invocation.has("edited")
    let wantsLedger = rejected || edited
    let path = try StageOutput.path(stage, output: wantsLedger ? "ledger" : "train", project: project, run: run)
    let file = try File(reading: path)
    var reader = LineReader(descriptor: file.descriptor)
    let terminal = Terminal(invocation)
    var left = limit
    while left > 0, let line = try reader.next() {
      guard case .text(let bytes) = line else { continue }
      guard wantsLedger else {
        terminal.print(String(decoding: bytes, as: UTF8.self))
        left -= 1
        continue
      }
      let entry = try JSONParser.parse(bytes)
      let isEdit = entry["action"]?.string == "edited"
      guard isEdit ? edited : rejected else { continue }
      if let reason = invocation.value("reason"), entry["reason"]?.string != reason { continue }
      terminal.wantsJSON || !terminal.isForPeople ? terminal.print(entry, pretty: false) : terminal.print(words(entry))
      left -= 1
    }
    return .done
  }

  /// An entry in a few lines for a terminal.
  private func words(_ entry: JSON) -> String {
    func text(_ key: String) -> String { entry[key].map { $0.string ?? $0.text() } ?? "" }
    var lines = [
      "\(text("file")):\(text("line")): \(text("action")) by \(text("step")), \(text("reason")): \(text("detail"))"
    ]
    lines.append("    before: " + Problem.shortened(text("before"), limit: 400))
    if let after = entry["after"], !after.isNull {
      lines.append("    after:  " + Problem.shortened(after.text(), limit: 400))
    }
    return lines.joined(separator: "\n")
  }
}
