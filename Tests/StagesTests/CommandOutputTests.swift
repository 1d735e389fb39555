import Basics
import Foundation
import Pipelines
import Stages
import Testing

/// Runs command stages in a project folder that is removed with it.
private final class CommandBench {
  let root: FilePath

  init() throws {
    root = FilePath(NSTemporaryDirectory()).appending("fettle-command-\(UInt64.random(in: 0...UInt64.max))")
    try Files.makeFolder(root.appending("project"))
  }

  deinit { try? Files.removeTree(root) }

  var project: FilePath { root.appending("project") }

  func write(_ name: String, _ text: String = "mine") throws {
    let path = project.appending(name)
    try Files.makeFolder(path.parent)
    try Files.writeAtomically(Array(text.utf8), to: path)
  }

  func text(_ name: String) throws -> String {
    String(decoding: try Files.read(project.appending(name)), as: UTF8.self)
  }

  func run(_ command: String, to output: String, input: String? = nil) throws {
    let work = root.appending("work-\(UInt64.random(in: 0...UInt64.max))")
    try Files.makeFolder(work.appending("out"))
    let spec: JSON = [
      "pipeline": "test", "cell": "c", "stage": "c", "kind": "command", "with": ["run": .string(command)],
      "references": [],
      "inputs": .array(input.map { [["name": "src", "kind": "files", "path": .string($0), "model": nil]] } ?? []),
      "outputs": [["name": "o", "kind": "files", "path": .string(output)]], "forecast": nil, "seed": "1", "number": 1,
      "fingerprint": .string(Digest(of: "c").hex), "project_root": .string(project.display),
      "work_folder": .string(work.display), "output_folder": .string(work.appending("out").display),
      "checkpoint_folder": .string(work.display), "event_descriptor": 3, "runner": 1,
    ]
    let context = StageContext(spec: try AttemptSpec(spec), progress: { _ in .goOn }, note: { _ in })
    _ = try CommandStage().run(context)
  }
}

@Suite struct `A command's output` {
  @Test(arguments: ["keep", "keep/a.txt", "./keep//a.txt", "keep/a.txt/b"])
  func `never takes the place of what the command reads`(output: String) throws {
    let bench = try CommandBench()
    try bench.write("keep/a.txt")
    #expect(throws: (any Error).self) { try bench.run("echo > $o", to: output, input: "keep/a.txt") }
    #expect(try bench.text("keep/a.txt") == "mine")
  }

  @Test(arguments: ["./.fettle/objects", ".fettle//cache.db", "out/x", "../x", "lnk/o", "cache/x"])
  func `never lies in the cache or outside the project`(output: String) throws {
    let bench = try CommandBench()
    for name in [".fettle/objects/x", ".fettle/cache.db", "out/x", "../outside/o", "../x"] { try bench.write(name) }
    for (link, target) in [("lnk", "../outside"), ("cache", ".fettle")] {
      try FileManager.default.createSymbolicLink(
        atPath: bench.project.appending(link).display, withDestinationPath: target)
    }
    #expect(throws: (any Error).self) { try bench.run("echo > $o", to: output) }
    for name in [".fettle/objects/x", ".fettle/cache.db", "out/x", "../outside/o", "../x"] {
      #expect(try bench.text(name) == "mine")
    }
  }

  @Test func `replaces what an earlier attempt left, and nothing else`() throws {
    let bench = try CommandBench()
    try bench.run("echo one > $o", to: "made/o")
    try bench.run("echo two > $o", to: "made/o")
    #expect(try bench.text("made/o") == "two\n")
    #expect(throws: (any Error).self) { try bench.run("echo part > $o; exit 1", to: "made/o") }
    try bench.run("echo three > $o", to: "made/o")
    try bench.write("made/o", "edited")
    #expect(throws: (any Error).self) { try bench.run("echo four > $o", to: "made/o") }
    #expect(try bench.text("made/o") == "edited")
  }
}
