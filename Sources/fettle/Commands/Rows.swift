import Basics
import Corpus
import Foundation
import Pipelines

extension Command {
  static let rows = Command(
    name: "rows",
    abstract: "Prints canonical rows of any supported files as JSON lines, or the ledger of a clean stage",
    positionals: ["[FILE…]"],
    options: [
      .value("rejects", "FILE", "write rejected rows there, one JSON object a line"),
      .value("stage", "S", "show what the clean stage S of the newest run kept"),
      .flag("rejected", "with --stage: the rows it dropped, with step, reason and source"),
      .flag("edited", "with --stage: the rows it edited, before and after"),
      .value("reason", "R", "with --rejected: only rows dropped for this reason"),
      .value("run", "RUN", "with --stage: of this run instead of the newest"),
      .value("limit", "N", "print at most N rows"),
    ],
    run: { invocation throws in
      let project = try Project(invocation)
      let limit = try invocation.whole("limit", in: 0...Int.max) ?? .max
      if let stage = invocation.value("stage") {
        guard invocation.positionals.isEmpty else {
          throw UsageError("files and --stage exclude each other", value: invocation.positionals[0])
        }
        return try LedgerRows(invocation, project: project, stage: stage, limit: limit).print()
      }
      guard !invocation.positionals.isEmpty else {
        throw UsageError("fettle rows needs files or --stage", remedy: "see 'fettle rows --help'")
      }
      return try readFiles(invocation, limit: limit)
    })

  /// Rows of files; a reject is no failure as long as it is written down, and one line on standard error else.
  private static func readFiles(_ invocation: Invocation, limit: Int) throws -> ExitCode {
    let terminal = Terminal(invocation)
    let rejects = try invocation.path("rejects").map { try AtomicFile($0) }
    let reader = RowReader()
    let spec = SourceSpec(paths: invocation.paths)
    var printed = 0
    var rejected = 0
    try reader.read(try reader.files(spec), spec) { batch throws(CorpusError) in
      for row in batch.rows where printed < limit {
        terminal.print(row.json, pretty: false)
        printed += 1
      }
      for reject in batch.rejects {
        rejected += 1
        let json = reject.json(in: reader.sources)
        if let rejects {
          do throws(FileError) { try rejects.write(json.encoded() + [0x0A]) } catch {
            throw CorpusError(error)
          }
        } else {
          terminal.say("rejected: \(json.text())")
        }
      }
    }
    try rejects?.publish()
    if rejected > 0 { terminal.say("\(printed) rows, \(rejected) rejected") }
    return rejected > 0 && rejects == nil ? .failed : .done
  }
}
