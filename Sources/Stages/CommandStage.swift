import Basics
import Foundation
import Pipelines

/// A user's own program as a stage: one text for `/bin/sh -c`, run in the project's root.
///
/// Inputs and outputs are given as `$name`. An earlier result at an output's path is removed before the command starts,
/// so that a stale file can not pass for a new one, and the new one is copied into the cache after it.
package struct CommandStage: StageRunner {
  package init() {}

  package func run(_ context: StageContext) throws -> StageReport {
    var environment = CommandEnvironment.usual
    for (name, value) in context.with["env"]?.object?.members ?? [] { environment[name] = value.string ?? value.text() }
    for input in context.spec.inputs {
      environment[input.name] = input.path?.display ?? input.model ?? ""
    }
    let outputs = try context.spec.outputs.map { try CommandOutput($0, context) }
    for output in outputs {
      environment[output.name] = output.place.display
      try output.empty()
      try Files.makeFolder(output.place.parent)
    }
    defer { for output in outputs { output.noteWhatIsLeft() } }

    let text = context.with["run"]?.string ?? ""
    let child = try CommandProcess(
      arguments: ["/bin/sh", "-c", text],
      environment: environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
    while true {
      if let end = try child.wait(milliseconds: 100) {
        guard end == .exited(0) else {
          throw StageError(
            "the command \(end.words)", at: context.spec.cell, value: text,
            remedy: "see 'fettle logs \(context.spec.stage)'")
        }
        break
      }
      if context.progress(ProgressEvent(unit: "command", done: 0)) == .stop {
        child.terminate()
        throw StageStopped()
      }
    }
    for output in outputs { try take(output, context) }
    return StageReport()
  }

  private func take(_ output: CommandOutput, _ context: StageContext) throws {
    guard Files.exists(output.place) else {
      throw StageError(
        "the command did not write the output '\(output.name)'", at: context.spec.cell, value: output.place.display,
        remedy: "let it write there, or correct 'outputs'")
    }
    try TreeCopy.copy(output.place, to: context.outputPath(output.name))
  }
}

/// The environment a command sees besides what its stage declares.
enum CommandEnvironment {
  private static let names = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LC_ALL", "TZ"]

  static var usual: [String: String] {
    let all = ProcessInfo.processInfo.environment
    return Dictionary(uniqueKeysWithValues: names.compactMap { name in all[name].map { (name, $0) } })
  }
}

/// Copies files and folders, links followed.
enum TreeCopy {
  static func copy(_ from: FilePath, to: FilePath) throws {
    guard let status = try Files.status(from) else { throw FileError("copy", from, code: ENOENT) }
    if status.isFolder {
      try Files.makeFolder(to)
      for name in try Files.list(from) { try copy(from.appending(name), to: to.appending(name)) }
      return
    }
    guard status.isRegular else {
      throw StageError("an output must be a file or a folder of files", at: from.display)
    }
    let source = try File(reading: from)
    let target = try File(to, flags: O_WRONLY | O_CREAT | O_TRUNC)
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var offset = 0
    while true {
      let count = try unsafe buffer.withUnsafeMutableBytes { unsafe try source.read(into: $0, at: offset) }
      if count == 0 { break }
      try unsafe buffer.withUnsafeBytes {
        try unsafe target.write(UnsafeRawBufferPointer(rebasing: $0[..<count]), at: offset)
      }
      offset += count
    }
  }
}
