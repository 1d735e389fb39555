import Basics
import Foundation
import Pipelines
import Store
import Testing

/// Stages that do not need each other, on a machine of two cores.
@Suite struct `Side by side` {
  static let two = Resources(cpus: 2, memory: 1 << 30, gpus: 2)

  /// Waits for a file of another stage; without it the stage would time out.
  private func meeting(_ own: String, _ other: String, _ extra: String = "") -> String {
    """
      \(own):
        uses: command
        timeout: 20s
        outputs: {out: \(own).txt}
    \(extra)    with: {run: "touch here.\(own); until [ -e here.\(other) ]; do sleep 0.01; done; echo \(own) > $out"}

    """
  }

  @Test func `stages that fit run together, and are listed in their order`() throws {
    let bench = try Bench()
    let summary = try bench.run(
      try bench.pipeline(meeting("a", "b") + meeting("b", "a")), offers: `Side by side`.two)
    #expect(bench.statuses(summary) == "a done, b done")
  }

  @Test(arguments: ["cpus: 2", "memory: 600MiB", "gpus: 2"])
  func `stages that do not fit together run one after the other`(_ wish: String) throws {
    let bench = try Bench()
    let stages = ["a", "b", "c"].map { name in
      """
        \(name):
          uses: command
          resources: {\(wish)}
          outputs: {out: \(name).txt}
          with: {run: "mkdir alone && sleep 0.05 && rmdir alone && echo \(name) > $out"}

      """
    }
    let summary = try bench.run(try bench.pipeline(stages.joined()), offers: `Side by side`.two)
    #expect(bench.statuses(summary) == "a done, b done, c done")
  }

  @Test func `a stage that asks for more than there is is an error before anything runs`() throws {
    let bench = try Bench()
    let pipeline = try bench.pipeline(
      """
        fine: {uses: command, outputs: {out: x}, with: {run: "echo > $out"}}
        many: {uses: command, resources: {cpus: 3}, outputs: {out: y}, with: {run: "echo > $out"}}
        cards: {uses: command, resources: {gpus: 9, memory: 2GiB}, outputs: {out: z}, with: {run: "echo > $out"}}

      """)
    do {
      try bench.run(pipeline, offers: `Side by side`.two)
      Issue.record("it ran")
    } catch let error as RunError {
      #expect(error.isRequest)
      #expect(error.description.contains("many, line 5: asks for more than there is: 3 cpus, and there are 2"))
      #expect(error.description.contains("cards, line 6") && error.description.contains("9 gpus, and there are 2"))
    }
    #expect(try Ledger(reading: bench.project.cache) == nil)
    #expect(try bench.run(pipeline, Selection(stages: ["fine"]), offers: `Side by side`.two).exitCode == 0)
  }

  @Test func `every stage sees graphics processors of its own`() throws {
    let bench = try Bench()
    let stages = ["a", "b"].map { name in
      """
        \(name):
          uses: command
          resources: {gpus: 1}
          outputs: {out: \(name).txt}
          with:
            run: |
              touch here.\(name); until [ -e here.a ] && [ -e here.b ]; do sleep 0.01; done
              echo $CUDA_VISIBLE_DEVICES > $out

      """
    }
    #expect(try bench.run(try bench.pipeline(stages.joined()), offers: `Side by side`.two).exitCode == 0)
    #expect(try bench.output("a", "out") == "0\n")
    #expect(try bench.output("b", "out") == "1\n")
  }

  @Test func `cells that write to one place do not run together`() throws {
    let bench = try Bench()
    let summary = try bench.run(
      try bench.pipeline(
        """
          m:
            uses: command
            matrix: {n: [1, 2, 3]}
            outputs: {out: same.txt}
            with: {run: "mkdir alone && sleep 0.02 && rmdir alone && echo ${matrix.n} > $out"}

        """), offers: `Side by side`.two)
    #expect(summary.exitCode == 0)
    #expect(try bench.read(bench.root.appending("same.txt")) == "3\n")
  }

  @Test func `a stage that reads a command's file by its path comes after it`() throws {
    let bench = try Bench()
    try bench.write("made.txt", "old\n")
    let stages = """
        make: {uses: command, outputs: {out: made.txt}, with: {run: "sleep 0.05; echo new > $out"}}
        use: {uses: command, inputs: {x: made.txt}, outputs: {out: used.txt}, with: {run: "cp $x $out"}}

      """
    try Files.remove(bench.root.appending("made.txt"))
    let summary = try bench.run(try bench.pipeline(stages), offers: `Side by side`.two)
    #expect(bench.statuses(summary) == "make done, use done")
    #expect(try bench.output("use", "out") == "new\n")
  }

  @Test func `a failure leaves the others alone`() throws {
    let bench = try Bench()
    let summary = try bench.run(
      try bench.pipeline(
        """
          bad: {uses: command, outputs: {out: x}, with: {run: "touch failed; exit 7"}}
          good:
            uses: command
            outputs: {out: y}
            with: {run: "until [ -e failed ]; do sleep 0.01; done; sleep 0.05; echo > $out"}

        """), offers: `Side by side`.two)
    #expect(bench.statuses(summary) == "bad failed, good done")
  }

  @Test func `a request to stop reaches every one of them`() throws {
    let bench = try Bench()
    let stages = ["a", "b"].map { name in
      """
        \(name):
          uses: command
          outputs: {out: \(name).txt}
          with:
            run: |
              trap 'touch saved.\(name); exit 130' TERM
              touch here.\(name); until [ -e here.a ] && [ -e here.b ]; do sleep 0.01; done
              echo '{"note":"up"}' >&3
              while :; do sleep 0.02; done

      """
    }
    let stop = StopRequests()
    var notes = 0
    let summary = try bench.run(try bench.pipeline(stages.joined()), stop: stop, offers: `Side by side`.two) {
      if case .note = $0 {
        notes += 1
        if notes == 2 { stop.request() }
      }
    }
    #expect(summary.exitCode == 130)
    #expect(bench.statuses(summary) == "a interrupted, b interrupted")
    #expect(Files.exists(bench.root.appending("saved.a")) && Files.exists(bench.root.appending("saved.b")))
  }
}

@Suite struct `A retry` {
  private func stage(_ keys: String, _ run: String) -> String {
    "  a: {uses: command, retries: 2, \(keys), outputs: {out: x}, with: {run: '\(run)'}}\n"
  }

  @Test(arguments: [
    ("retry_on: [exit_code]", "exit 7", 3), ("retry_on: [timeout, crash]", "exit 7", 1),
    ("retry_on: [crash]", "kill -9 $$", 3), ("retry_on: [exit_code]", "kill -9 $$", 1),
    ("retry_on: [timeout], timeout: 50ms", "exec sleep 60", 3),
    ("retry_on: [crash], timeout: 50ms", "exec sleep 60", 1),
    ("retry_on: [error]", "true", 3), ("retry_on: []", "exit 7", 1), ("retry_delay: 5s", "exit 7", 3),
  ])
  func `follows the failures it is meant for`(_ keys: String, _ run: String, _ attempts: Int) throws {
    let bench = try Bench()
    try bench.run(stage(keys, run))
    let ledger = try #require(try Ledger(reading: bench.project.cache))
    #expect(try ledger.attempts(pipeline: "test", cell: "a").count == attempts)
  }

  @Test func `waits longer every time, up to ten minutes`() {
    let policy = RetryPolicy(count: 20, delay: 2)
    #expect((1...4).map { policy.delay(before: $0) } == [2, 4, 8, 16])
    #expect(policy.delay(before: 20) == 600)
    #expect(RetryPolicy(delay: 3600).delay(before: 1) == 3600)
  }

  @Test func `tells the ways of failing apart`() {
    let cases: [(code: Int32?, signal: Int32?, memory: Bool, cause: FailureCause)] = [
      (1, nil, false, .exitCode), (nil, SIGSEGV, false, .crash), (139, nil, false, .crash),
      (nil, SIGKILL, false, .crash),
      (nil, SIGKILL, true, .oom), (137, nil, true, .oom), (2, nil, true, .exitCode), (nil, SIGSEGV, true, .crash),
    ]
    for (code, signal, memory, cause) in cases {
      #expect(FailureCause.of(exitCode: code, signal: signal, wasKilledForMemory: memory) == cause)
    }
  }

  @Test func `an unknown word in retry_on is an error with the right one`() throws {
    let bench = try Bench()
    do {
      _ = try bench.pipeline(stage("retry_on: [timeouts]", "true"))
      Issue.record("it was taken")
    } catch let error as PipelineFileError {
      #expect(error.description.contains("timeout"))
    }
  }
}

@Suite struct `The environment` {
  @Test func `that a command declares is its identity, its secrets are not`() throws {
    let bench = try Bench()
    let stages = """
        a:
          uses: command
          environment: [FETTLE_TEST_FLAVOUR]
          secrets: [FETTLE_TEST_TOKEN]
          outputs: {out: x}
          with: {run: "echo $FETTLE_TEST_FLAVOUR > $out"}

      """
    func set(_ name: String, _ value: String) { _ = unsafe setenv(name, value, 1) }
    set("FETTLE_TEST_FLAVOUR", "plain")
    set("FETTLE_TEST_TOKEN", "geheim-1")
    #expect(bench.statuses(try bench.run(stages)) == "a done")
    set("FETTLE_TEST_TOKEN", "geheim-2")
    #expect(bench.statuses(try bench.run(stages)) == "a cached")
    set("FETTLE_TEST_FLAVOUR", "salted")
    let plan = try bench.plan(try bench.pipeline(stages))
    #expect(plan.entries[0].why == "environment FETTLE_TEST_FLAVOUR: \"plain\" -> \"salted\"")
    #expect(bench.statuses(try bench.run(stages)) == "a done")
    _ = unsafe unsetenv("FETTLE_TEST_TOKEN")
    #expect(bench.statuses(try bench.run(stages)) == "a cached")
    set("FETTLE_TEST_FLAVOUR", "sour")
    let summary = try bench.run(stages)
    #expect(summary.cells[0].error?.contains("the secret 'FETTLE_TEST_TOKEN' is not set") == true)
    let database = try Files.read(bench.project.cache.database)
    #expect(!String(decoding: database, as: UTF8.self).contains("geheim"))
  }

  @Test(arguments: [
    "secrets: [A, A]", "environment: [A], secrets: [A]", "environment: ['A=1']", "secrets: [x]", "environment: [i]",
  ])
  func `takes each name once`(_ keys: String) throws {
    let bench = try Bench()
    #expect(throws: PipelineFileError.self) {
      _ = try bench.pipeline(
        "  a: {uses: command, \(keys), inputs: {i: in.txt}, outputs: {x: x}, with: {run: 'true'}}\n")
    }
  }

  @Test func `belongs to commands`() throws {
    let bench = try Bench()
    do {
      _ = try bench.pipeline("  a: {uses: clean, secrets: [A], with: {sources: [{path: a.jsonl}]}}\n")
      Issue.record("it was taken")
    } catch let error as PipelineFileError {
      #expect(error.description.contains("'secrets' belongs to commands"))
    }
  }
}
