import Basics
import Foundation
import Pipelines
import Store

extension Command {
  private static let ofRun = Option.value("run", "RUN", "of this run, by its number or name, instead of the newest")

  static let status = Command(
    name: "status", abstract: "Shows the stages of the newest run", positionals: [], options: [ofRun],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let history = try RunHistory.existing(try Project(invocation))
      let run = try history.run(invocation.value("run"))
      if terminal.wantsJSON {
        terminal.print(try history.status(run))
        return .done
      }
      terminal.print(
        "run \(run.id) of \(run.pipeline)"
          + (run.exitCode.map { $0 == 0 ? "" : ", exit code \($0)" } ?? ", not finished"))
      terminal.print(RunResults(project: history.project, cells: try history.cells(of: run)).text)
      return .done
    })

  static let show = Command(
    name: "show", abstract: "Shows a stage's outputs and metrics", positionals: ["STAGE"], options: [ofRun],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let history = try RunHistory.existing(try Project(invocation))
      let run = try history.run(invocation.value("run"))
      let cells = try history.cells(of: run, named: invocation.positionals[0])
      let shown = try cells.map { try history.show($0, of: run) }
      if terminal.wantsJSON {
        terminal.print(shown.count == 1 ? shown[0] : .array(shown))
        return .done
      }
      for cell in shown { terminal.print(StageWords(cell).text) }
      return .done
    })

  static let why = Command(
    name: "why", abstract: "Says why a stage ran, or did not, and what changed", positionals: ["STAGE"],
    options: [ofRun],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let history = try RunHistory.existing(try Project(invocation))
      let run = try history.run(invocation.value("run"))
      let found = try history.cells(of: run, named: invocation.positionals[0]).map { try history.why($0, in: run) }
      if terminal.wantsJSON {
        terminal.print(found.count == 1 ? found[0].json : .array(found.map(\.json)))
      } else {
        for explanation in found { terminal.print(explanation.text) }
      }
      return .done
    })

  static let logs = Command(
    name: "logs", abstract: "Prints what a stage's newest attempt printed", positionals: ["STAGE"], options: [ofRun],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let history = try RunHistory.existing(try Project(invocation))
      let run = try history.run(invocation.value("run"))
      var documents: [JSON] = []
      for cell in try history.cells(of: run, named: invocation.positionals[0]) {
        guard let attempt = try history.attempt(of: cell, in: run), let path = history.log(of: attempt) else {
          continue
        }
        let log = try LogText(path)
        if terminal.wantsJSON {
          let end = try log.end()
          documents.append([
            "stage": .string(cell.cell), "attempt": JSON(attempt.id), "path": .string(path.display),
            "text": .string(end.text), "bytes_before": JSON(end.before),
          ])
        } else {
          terminal.say("\(cell.cell), attempt \(attempt.id): \(path.display)")
          try log.forEachPiece { terminal.print($0) }
        }
      }
      if terminal.wantsJSON { terminal.print(documents.count == 1 ? documents[0] : .array(documents)) }
      return .done
    })

  static let dag = Command(
    name: "dag", abstract: "Draws the stages of a pipeline and what flows between them", positionals: ["[FILE]"],
    options: [
      .value("format", "text|mermaid|dot|svg", "the form of the drawing (default: text)"),
      .flag("cells", "draw every cell of a matrix"),
      .value("output", "FILE", "write the drawing there"),
      .value("set", "vars.NAME=VALUE", repeats: true, "override a variable of the file"),
    ],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let file = try PipelineFile.choose(invocation.paths.first, project: try Project(invocation))
      let graph = PipelineGraph(
        try Pipeline.load(file, overrides: invocation.all("set")), byCell: invocation.has("cells"))
      if terminal.wantsJSON {
        terminal.print(graph.json)
        return .done
      }
      let drawing: String
      switch invocation.value("format") ?? "text" {
      case "text": drawing = graph.text
      case "mermaid": drawing = graph.mermaid
      case "dot": drawing = graph.dot
      case "svg": drawing = graph.svg
      case let other: throw UsageError("unknown --format", value: other, remedy: "use text, mermaid, dot or svg")
      }
      if let path = invocation.path("output") {
        try Files.writeAtomically(Array(drawing.utf8), to: path)
        terminal.say("wrote \(path.display)")
      } else {
        terminal.print(drawing.hasSuffix("\n") ? String(drawing.dropLast()) : drawing)
      }
      return .done
    })
}

/// What a log says, read in pieces: it may be of any size.
private struct LogText {
  /// Bytes of a piece.
  private static let piece = 1 << 20
  /// Bytes that a JSON document holds of a log, at most.
  private static let documentLimit = 64 << 20

  /// Nil for a log that is not there.
  private let file: File?

  init(_ path: FilePath) throws(FileError) { file = Files.exists(path) ? try File(reading: path) : nil }

  /// Whole lines as far as they fit into a piece, without the line end of the last one.
  func forEachPiece(_ body: (String) -> Void) throws {
    guard let file else { return }
    var place = 0
    while true {
      var bytes = try read(file, at: place, count: LogText.piece)[...]
      guard !bytes.isEmpty else { return }
      if let end = bytes.lastIndex(of: 0x0A) { bytes = bytes[...end] }
      place += bytes.count
      if bytes.last == 0x0A { bytes.removeLast() }
      body(String(decoding: bytes, as: UTF8.self))
    }
  }

  /// The log, or its end where it is larger than a document should be, and the bytes before that.
  func end() throws -> (text: String, before: Int) {
    guard let file else { return ("", 0) }
    let size = try file.size()
    let before = max(0, size - LogText.documentLimit)
    return (String(decoding: try read(file, at: before, count: size - before), as: UTF8.self), before)
  }

  private func read(_ file: File, at place: Int, count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let found = unsafe try bytes.withUnsafeMutableBytes { unsafe try file.read(into: $0, at: place) }
    bytes.removeLast(count - found)
    return bytes
  }
}

/// A stage's record in words.
struct StageWords {
  private let json: JSON

  init(_ json: JSON) { self.json = json }

  var text: String {
    func word(_ key: String) -> String { json[key]?.string ?? json[key]?.text() ?? "" }
    // Of a stage that ran, the reason tells why it did, not how it fared.
    let link = json["attempt"] != nil && !sameBytes(word("status"), "cached") ? "; it ran because: " : ", "
    var lines = ["\(word("stage")): \(word("status"))" + (json["reason"]?.string.map { link + $0 } ?? "")]
    if let error = json["error"]?.string { lines.append("  error: \(error)") }
    lines.append("  fingerprint: \(word("fingerprint"))")
    for (name, output) in json["outputs"]?.object?.members ?? [] {
      lines.append("  output \(name) (\(output["kind"]?.string ?? "")): \(path(output))")
    }
    if let metrics = json["metrics"], metrics.object?.isEmpty == false {
      lines.append("  metrics: " + metrics.text(pretty: true).split(separator: "\n").joined(separator: "\n  "))
    }
    return lines.joined(separator: "\n")
  }

  private func path(_ output: JSON) -> String { output["path"].flatMap { FilePath(json: $0) }?.display ?? "" }
}
