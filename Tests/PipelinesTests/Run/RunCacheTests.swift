import Basics
import Foundation
import Pipelines
import Store
import Testing

@Suite struct `The cache` {
  static let chain = """
      first:
        uses: command
        inputs: {source: in.txt}
        outputs: {out: first.txt}
        with: {run: "tr a-z A-Z < $source > $out"}
      second:
        uses: command
        inputs: {upper: first.out}
        outputs: {out: second.txt}
        with: {run: "head -n 1 $upper > $out"}

    """

  @Test func `nothing runs twice`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\ntwo\n")
    #expect(bench.statuses(try bench.run(Self.chain)) == "first done, second done")
    #expect(try bench.output("second", "out") == "ONE\n")
    let again = try bench.run(Self.chain)
    #expect(bench.statuses(again) == "first cached, second cached")
    #expect(again.exitCode == 0)
  }

  @Test func `an edited input reruns its readers, and a result with the same bytes stops there`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\ntwo\n")
    try bench.run(Self.chain)
    try bench.write("in.txt", "One\nTwo\n")
    #expect(bench.statuses(try bench.run(Self.chain)) == "first done, second cached")
    try bench.write("in.txt", "other\n")
    #expect(bench.statuses(try bench.run(Self.chain)) == "first done, second done")
    #expect(try bench.output("second", "out") == "OTHER\n")
    // An earlier content is still known.
    try bench.write("in.txt", "one\ntwo\n")
    #expect(bench.statuses(try bench.run(Self.chain)) == "first cached, second cached")
  }

  @Test func `a touched, copied or retargeted file reruns nothing`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    try bench.run(Self.chain)
    let path = bench.root.appending("in.txt").display
    try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: path)
    #expect(bench.statuses(try bench.run(Self.chain)) == "first cached, second cached")
    try bench.write("elsewhere.txt", "one\n")
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "elsewhere.txt")
    #expect(bench.statuses(try bench.run(Self.chain)) == "first cached, second cached")
    try bench.write("elsewhere.txt", "two\n")
    #expect(bench.statuses(try bench.run(Self.chain)) == "first done, second done")
  }

  @Test func `an edit that keeps size and times is noticed`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    let path = bench.root.appending("in.txt").display
    let date = Date(timeIntervalSince1970: 1_000_000_000)
    try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: path)
    try bench.run(Self.chain)
    let handle = try #require(FileHandle(forWritingAtPath: path))
    handle.write(Data("two\n".utf8))
    try handle.close()
    try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: path)
    #expect(bench.statuses(try bench.run(Self.chain)) == "first done, second done")
    #expect(try bench.output("second", "out") == "TWO\n")
  }

  @Test func `a moved project reruns nothing`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    try bench.run(Self.chain)
    let moved = Bench(adopting: FilePath(bytes: bench.root.bytes + Array(" moved $é".utf8) + [0xFF]))
    try Files.rename(bench.root, to: moved.root)
    #expect(moved.statuses(try moved.run(Self.chain)) == "first cached, second cached")
    try moved.write("in.txt", "two\n")
    #expect(moved.statuses(try moved.run(Self.chain)) == "first done, second done")
  }

  @Test func `a flipped byte in a large result is noticed`() throws {
    let bench = try Bench()
    let stages = """
        big:
          uses: command
          outputs: {out: big.bin}
          with: {run: "head -c 200000 /dev/zero > $out"}
        reader:
          uses: command
          inputs: {big: big.out}
          outputs: {out: sum.txt}
          with: {run: "cksum < $big > $out"}

      """
    try bench.run(stages)
    let sum = try bench.output("reader", "out")
    let ledger = try Ledger(bench.project.cache)
    let attempt = try #require(try ledger.newestSuccess(pipeline: "test", cell: "big"))
    let object = ledger.objects.path(try ledger.outputs(of: attempt.id)[0].digest)
    let before = try #require(try Files.status(object))
    _ = unsafe chmod(object.display, 0o644)
    let handle = try #require(FileHandle(forWritingAtPath: object.display))
    handle.write(Data([1]))
    try handle.close()
    // The attacker even puts the time back.
    let date = Date(timeIntervalSince1970: Double(before.modified) / 1e9)
    try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: object.display)
    let plan = try bench.plan(try bench.pipeline(stages))
    #expect(plan.entries[0].why.contains("altered"))
    #expect(bench.statuses(try bench.run(stages)) == "big done, reader cached")
    #expect(try bench.output("reader", "out") == sum)
    try Files.removeTree(object)
    #expect(bench.statuses(try bench.run(stages)) == "big done, reader cached")
  }

  @Test func `a lost or altered small result is made good from the database`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    try bench.run(Self.chain)
    try Files.removeTree(bench.project.cache.objects)
    #expect(bench.statuses(try bench.run(Self.chain)) == "first cached, second cached")
    #expect(try bench.output("first", "out") == "ONE\n")
  }

  @Test func `a folder is a result, and a stranger in it is noticed`() throws {
    let bench = try Bench()
    let stages = """
        tree:
          uses: command
          outputs: {out: tree}
          with: {run: "mkdir -p $out/a/b; echo x > $out/a/b/c; echo y > $out/d; ln -s d $out/link"}
        reader:
          uses: command
          inputs: {tree: tree.out}
          outputs: {out: list.txt}
          with: {run: "cat $tree/a/b/c $tree/d $tree/link > $out"}

      """
    try bench.run(stages)
    #expect(try bench.output("reader", "out") == "x\ny\ny\n")
    #expect(bench.statuses(try bench.run(stages)) == "tree cached, reader cached")
    let ledger = try Ledger(bench.project.cache)
    let attempt = try #require(try ledger.newestSuccess(pipeline: "test", cell: "tree"))
    let object = ledger.objects.path(try ledger.outputs(of: attempt.id)[0].digest)
    try Files.writeAtomically([1], to: object.appending("a/stranger"))
    #expect(bench.statuses(try bench.run(stages)) == "tree done, reader cached")
    #expect(bench.statuses(try bench.run(stages)) == "tree cached, reader cached")
  }

  @Test func `the plan says why`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    let pipeline = try bench.pipeline(Self.chain)
    var plan = try bench.plan(pipeline)
    #expect(plan.entries.map(\.why) == ["no result yet", "depends on first"])
    #expect(!Files.exists(bench.project.cache.database))
    try bench.run(pipeline)
    plan = try bench.plan(pipeline)
    #expect(plan.entries.map(\.word) == ["cached", "cached"])
    try bench.write("in.txt", "two\n")
    plan = try bench.plan(pipeline)
    guard case .run(.changed(let changes)) = plan.entries[0].decision else {
      Issue.record("expected a change, got \(plan.entries[0].why)")
      return
    }
    #expect(changes.map(\.name) == ["input source"])
    #expect(changes[0].old == #"{"content":"\#(Digest(of: "one\n"))"}"#)
    #expect(changes[0].new == #"{"content":"\#(Digest(of: "two\n"))"}"#)
    plan = try bench.plan(pipeline, Selection(force: ["second"]))
    #expect(plan.entries[1].word == "wait")
  }

  @Test func `names of inputs' files do not count, the text of the command does`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    try bench.write("other.txt", "one\n")
    try bench.run(Self.chain)
    let renamed = Self.chain.replacingOccurrences(of: "in.txt", with: "other.txt")
    #expect(bench.statuses(try bench.run(renamed)) == "first cached, second cached")
    let changed = Self.chain.replacingOccurrences(of: "head -n 1", with: "head -n1")
    #expect(bench.statuses(try bench.run(changed)) == "first cached, second done")
  }

  @Test func `an input edited while a stage reads it spoils the result`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    let stages = """
        first:
          uses: command
          inputs: {source: in.txt}
          outputs: {out: first.txt}
          with: {run: "cat $source > $out; test -e edited || { touch edited; echo two > $source; }"}

      """
    let summary = try bench.run(stages)
    #expect(bench.statuses(summary) == "first failed")
    #expect(summary.exitCode == 1)
    #expect(summary.cells[0].error?.contains("changed while the stage ran") == true)
    #expect(bench.statuses(try bench.run(stages)) == "first done")
    #expect(try bench.output("first", "out") == "two\n")
  }

  @Test func `an input that was touched while a stage read it makes it run again`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    let stages = """
        first:
          uses: command
          inputs: {source: in.txt}
          outputs: {out: first.txt}
          with: {run: "test -e touched || { touch touched; touch -d @1 $source; }; cat $source > $out"}

      """
    #expect(bench.statuses(try bench.run(stages)) == "first done")
    let ledger = try Ledger(bench.project.cache)
    let attempts = try ledger.attempts(pipeline: "test", cell: "first")
    #expect(attempts.map(\.status) == [.done, .discarded])
  }
}
