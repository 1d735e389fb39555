import Basics
import Foundation
import Store

/// The folders and files of one attempt, and what was measured of it.
final class AttemptPlace {
  let project: Project
  let cell: StageCell
  let fingerprint: Digest
  let work: FilePath
  /// Tells the attempt's processes from all others on the machine.
  let mark: String
  /// Relative to the cache folder.
  let relativeLog: FilePath
  let relativeEvents: FilePath
  /// Bytes of its process tree at its largest.
  var peakMemory = 0
  let started = RunningAttempt.clock()

  init(_ project: Project, attempt: Int, run: Int, cell: StageCell, fingerprint: Digest) {
    self.project = project
    self.cell = cell
    self.fingerprint = fingerprint
    work = project.cache.work.appending(String(attempt))
    mark = AttemptPlace.mark(of: attempt, in: project.cache)
    let name = "logs/\(run)/\(PlainName.of(cell.id))-\(attempt)"
    relativeLog = FilePath(name + ".log")
    relativeEvents = FilePath(name + ".events.jsonl")
  }

  var outputs: FilePath { work.appending("out") }
  var specification: FilePath { work.appending("spec.json") }
  var checkpoints: FilePath { project.cache.checkpoints.appending(fingerprint.hex) }
  var log: FilePath { project.cache.path.appending(relativeLog) }
  var events: FilePath { project.cache.path.appending(relativeEvents) }

  /// The mark of an attempt: its number, and which cache folder of the machine counts it.
  static func mark(of attempt: Int, in cache: CacheFolder) -> String {
    let folder = (try? Files.status(cache.path)) ?? nil
    return "\(folder?.device ?? 0)-\(folder?.inode ?? 0)-\(attempt)"
  }

  func make() throws(FileError) {
    for folder in [outputs, checkpoints, log.parent] { try Files.makeFolder(folder) }
  }

  /// What the attempt's process is told.
  func specification(_ execution: CellExecution, number: Int) throws(RunError) -> AttemptSpec {
    let settled = execution.planner
    func path(_ cell: String, _ output: String) throws(RunError) -> FilePath {
      guard let digest = settled.digest(cell, output) else { throw RunError("the result of '\(cell)' is not known") }
      return project.relative(execution.ledger.objects.path(digest))
    }
    var inputs: [AttemptSpec.Input] = []
    for input in cell.inputs {
      let place: FilePath?
      var model: String?
      switch input.source {
      case .output(let cell, let output): place = try path(cell, output)
      case .file(let text): place = FilePath(text)
      case .model(let name): (place, model) = (nil, name)
      }
      inputs.append(AttemptSpec.Input(name: input.name, kind: input.kind, path: place, model: model))
    }
    var forecast: AttemptSpec.Forecast?
    if let id = cell.forecast, let target = execution.runner.pipeline[id] {
      let validation: FilePath? =
        switch target.inputs.first(where: { $0.name == "validation" })?.source {
        case .output(let cell, let output)?: try? path(cell, output)
        case .file(let text)?: FilePath(text)
        case .model?, nil: nil
        }
      forecast = AttemptSpec.Forecast(
        cell: id, kind: target.kind.name, with: target.settings { try? path($0, $1) }, seed: target.seed,
        validation: validation)
    }
    return AttemptSpec(
      pipeline: execution.runner.pipeline.name, cell: cell.id, stage: cell.stage, kind: cell.kind.name,
      with: cell.settings { try? path($0, $1) }, references: execution.fingerprint.references, inputs: inputs,
      outputs: cell.outputs.map { AttemptSpec.Output(name: $0.name, kind: $0.kind, path: $0.path) },
      forecast: forecast, environment: cell.environment, seed: cell.seed, number: number,
      fingerprint: fingerprint, projectRoot: project.root, workFolder: work, outputFolder: outputs,
      checkpointFolder: checkpoints, eventDescriptor: 3,
      runner: Int(getpid()))
  }

  /// What the attempt left in its result file; empty when it left none.
  func result() -> AttemptResult {
    let path = work.appending("result.json")
    guard let bytes = try? Files.read(path, limit: 1 << 28), let json = try? JSONParser.parse(bytes) else {
      return AttemptResult()
    }
    return AttemptResult(json)
  }

  /// Adds what the runner measured: the peak beside what the stage predicted, and the seconds it took.
  func addMeasurements(to metrics: inout JSON.Object) {
    var peak = metrics["peak_memory"]?.object ?? [:]
    peak["measured"] = JSON(peakMemory)
    metrics["peak_memory"] = .object(peak)
    if metrics["seconds"] == nil {
      metrics["seconds"] = JSON(((RunningAttempt.clock() - started) * 1000).rounded() / 1000)
    }
  }

  /// The problem with the log's last lines and where to find the rest.
  func withLog(_ problem: Problem) -> Problem {
    var problem = problem
    let lines = LogTail.lines(of: log, count: 8)
    if !lines.isEmpty { problem.what += "; its log ends with:\n  " + lines.joined(separator: "\n  ") + "\n" }
    let hint = "see 'fettle logs \(cell.id)'"
    problem.remedy = problem.remedy.map { "\($0); \(hint)" } ?? hint
    return problem
  }
}

/// The end of a log.
enum LogTail {
  /// The last lines of at most the last 64 KiB, each shortened.
  static func lines(of path: FilePath, count: Int) -> [String] {
    guard let file = try? File(reading: path), let size = try? file.size() else { return [] }
    var bytes = [UInt8](repeating: 0, count: min(size, 1 << 16))
    let start = size - bytes.count
    guard let read = unsafe bytes.withUnsafeMutableBytes({ unsafe try? file.read(into: $0, at: start) }) else {
      return []
    }
    return bytes[..<read].split(separator: 0x0A).suffix(count)
      .map { Problem.shortened(String(decoding: $0, as: UTF8.self), limit: 200) }
  }
}

/// File names made from ids that may hold anything.
package enum PlainName {
  /// The text with bytes that are awkward in names replaced; unlike texts stay unlike.
  package static func of(_ text: String) -> String {
    let plain = text.utf8.map { byte -> UInt8 in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        byte
      case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "="), UInt8(ascii: ","),
        UInt8(ascii: "+"), UInt8(ascii: "["), UInt8(ascii: "]"):
        byte
      default: UInt8(ascii: "_")
      }
    }
    var name = String(decoding: plain.prefix(120), as: UTF8.self)
    if name.isEmpty || name.hasPrefix(".") { name = "_" + name }
    return sameBytes(name, text) ? name : "\(name)-\(Digest(of: text).hex.prefix(8))"
  }
}

/// Names of signals for people.
enum SignalName {
  private static let names: [Int32: (name: String, words: String)] = [
    SIGHUP: ("SIGHUP", "hang-up"), SIGINT: ("SIGINT", "interrupt"), SIGQUIT: ("SIGQUIT", "quit"),
    SIGILL: ("SIGILL", "illegal instruction"), SIGTRAP: ("SIGTRAP", "trap: a check in the program failed"),
    SIGABRT: ("SIGABRT", "abort"), SIGBUS: ("SIGBUS", "bus error"), SIGFPE: ("SIGFPE", "arithmetic error"),
    SIGKILL: ("SIGKILL", "killed"), SIGSEGV: ("SIGSEGV", "segmentation fault"), SIGPIPE: ("SIGPIPE", "broken pipe"),
    SIGTERM: ("SIGTERM", "terminated"), SIGXCPU: ("SIGXCPU", "processor time used up"),
    SIGXFSZ: ("SIGXFSZ", "file size limit"), SIGUSR2: ("SIGUSR2", "its runner ended"),
  ]

  /// "signal 11 (SIGSEGV, segmentation fault)"
  static func of(_ number: Int32) -> String {
    guard let known = names[number] else { return "signal \(number)" }
    return "signal \(number) (\(known.name), \(known.words))"
  }

  static func remedy(_ number: Int32) -> String? {
    number == SIGKILL ? "the system may have been out of memory: try a smaller 'memory_budget'" : nil
  }
}
