import Basics
import Foundation
import Models
import Pipelines
import Stages
import Testing
import Tokenization

/// A project folder of a test's own, removed with it.
private final class Scratch {
  let root: FilePath

  init() throws {
    root = FilePath(NSTemporaryDirectory()).appending("fettle-stages-\(UInt64.random(in: 0...UInt64.max))")
    try Files.makeFolder(root)
  }

  deinit { try? Files.removeTree(root) }

  func write(_ text: String, to name: String) throws -> FilePath {
    let path = root.appending(name)
    try Files.makeFolder(path.parent)
    try Files.writeAtomically(Array(text.utf8), to: path)
    return path
  }

  /// Runs one attempt of `kind` in this process; gives its metrics and the folder of its outputs.
  func run(
    _ kind: String, with: JSON, inputs: [(name: String, kind: String, path: FilePath)] = [], outputs: [String],
    references: JSON = [], forecast: JSON = nil
  ) throws -> (metrics: JSON.Object, outputs: FilePath) {
    let work = root.appending("work-\(UInt64.random(in: 0...UInt64.max))")
    try Files.makeFolder(work.appending("out"))
    try Files.makeFolder(work.appending("checkpoints"))
    let spec: JSON = [
      "pipeline": "test", "cell": .string(kind), "stage": .string(kind), "kind": .string(kind), "with": with,
      "references": references,
      "inputs": .array(
        inputs.map {
          ["name": .string($0.name), "kind": .string($0.kind), "path": .string($0.path.display), "model": nil]
        }),
      "outputs": .array(outputs.map { ["name": .string($0), "kind": "files", "path": nil] }), "forecast": forecast,
      "seed": "1", "number": 1, "fingerprint": .string(Digest(of: kind).hex), "project_root": .string(root.display),
      "work_folder": .string(work.display), "output_folder": .string(work.appending("out").display),
      "checkpoint_folder": .string(work.appending("checkpoints").display), "event_descriptor": 3, "runner": 1,
    ]
    let context = StageContext(spec: try AttemptSpec(spec), progress: { _ in .goOn }, note: { _ in })
    let runner = try #require(StageRunners.runner(kind))
    let report = try runner.run(context)
    return (report.metrics, work.appending("out"))
  }
}

private let rows = (0..<12).map { index in
  #"{"messages":[{"role":"user","content":"What comes after \#(index)?"},{"role":"assistant","content":"\#(index + 1)"}]}"#
}.joined(separator: "\n")

private let cleaning: JSON = [
  "sources": [["path": "rows.jsonl"]],
  "steps": [["normalize": ["unicode": "nfc", "whitespace": true]], ["dedup": ["method": "exact"]]],
]

private let tokenizing: JSON = [
  "tokenizer": "bytes", "chat_template": "chatml", "max_seq_length": 128, "packing": true, "train_on": "assistant",
  "overlong": "drop",
]

/// Small golden outputs of the stages whose bytes are the same on every machine: when one of these digests changes,
/// results of an older Fettle must not be reused, so the stage's version in its table must change too. The stages that
/// compute are held to the parts they promise.
@Suite struct StageOutputTests {
  @Test func `clean's output belongs to its version`() throws {
    let scratch = try Scratch()
    _ = try scratch.write(rows + "\n" + rows, to: "rows.jsonl")
    let result = try scratch.run("clean", with: cleaning, outputs: ["train", "ledger"])
    #expect(result.metrics["rows"]?["out"]?.int == 12)
    #expect(result.metrics["rows"]?["rejected"]?["exact_duplicate"]?.int == 12)
    try expect(StageKind.clean, result.outputs.appending("train"), "1:0fe800f00a6f")
    try expect(StageKind.clean, result.outputs.appending("ledger"), "1:60a91dbf8b30")
  }

  @Test func `tokenize's output belongs to its version`() throws {
    let scratch = try Scratch()
    let path = try scratch.write(rows + "\n", to: "train.jsonl")
    let result = try scratch.run(
      "tokenize", with: tokenizing, inputs: [(name: "rows", kind: "rows", path: path)], outputs: ["train"])
    #expect(result.metrics["train"]?["examples"]?.int == 12)
    try expect(StageKind.tokenize, result.outputs.appending("train/tokens.shard"), "1:5519d49fa162")
    try expect(StageKind.tokenize, result.outputs.appending("train/tokenizer.json"), "1:9a016729652d")
  }

  @Test func `training, rehearsal, evaluation and export give the parts they promise`() throws {
    let scratch = try Scratch()
    let path = try scratch.write(rows + "\n", to: "train.jsonl")
    let tokens = try scratch.run(
      "tokenize", with: tokenizing, inputs: [(name: "rows", kind: "rows", path: path)], outputs: ["train"]
    ).outputs.appending("train")
    let settings: JSON = [
      "model": "preset:nano", "chat_template": "chatml", "learning_rate": JSON(1e-3), "per_device_train_batch_size": 1,
      "gradient_accumulation_steps": 2, "max_steps": 2, "memory_budget": 1_073_741_824, "save_steps": 1,
      "logging_steps": 1,
    ]
    let trained = try scratch.run(
      "finetune", with: settings, inputs: [(name: "tokens", kind: "tokens", path: tokens)],
      outputs: ["model", "metrics"])
    let peak = try #require(trained.metrics["peak_memory"])
    #expect(peak["predicted"]?.int != nil && peak["measured"]?.int != nil && peak["budget"]?.int == 1_073_741_824)
    for name in ["tokens_per_second", "train_loss", "steps", "trained_tokens", "seconds"] {
      #expect(trained.metrics[name]?.double != nil, "\(name)")
    }
    let model = trained.outputs.appending("model")
    for name in [
      "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json",
    ] { #expect(Files.exists(model.appending(name)), "\(name)") }

    let rehearsed = try scratch.run(
      "dry-run", with: ["ladder": [["model": "preset:nano", "max_seq_length": 64, "steps": 2, "batches": "longest"]]],
      inputs: [(name: "tokens", kind: "tokens", path: tokens)], outputs: ["forecast"],
      forecast: ["cell": "finetune", "kind": "finetune", "with": settings, "seed": "1"])
    #expect(rehearsed.metrics["hours"]?.double != nil)
    #expect(rehearsed.metrics["peak_memory"]?["predicted"]?.int != nil)

    let items = (0..<4).map { #"{"q":"What comes after \#($0)?","a":"\#($0 + 1)"}"# }.joined(separator: "\n")
    _ = try scratch.write(items, to: "items.jsonl")
    let task = try scratch.write(
      """
      task: after
      dataset_path: json
      dataset_kwargs: {data_files: {test: items.jsonl}}
      output_type: multiple_choice
      doc_to_text: "{{q}}"
      doc_to_target: a
      doc_to_choice: ["1", "2", "3", "4"]
      """, to: "task.yaml")
    let evaluated = try scratch.run(
      "evaluate",
      with: [
        "tasks": [.string(task.display)], "baseline": "preset:nano", "apply_chat_template": true,
        "chat_template": "chatml",
      ],
      inputs: [(name: "model", kind: "model", path: model)], outputs: ["results"],
      references: [["place": ["tasks", 0], "text": "task.yaml", "paths": [.string(task.display)]]])
    let accuracy = try #require(evaluated.metrics["tasks"]?["after"]?["acc"])
    #expect(
      accuracy["n"]?.int == 4 && accuracy["baseline"]?["value"]?.double != nil && accuracy["p_value"]?.double != nil)

    let exported = try scratch.run(
      "export", with: ["dtype": "bfloat16"], inputs: [(name: "model", kind: "model", path: model)], outputs: ["files"])
    #expect(Files.exists(exported.outputs.appending("files/model.safetensors")))
  }

  @Test func `a row that is no JSON is named by file and line`() throws {
    let scratch = try Scratch()
    let path = try scratch.write(rows + "\n{\"text\":\n", to: "train.jsonl")
    let error = #expect(throws: StageError.self) {
      try scratch.run(
        "tokenize", with: tokenizing, inputs: [(name: "rows", kind: "rows", path: path)], outputs: ["train"])
    }
    #expect(error?.problem.place?.contains("train.jsonl:13") == true, "\(error?.description ?? "")")
  }

  @Test func `a tokenizer's broken configuration is an error, no template is none`() throws {
    let scratch = try Scratch()
    let path = try scratch.write(#"{"text":"abc"}"# + "\n", to: "train.jsonl")
    let folder = scratch.root.appending("tokenizer")
    _ = try scratch.write(
      String(decoding: Tokenizer.bytes.tokenizerJSON(), as: UTF8.self), to: "tokenizer/tokenizer.json")
    var settings = tokenizing.object ?? [:]
    settings["chat_template"] = nil
    for reference in [folder, folder.appending("tokenizer.json")] {
      settings["tokenizer"] = .string(reference.display)
      let result = try scratch.run(
        "tokenize", with: .object(settings), inputs: [(name: "rows", kind: "rows", path: path)], outputs: ["train"])
      #expect(result.metrics["train"]?["examples"]?.int == 1)
    }
    settings["tokenizer"] = .string(folder.display)
    _ = try scratch.write(
      #"{"chat_template": [{"name": "other", "template": ""}]}"#, to: "tokenizer/tokenizer_config.json")
    let error = #expect(throws: ModelError.self) {
      try scratch.run(
        "tokenize", with: .object(settings), inputs: [(name: "rows", kind: "rows", path: path)], outputs: ["train"])
    }
    #expect(error?.description.contains("chat_template must be") == true)
  }

  @Test func `tokens of another tokenizer are refused`() throws {
    let scratch = try Scratch()
    let path = try scratch.write(rows + "\n", to: "train.jsonl")
    let tokens = try scratch.run(
      "tokenize", with: tokenizing, inputs: [(name: "rows", kind: "rows", path: path)], outputs: ["train"]
    ).outputs.appending("train")
    var document = try JSONParser.parse(try Files.read(tokens.appending("tokenizer.json"))).object ?? [:]
    document["truncation"] = ["max_length": 7]
    try Files.writeAtomically(JSON.object(document).encoded(), to: tokens.appending("other.json"))
    let error = #expect(throws: StageError.self) {
      try scratch.run(
        "finetune",
        with: ["model": "preset:nano", "tokenizer": .string(tokens.appending("other.json").display), "max_steps": 1],
        inputs: [(name: "tokens", kind: "tokens", path: tokens)], outputs: ["model", "metrics"])
    }
    #expect(error?.problem.what == "the tokens were made with another tokenizer than that of the model")
    #expect(error?.problem.remedy?.contains("tokenize with the model's own tokenizer") == true)
  }

  @Test func `a prompt of an evaluation begins as training rendered it`() throws {
    let source =
      "{{ strftime_now('%Y-%m-%d') }}|{{ pad_token is defined }}|{{ unk_token is defined }}|{{ bos_token is defined }}|"
      + "{% for m in messages %}<|im_start|>{{ m.role }}:{{ m.content }}{{ eos_token }}{% endfor %}"
      + "{% if add_generation_prompt %}<|im_start|>assistant:{% endif %}"
    let template = try ChatTemplate(source: source)
    let question: JSON = ["role": "user", "content": "a"]
    let encoder = ChatEncoder(
      tokenizer: .bytes, template: template, options: ChatEncoder.Options(maxSequenceLength: 256))
    let trained = try #require(try encoder.render([question, ["role": "assistant", "content": "b"]], of: [:]))
    let asked = try ChatPrompt(template: template, tokenizer: .bytes).text([question])
    #expect(trained.text.starts(with: asked.bytes))
    #expect(String(decoding: asked.bytes, as: UTF8.self).hasPrefix("2024-07-26|"))
  }

  /// Compares "version:beginning of the digest".
  private func expect(_ kind: StageKind, _ path: FilePath, _ golden: String) throws {
    let found = "\(kind.version):\(try Files.digest(path).hex.prefix(12))"
    #expect(found == golden, "\(kind.name), \(path.name)")
  }
}
