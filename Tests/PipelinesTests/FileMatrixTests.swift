import Basics
import Pipelines
import Testing

/// How a matrix makes cells, and how cells are joined to what they read.
struct FileMatrixTests {
  private func read(_ stages: String) throws -> Pipeline {
    let text = "fettle: 1\nname: m\nstages:\n" + stages
    return try Pipeline.read(Array(text.utf8), file: "m.yaml")
  }

  private let clean = "  clean: {uses: clean, with: {sources: [{path: a.jsonl}]}}\n"

  @Test func `the same producer's axis joins, different ones multiply`() throws {
    let pipeline = try read(
      clean + """
          tokenize:
            uses: tokenize
            inputs: {rows: clean.train}
            matrix: {n: [64, 128]}
            with: {tokenizer: bytes, max_seq_length: "${matrix.n}"}
          one:
            uses: finetune
            inputs: {tokens: tokenize.train}
            matrix: {lr: [1e-3, 0.01]}
            with: {model: "preset:nano", learning_rate: "${matrix.lr}"}
          compare:
            uses: command
            inputs: {model: one.model, tokens: tokenize.train}
            with: {run: "true"}

        """)
    #expect(pipeline.indices(of: "one").count == 4)
    let ids = pipeline.indices(of: "compare").map { pipeline.cells[$0].id }
    #expect(
      ids == [
        "compare[n=64,lr=0.001]", "compare[n=64,lr=0.01]", "compare[n=128,lr=0.001]", "compare[n=128,lr=0.01]",
      ])
    for id in ids {
      let cell = try #require(pipeline[id])
      let inside = id.dropFirst("compare".count)
      let n = inside.contains("n=64") ? "[n=64]" : "[n=128]"
      #expect(
        cell.inputs.map(\.source) == [
          .output(cell: "one\(inside)", output: "model"), .output(cell: "tokenize\(n)", output: "train"),
        ])
    }
  }

  @Test func `axes of one name from two stages carry their stage's name`() throws {
    let pipeline = try read(
      """
        a: {uses: command, matrix: {x: [1, 2]}, with: {run: "echo ${matrix.x} > $out"}, outputs: {out: o}}
        b: {uses: command, matrix: {x: [3]}, with: {run: "echo ${matrix.x} > $out"}, outputs: {out: o}}
        c: {uses: command, inputs: {p: a.out, q: b.out}, with: {run: "echo ${matrix.a.x} ${matrix.b.x}"}}

      """)
    #expect(pipeline.indices(of: "c").map { pipeline.cells[$0].id } == ["c[a.x=1,b.x=3]", "c[a.x=2,b.x=3]"])
    #expect(pipeline["c[a.x=2,b.x=3]"]?.with["run"] == "echo 2 3")
    let error = #expect(throws: PipelineFileError.self) {
      try read(
        """
          a: {uses: command, matrix: {x: [1, 2]}, with: {run: "echo ${matrix.x} > $out"}, outputs: {out: o}}
          b: {uses: command, matrix: {x: [3]}, with: {run: "echo ${matrix.x} > $out"}, outputs: {out: o}}
          c: {uses: command, inputs: {p: a.out, q: b.out}, with: {run: "echo ${matrix.x}"}}

        """)
    }
    #expect(error?.description.contains("several stages have an axis 'x'") == true)
  }

  @Test func `a reference in with joins the axes of the stage it names`() throws {
    let pipeline = try read(
      clean + """
          base:
            uses: finetune
            inputs: {tokens: tokens.train}
            matrix: {s: [1, 2]}
            with: {model: "preset:nano", seed: "${matrix.s}"}
          tokens: {uses: tokenize, inputs: {rows: clean.train}, with: {tokenizer: bytes}}
          tuned: {uses: finetune, inputs: {tokens: tokens.train}, with: {model: "${stages.base.model}"}}
          score: {uses: evaluate, inputs: {model: tuned.model}, with: {tasks: t.yaml, baseline: "${stages.base.model}"}}

        """)
    let score = try #require(pipeline["score[s=2]"])
    #expect(score.references.last?.target == .output(cell: "base[s=2]", output: "model"))
    #expect(score.references.last?.place == [.key("baseline")])
    #expect(score.reads == ["tuned[s=2]", "base[s=2]"])
    #expect(score.with["tasks"] == ["t.yaml"])
    #expect(pipeline.stageNames == ["clean", "base", "tokens", "tuned", "score"])
    let order = pipeline.cells.map(\.id)
    #expect(
      order == ["clean", "tokens", "base[s=1]", "base[s=2]", "tuned[s=1]", "tuned[s=2]", "score[s=1]", "score[s=2]"])
    #expect(pipeline["base[s=2]"]?.seed == 2)
  }

  @Test func `a gate with an axis of its own must permit at every point of it`() throws {
    let pipeline = try read(
      clean + """
          tokens: {uses: tokenize, inputs: {rows: clean.train}, with: {tokenizer: bytes}}
          dry:
            uses: dry-run
            inputs: {tokens: tokens.train}
            matrix: {k: [1, 2]}
            with: {ladder: [{model: "preset:nano", steps: "${matrix.k}"}], forecast: tune}
          tune:
            uses: finetune
            inputs: {tokens: tokens.train, gate: dry}
            matrix: {b: [1, 4]}
            with: {model: "preset:nano", per_device_train_batch_size: "${matrix.b}"}

        """)
    #expect(pipeline["tune[b=4]"]?.gates == ["dry[b=4,k=1]", "dry[b=4,k=2]"])
    #expect(pipeline["dry[b=4,k=2]"]?.forecast == "tune[b=4]")
    #expect(pipeline["tune[b=4]"]?.reads == ["tokens"])
  }

  @Test func `ids spell values so that no two cells share one`() throws {
    let pipeline = try read(
      """
        a: {uses: command, matrix: {x: [1, "1", true, "a,b", a/b, é, "x y"]}, with: {run: "echo ${matrix.x}"}}

      """)
    #expect(
      pipeline.cells.map(\.id) == [
        "a[x=1]", "a[x=\"1\"]", "a[x=true]", "a[x=\"a,b\"]", "a[x=a/b]", "a[x=\"é\"]", "a[x=\"x y\"]",
      ])
  }

  @Test func `a matrix too large is refused`() {
    let values = "[" + (0..<400).map(String.init).joined(separator: ", ") + "]"
    let error = #expect(throws: PipelineFileError.self) {
      try read("  a: {uses: command, matrix: {x: \(values), y: \(values)}, with: {run: \"${matrix.x} ${matrix.y}\"}}\n")
    }
    #expect(error?.description.contains("more than 100000 cells") == true)
  }

  @Test func `ten thousand stages resolve`() throws {
    var stages = ""
    for index in 0..<10_000 {
      let input = index == 0 ? "a.txt" : "s\(index - 1).out"
      stages += "  s\(index):\n    uses: command\n    inputs: {data: \(input)}\n    with: {run: \"cat $data > $out\"}\n"
      stages += "    outputs: {out: o.txt}\n"
    }
    let pipeline = try read(stages)
    #expect(pipeline.cells.count == 10_000)
    #expect(pipeline.cells.last?.reads == ["s9998"])
  }

  @Test func `ten thousand faults are counted, not listed`() throws {
    var stages = ""
    for index in 0..<10_000 {
      stages += "  s\(index): {uses: command, inputs: {data: t\(index).train}, with: {rum: \"x\"}}\n"
    }
    let error = #expect(throws: PipelineFileError.self) { try read(stages) }
    #expect(error?.faults.count == 100 && (error?.unlisted ?? 0) >= 9_900)
  }
}
