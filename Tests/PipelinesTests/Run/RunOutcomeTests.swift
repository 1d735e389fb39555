import Basics
import Foundation
import Pipelines
import Store
import Testing

@Suite struct `A run` {
  @Test func `goes on past a failure with what does not depend on it`() throws {
    let bench = try Bench()
    let stages = """
        bad:
          uses: command
          outputs: {out: bad.txt}
          with: {run: "echo first words; echo broken >&2; exit 7"}
        after:
          uses: command
          inputs: {x: bad.out}
          outputs: {out: after.txt}
          with: {run: "cat $x > $out"}
        other:
          uses: command
          outputs: {out: other.txt}
          with: {run: "echo fine > $out"}

      """
    let summary = try bench.run(stages)
    #expect(bench.statuses(summary) == "bad failed, after skipped, other done")
    #expect(summary.exitCode == 1)
    let error = try #require(summary.cells[0].error)
    #expect(error.contains("exit code 7") && error.contains("broken"))
    // What failed is tried again; what succeeded is not.
    #expect(bench.statuses(try bench.run(stages)) == "bad failed, after skipped, other cached")
  }

  @Test func `an attempt that crashes is a failed stage with its signal named`() throws {
    let bench = try Bench()
    let summary = try bench.run(
      """
        crash:
          uses: command
          outputs: {out: x}
          with: {run: "echo last words; kill -SEGV $$"}

      """)
    #expect(bench.statuses(summary) == "crash failed")
    let error = try #require(summary.cells[0].error)
    #expect(error.contains("SIGSEGV") && error.contains("last words"))
  }

  @Test func `a refusal exits with 3 and lets the rest run`() throws {
    let bench = try Bench()
    let stages = """
        no:
          uses: command
          outputs: {out: x}
          with: {run: "exit 3"}
        after:
          uses: command
          inputs: {x: no.out}
          outputs: {out: y}
          with: {run: "cat $x > $out"}
        other:
          uses: command
          outputs: {out: z}
          with: {run: "echo fine > $out"}

      """
    let summary = try bench.run(stages)
    #expect(bench.statuses(summary) == "no refused, after skipped, other done")
    #expect(summary.exitCode == 3)
  }

  @Test func `retries follow a failure, and a checkpoint outlives it`() throws {
    let bench = try Bench()
    let stages = """
        flaky:
          uses: command
          retries: 2
          outputs: {out: x}
          with: {run: "echo $NUMBER >> $CHECKPOINT/seen; test $NUMBER = 3 && cp $CHECKPOINT/seen $out"}

      """
    var retried = 0
    let summary = try bench.run(try bench.pipeline(stages)) { if case .retrying = $0 { retried += 1 } }
    #expect(bench.statuses(summary) == "flaky done")
    #expect(retried == 2)
    #expect(try bench.output("flaky", "out") == "1\n2\n3\n")
    #expect(try Files.list(bench.project.cache.checkpoints).isEmpty)
    #expect(try Files.list(bench.project.cache.work).isEmpty)
  }

  @Test func `a failed stage keeps its checkpoint for the next run`() throws {
    let bench = try Bench()
    let stages = """
        half:
          uses: command
          outputs: {out: x}
          with: {run: "test -e $CHECKPOINT/half && cp $CHECKPOINT/half $out || { echo half > $CHECKPOINT/half; exit 1; }"}

      """
    #expect(bench.statuses(try bench.run(stages)) == "half failed")
    #expect(bench.statuses(try bench.run(stages)) == "half done")
    #expect(try bench.output("half", "out") == "half\n")
  }

  @Test func `a timeout ends the whole process group`() throws {
    let bench = try Bench()
    let summary = try bench.run(
      """
        slow:
          uses: command
          timeout: 200ms
          outputs: {out: x}
          with: {run: "sleep 600 & echo $! > $WORK/../../child; sleep 600"}

      """)
    #expect(bench.statuses(summary) == "slow failed")
    #expect(summary.cells[0].error?.contains("timed out") == true)
    let child = try #require(Int32(try bench.read(bench.project.cache.path.appending("child")).dropLast()))
    // Dead, or dead and waiting to be buried by whoever adopted it.
    let state = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8)
    #expect(state == nil || state?.contains(") Z ") == true)
  }

  @Test func `a missing output is a failure`() throws {
    let bench = try Bench()
    let summary = try bench.run("  a: {uses: command, outputs: {out: x}, with: {run: 'true'}}\n")
    #expect(summary.cells[0].error?.contains("did not write its output 'out'") == true)
    #expect(bench.statuses(summary) == "a failed")
  }

  @Test func `a missing input is a failure that names it`() throws {
    let bench = try Bench()
    let summary = try bench.run(
      "  a: {uses: command, inputs: {i: nowhere.txt}, outputs: {out: x}, with: {run: 'cp $i $out'}}\n")
    #expect(bench.statuses(summary) == "a failed")
    #expect(summary.cells[0].error?.contains("nowhere.txt") == true)
  }

  @Test func `a limit on a metric fails the stage without spoiling its result`() throws {
    let bench = try Bench()
    func stages(_ bound: String) -> String {
      """
        measured:
          uses: command
          outputs: {out: x}
          with:
            run: 'echo ran >> runs; echo x > $out; echo ''{"metrics":{"a":{"b":0.25}}}'' > $WORK/result.json'
          expect: {a.b: {min: \(bound)}}
        after:
          uses: command
          inputs: {x: measured.out}
          outputs: {out: y}
          with: {run: "cp $x $out"}

      """
    }
    let failed = try bench.run(stages("0.5"))
    #expect(bench.statuses(failed) == "measured failed, after skipped")
    let error = try #require(failed.cells[0].error)
    #expect(error.contains("a.b is 0.25") && error.contains("0.5"))
    #expect(bench.statuses(try bench.run(stages("0.2"))) == "measured cached, after done")
    #expect(bench.statuses(try bench.run(stages("0.3"))) == "measured failed, after skipped")
    #expect(try bench.read(bench.root.appending("runs")) == "ran\n")
  }

  @Test func `events reach the caller and the record`() throws {
    let bench = try Bench()
    let line = #"{"unit":"step","done":3,"total":4,"figures":{"loss":1.5}}"#
    let stages = """
        a:
          uses: command
          outputs: {out: x}
          with: {run: 'echo ''\(line)'' >&3; echo ''{"note":"hello"}'' >&3; echo x > $out'}

      """
    var seen: [String] = []
    try bench.run(try bench.pipeline(stages)) { event in
      switch event {
      case .progress(_, let progress):
        seen.append("\(progress.unit) \(progress.done)/\(progress.total ?? 0) \(progress.figures.map(\.value))")
      case .note(_, let text): seen.append(text)
      default: break
      }
    }
    #expect(seen == ["step 3/4 [1.5]", "hello"])
  }

  @Test func `a request to stop ends the attempt in order, and the run with 130`() throws {
    let bench = try Bench()
    let stages = """
        long:
          uses: command
          outputs: {out: x}
          with: {run: "trap 'echo saved > $CHECKPOINT/saved; exit 130' TERM; echo '{\\"note\\":\\"up\\"}' >&3; while :; do sleep 0.02; done"}
        next: {uses: command, outputs: {out: y}, with: {run: "echo > $out"}}

      """
    let stop = StopRequests()
    let summary = try bench.run(try bench.pipeline(stages), stop: stop) { event in
      if case .note = event { stop.request() }
    }
    #expect(summary.exitCode == 130)
    #expect(bench.statuses(summary) == "long interrupted, next pending")
    let folder = try #require(try Files.list(bench.project.cache.checkpoints).first)
    #expect(Files.exists(bench.project.cache.checkpoints.appending(folder).appending("saved")))
  }

  @Test func `a second request kills`() throws {
    let bench = try Bench()
    let stages = """
        deaf:
          uses: command
          outputs: {out: x}
          with: {run: "trap 'echo \\"{\\\\\\"note\\\\\\":\\\\\\"no\\\\\\"}\\" >&3' TERM; echo '{\\"note\\":\\"up\\"}' >&3; while :; do sleep 0.02; done"}

      """
    let stop = StopRequests()
    let summary = try bench.run(try bench.pipeline(stages), stop: stop) { event in
      if case .note = event { stop.request() }
    }
    #expect(summary.exitCode == 130)
    #expect(bench.statuses(summary) == "deaf interrupted")
  }

  @Test func `two runs at once: the second says who holds the project`() throws {
    let bench = try Bench()
    let lock = try #require(try RunLock.take(bench.project.cache.lock, command: "fettle run a.yaml"))
    do {
      try bench.run("  a: {uses: command, outputs: {out: x}, with: {run: 'echo > $out'}}\n")
      Issue.record("a second run began")
    } catch let error as RunError {
      #expect(error.isBusy)
      #expect(error.problem.what.contains("process \(getpid()) (fettle run a.yaml) since "))
    }
    withExtendedLifetime(lock) {}
  }

  @Test func `two runs at once: the second waits and says for whom`() throws {
    let bench = try Bench()
    var lock = try RunLock.take(bench.project.cache.lock, command: "first")
    var told: [String] = []
    let runner = Runner(
      pipeline: try bench.pipeline("  a: {uses: command, outputs: {out: x}, with: {run: 'echo > $out'}}\n"),
      project: bench.project, options: RunOptions(), launcher: ShellLauncher(), stop: StopRequests()
    ) { event in
      if case .waiting(let holder) = event {
        told.append(holder?.command ?? "?")
        lock = nil
      }
    }
    #expect(try runner.run().exitCode == 0)
    #expect(told == ["first"])
    #expect(lock == nil)
  }

  @Test func `a full disk is a clear failure, and nothing counts that was not kept`() async throws {
    let bench = try Bench()
    let stages = """
        big:
          uses: command
          outputs: {out: x}
          with: {run: "head -c 60000 /dev/zero > $WORK/part; mkdir $out; for i in 1 2 3 4 5 6; do ln -s $WORK/part $out/$i; done"}
        many:
          uses: command
          matrix: {n: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]}
          outputs: {out: y}
          with: {run: "head -c 50000 /dev/zero | tr '\\\\0' '${matrix.n}' > $out"}

      """
    await #expect(processExitsWith: .success) { [folder = bench.root.display as String, stages = stages as String] in
      Foundation.signal(SIGXFSZ, SIG_IGN)
      // No file may grow beyond this: the database can not take all it should.
      var limit = rlimit(rlim_cur: 300_000, rlim_max: 300_000)
      _ = unsafe setrlimit(__rlimit_resource_t(1), &limit)
      let bench = Bench(adopting: FilePath(folder), keeping: true)
      do {
        let summary = try bench.run(stages)
        #expect(summary.exitCode == 1)
      } catch let error as RunError {
        #expect(error.description.contains("disk"))
      }
    }
    let ledger = try Ledger(bench.project.cache)
    #expect(try ledger.objects.verifyAll().isEmpty)
    let summary = try bench.run(stages)
    #expect(summary.exitCode == 0)
    #expect(try ledger.objects.verifyAll().isEmpty)
  }

  @Test func `links in out lead to the newest outputs`() throws {
    let bench = try Bench()
    try bench.write("in.txt", "one\n")
    try bench.run(`The cache`.chain)
    #expect(try bench.read(bench.root.appending("out/test/second/out")) == "ONE\n")
    try bench.write("in.txt", "two\n")
    try bench.run(`The cache`.chain)
    #expect(try bench.read(bench.root.appending("out/test/second/out")) == "TWO\n")
    // A command's declared file is put back where it was lost.
    #expect(try bench.read(bench.root.appending("second.txt")) == "TWO\n")
  }

  @Test func `a file of the user's own in a declared place stays as it is`() throws {
    let bench = try Bench()
    let stages = "  a: {uses: command, outputs: {out: made.txt}, with: {run: 'echo one > $out'}}\n"
    try bench.run(stages)
    #expect(try bench.read(bench.root.appending("made.txt")) == "one\n")
    try bench.write("made.txt", "edited by hand\n")
    var messages: [String] = []
    try bench.run(try bench.pipeline(stages)) { if case .message(let text) = $0 { messages.append(text) } }
    #expect(try bench.read(bench.root.appending("made.txt")) == "edited by hand\n")
    #expect(messages.count == 1 && messages[0].contains("left as it is"))
  }

  @Test func `a forecast that can not be read permits nothing`() throws {
    let bench = try Bench()
    try bench.write("in.jsonl", "{}\n")
    struct Garbage: AttemptLauncher {
      func launch(_ spec: AttemptSpec, file: FilePath) -> Launch {
        let text = spec.outputs.map { "echo rubbish > '\(spec.outputFolder.appending($0.name).display)'" }
        return Launch(executable: "/bin/sh", arguments: ["-c", FilePath(text.joined(separator: ";"))])
      }
    }
    let summary = try Runner(
      pipeline: try bench.pipeline(`A gate`.stages(hours: 1)), project: bench.project, options: RunOptions(),
      launcher: Garbage(), stop: StopRequests()
    ).run()
    #expect(bench.statuses(summary).contains("tune failed, other done"))
  }

  @Test func `odd names in a matrix give separate folders`() throws {
    let bench = try Bench()
    let summary = try bench.run(
      """
        m:
          uses: command
          matrix: {text: ["a b", "a/b", "$(x)", "é", "e\\u0301"]}
          outputs: {out: x}
          with: {run: "printf %s '${matrix.text}' > $out"}

      """)
    #expect(summary.cells.allSatisfy { $0.status == .done })
    #expect(summary.cells.count == 5)
    #expect(try Files.list(bench.root.appending("out/test/m")).count == 5)
  }
}
