import Basics
import Foundation
import Pipelines
import Store

/// A user's own program as a stage: one text for `/bin/sh -c`, run in the project's root.
///
/// Inputs and outputs are given as `$name`; of the environment it sees the usual variables and those it declares. An earlier result at an output's path is removed before the command starts,
/// so that a stale file can not pass for a new one, and the new one is copied into the cache after it.
package struct CommandStage: StageRunner {
  package init() {}

  package func run(_ context: StageContext) throws -> StageReport {
    var environment = CommandEnvironment(context.spec.environment)
    for (name, value) in context.with["env"]?.object?.members ?? [] {
      environment.set(name, Array((value.string ?? value.text()).utf8))
    }
    for input in context.spec.inputs {
      environment.set(input.name, input.path?.bytes ?? Array((input.model ?? "").utf8))
    }
    let outputs = try context.spec.outputs.map { try CommandOutput($0, context) }
    for output in outputs {
      environment.set(output.name, output.place.bytes)
      try output.empty()
      try Files.makeFolder(output.place.parent)
    }
    CommitPoint.reached("command.emptied")
    defer { for output in outputs { output.noteWhatIsLeft() } }
    try perform(environment, context)
    CommitPoint.reached("command.ended")
    for output in outputs { try take(output, context) }
    return StageReport()
  }

  /// Runs the command to its end; whatever it leaves running is ended with it.
  private func perform(_ environment: CommandEnvironment, _ context: StageContext) throws {
    let text = context.with["run"]?.string ?? ""
    let masked = environment.secrets.isEmpty ? nil : try MaskedOutput(SecretMask(environment.secrets))
    defer {
      Leftovers.endDescendants()
      masked?.finish()
    }
    let memoryKills = MemoryKills.count()
    let child = try CommandProcess(
      arguments: ["/bin/sh", "-c", text], environment: environment.entries, output: masked?.writeEnd)
    CommitPoint.reached("command.started")
    while true {
      if let end = try child.wait(milliseconds: 100) {
        guard end == .exited(0) else {
          throw CommandFailed(end, text, context, wasKilledForMemory: MemoryKills.count() > memoryKills)
        }
        return
      }
      if context.progress(ProgressEvent(unit: "command", done: 0)) == .stop {
        child.terminate()
        throw StageStopped()
      }
    }
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

/// A command that did not end well.
struct CommandFailed: FailureCausing {
  let problem: Problem
  let cause: FailureCause

  init(_ end: CommandProcess.End, _ text: String, _ context: StageContext, wasKilledForMemory: Bool) {
    cause = FailureCause.of(exitCode: end.code, signal: end.signal, wasKilledForMemory: wasKilledForMemory)
    let memory = cause == .oom ? " for want of memory" : ""
    problem = Problem(
      "the command \(end.words)\(memory)", at: context.spec.cell, value: text,
      remedy: "see 'fettle logs \(context.spec.stage)'")
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
