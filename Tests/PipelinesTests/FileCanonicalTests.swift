import Basics
import Pipelines
import Testing

/// What a file means, whatever its spelling.
struct FileCanonicalTests {
  private func read(_ text: String, set: [String] = []) throws -> Pipeline {
    try Pipeline.read(Array(text.utf8), file: "c.yaml", overrides: set)
  }

  @Test func `two spellings of one pipeline have equal settings`() throws {
    let one = try read(
      """
      fettle: 1
      name: a
      seed: 7
      stages:
        clean:
          uses: clean
          with:
            sources: [{path: d/a.jsonl, fields: {prompt: q, completion: a}}]
            steps: [{dedup: {method: minhash, threshold: 0.80}}]
            split: {validation: 5e-2, seed: 7}
        tokens: {uses: tokenize, inputs: {rows: clean.train}, with: {tokenizer: bytes}}
        tune:
          uses: finetune
          inputs: {tokens: tokens.train}
          with: {model: "preset:nano", learning_rate: 1e-4, memory_budget: 1GiB, max_steps: 012, seed: 7}
      """)
    let two = try read(
      """
      # the same
      stages:
        tune:
          timeout: 90m
          retries: 3
          with:
            'max_steps': 1.2e1
            "learning_rate": 0.00010
            memory_budget: 2048 MiB
            model: "${vars.base}"
            warmup_ratio: 0.0
          inputs: {tokens: "${stages.tokens.train}"}
          uses: "finetune"
          description: tunes
        tokens: {with: {tokenizer: "bytes", packing: false}, inputs: {rows: clean.train}, uses: tokenize}
        clean:
          with:
            split: {validation: 0.05}
            steps: [{dedup: {threshold: .8, ngram: 5, method: "minhash"}}]
            sources: [{fields: {completion: a, prompt: q}, path: ["d/a.jsonl"]}]
          uses: clean
      vars: {base: 'preset:nano'}
      seed: 0x7
      name: b
      fettle: 1
      """)
    for stage in ["clean", "tokens", "tune"] {
      let (x, y) = (try #require(one[stage]), try #require(two[stage]))
      #expect(x.identity == y.identity)
      #expect(x.inputs.map(\.source) == y.inputs.map(\.source))
      #expect(x.references.map(\.place) == y.references.map(\.place))
    }
    #expect(one["tune"]?.with["memory_budget"]?.int == 1 << 30)
    #expect(two["tune"]?.with["memory_budget"]?.int == 2 << 30 && two["tune"]?.timeout == 5400)
    #expect(one["tune"]?.with["learning_rate"]?.double == 1e-4)
    #expect(one["clean"]?.with["split"]?["seed"] == 7)
  }

  private let small = """
    fettle: 1
    name: v
    vars:
      n: 64
      m: "${vars.n}"
      dir: data
      files: ["${vars.dir}/a.yaml", "${vars.dir}/b?.yaml"]
      text: "a ${vars.n} b $${x}"
    stages:
      clean: {uses: clean, with: {sources: [{path: "${vars.dir}/x.jsonl"}]}}
      tokens: {uses: tokenize, inputs: {rows: clean.train}, with: {tokenizer: bytes, max_seq_length: "${vars.m}"}}
      tune: {uses: finetune, inputs: {tokens: tokens.train}, with: {model: "hf:a/b@main", seed: "${seed}"}}
      score: {uses: evaluate, inputs: {model: "pypi:p==1.0/m.gguf#sha256=\(String(repeating: "0a", count: 32))"}, with: {tasks: "${vars.files}"}}
      say:
        uses: command
        inputs: {a: data.v1/x.txt, b: tune.model}
        with:
          run: |
            echo "${vars.text}" $a ${b} "$${HOME}" ${WHO}
          env: {WHO: me}
    """

  @Test func `variables keep their types, and lists stay lists`() throws {
    let pipeline = try read(small)
    #expect(pipeline["tokens"]?.with["max_seq_length"] == 64)
    #expect(pipeline["score"]?.with["tasks"] == ["data/a.yaml", "data/b?.yaml"])
    #expect(pipeline["score"]?.references.map(\.target) == [.path("data/a.yaml"), .glob("data/b?.yaml")])
    #expect(
      pipeline["score"]?.inputs.map(\.source) == [
        .model("pypi:p==1.0/m.gguf#sha256=\(String(repeating: "0a", count: 32))")
      ])
    #expect(pipeline["tune"]?.references.map(\.target) == [.model("hf:a/b@main")])
    #expect(pipeline["tune"]?.with["seed"] == 42)
    let say = try #require(pipeline["say"])
    #expect(say.with["run"] == "echo \"a 64 b ${x}\" $a ${b} \"${HOME}\" ${WHO}\n")
    #expect(say.inputs.map(\.source) == [.file("data.v1/x.txt"), .output(cell: "tune", output: "model")])
    #expect(pipeline.vars["text"] == "a 64 b ${x}")
  }

  @Test func `set replaces variables and what uses them`() throws {
    let pipeline = try read(small, set: ["vars.n=128", "vars.dir=other dir: x"])
    #expect(pipeline["tokens"]?.with["max_seq_length"] == 128)
    #expect(pipeline["clean"]?.references.map(\.target) == [.path("other dir: x/x.jsonl")])
  }

  @Test(arguments: [
    ("vars.q=1", "there is no variable 'q'"), ("n=1", "takes vars.NAME=VALUE"), ("vars.n", "takes vars.NAME=VALUE"),
    ("vars.n=abc", "'max_seq_length' must be a whole number"), ("vars.nn=1", "did you mean vars.n?"),
  ])
  func `a faulty set is refused`(override: String, words: String) {
    let error = #expect(throws: PipelineFileError.self) { try read(small, set: [override]) }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }

  @Test func `a missing file is told by its name`() {
    let error = #expect(throws: PipelineFileError.self) { try Pipeline.load("no/such/file.yaml") }
    #expect(error?.description.contains("no/such/file.yaml") == true)
  }

  @Test(arguments: [
    "", "a", "[]", "fettle: 1", "fettle: 1\nname: x\nstages:", "fettle: 1\nname: x\nstages: {}", "\u{0}",
    "stages: {a: 1}",
  ])
  func `odd files are refused, never read`(text: String) {
    #expect(throws: PipelineFileError.self) { try read(text) }
  }

  @Test func `a stage's outputs follow from its inputs and keys`() throws {
    let pipeline = try read(FileErrorTests.right)
    #expect(pipeline["clean"]?.outputs.map(\.name) == ["train", "validation", "ledger"])
    #expect(pipeline["tokenize"]?.outputs.map(\.name) == ["train", "validation"])
    #expect(pipeline["shout"]?.outputs.map(\.path) == ["loud.txt"])
    #expect(try read(small)["clean"]?.outputs.map(\.name) == ["train", "ledger"])
  }

  @Test func `expectations may be nested or dotted`() throws {
    let pipeline = try read(
      FileErrorTests.right.replacing(
        "    with: {tasks: [tasks/a.yaml]}",
        with: "    with: {tasks: [tasks/a.yaml]}\n    expect: {tasks: {a: {acc: {min: 0.5}}}, tasks.a.em: {max: 1}}"))
    #expect(pipeline["evaluate"]?.expect.map(\.metric) == [["tasks", "a", "acc"], ["tasks", "a", "em"]])
    #expect(pipeline["evaluate"]?.expect.map(\.minimum) == [0.5, nil])
  }

  @Test func `no damage to a file is more than a list of faults`() {
    let pieces = [
      "${", "}", "\"", ": ", "- ", "{", "]", "\t", "\n", "${matrix.x}", "&a ", "*a", "!x ", "|\n", "<<: ", "\r",
    ]
    var random = SeededGenerator(seed: 11)
    let whole = Array(FileErrorTests.right.utf8)
    var right = 0
    for _ in 0..<500 {
      var bytes = whole
      for _ in 0...random.below(5) {
        let place = random.below(bytes.count)
        switch random.below(3) {
        case 0: bytes.insert(contentsOf: pieces[random.below(pieces.count)].utf8, at: place)
        case 1: bytes.removeSubrange(place..<min(bytes.count, place + random.below(20)))
        default: bytes[place] = UInt8(random.below(256))
        }
      }
      do {
        _ = try Pipeline.read(bytes, file: "c.yaml")
        right += 1
      } catch { #expect(!error.faults.isEmpty) }
    }
    #expect(right < 250)
  }
}
