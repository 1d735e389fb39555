import Basics
import Pipelines
import Testing

/// Whole pipeline files.
struct FileTests {
  static let tickets = """
    # yaml-language-server: $schema=../docs/pipeline.schema.json
    fettle: 1
    name: support-tickets
    seed: 42
    vars:
      base: models/smollm2-135m-instruct
      length: 512

    stages:
      clean:
        uses: clean
        with:
          sources:
            - path: datasets/tickets/*.jsonl
          steps:
            - normalize: {unicode: nfc, whitespace: true}
            - require: {roles_alternate: true, non_empty: true, no_placeholder: true}
            - drop_if: {chars_below: 8}
            - dedup: {method: minhash, threshold: 0.8, ngram: 5}
            - decontaminate: {against: [datasets/tickets-eval.jsonl], ngram: 13}
          split: {validation: 0.05, by: cluster}
          expect: {keep_ratio: {min: 0.5}}

      tokenize:
        uses: tokenize
        inputs: {rows: clean.train, validation: clean.validation}
        with: {tokenizer: "${vars.base}", max_seq_length: "${vars.length}", packing: true, train_on: assistant}

      rehearse:
        uses: dry-run
        inputs: {tokens: tokenize.train}
        with:
          ladder:
            - {model: "preset:nano", max_seq_length: 128, steps: 20}
            - {model: "${vars.base}", max_seq_length: 128, steps: 3}
            - {model: "${vars.base}", max_seq_length: "${vars.length}", steps: 3, batches: longest}
          forecast: finetune
          require: {peak_memory: 4GiB, hours: 2}

      finetune:
        uses: finetune
        inputs: {tokens: tokenize.train, validation: tokenize.validation, gate: rehearse}
        matrix: {learning_rate: [1e-4, 2e-5]}
        with:
          model: "${vars.base}"
          method: full
          learning_rate: "${matrix.learning_rate}"
          per_device_train_batch_size: 1
          gradient_accumulation_steps: 8
          num_train_epochs: 1
          lr_scheduler_type: cosine
          warmup_ratio: 0.03
          optim: adamw_torch
          gradient_checkpointing: auto
          activation_offloading: auto
          memory_budget: 4GiB
          save_steps: 50
        retries: 2
        timeout: 6h

      evaluate:
        uses: evaluate
        inputs: {model: finetune.model}
        with: {tasks: [datasets/tickets-eval.yaml], baseline: "${vars.base}", num_fewshot: 0, apply_chat_template: true}
    """

  private func read(_ text: String, set: [String] = []) throws -> Pipeline {
    try Pipeline.read(Array(text.utf8), file: "p.yaml", overrides: set)
  }

  @Test func `the design's example is read whole`() throws {
    let pipeline = try read(Self.tickets)
    #expect(pipeline.name == "support-tickets" && pipeline.seed == 42)
    #expect(
      pipeline.cells.map(\.id) == [
        "clean", "tokenize", "rehearse[learning_rate=0.0001]", "rehearse[learning_rate=2e-05]",
        "finetune[learning_rate=0.0001]", "finetune[learning_rate=2e-05]", "evaluate[learning_rate=0.0001]",
        "evaluate[learning_rate=2e-05]",
      ])
    let finetune = try #require(pipeline["finetune[learning_rate=0.0001]"])
    #expect(finetune.with["memory_budget"]?.int == 4 << 30)
    #expect(finetune.with["learning_rate"]?.double == 0.0001)
    #expect(finetune.gates == ["rehearse[learning_rate=0.0001]"])
    #expect(finetune.timeout == 21600 && finetune.retries.count == 2)
    #expect(finetune.seed == 42 && finetune.with["seed"] == 42)
    #expect(finetune.identity["memory_budget"] == nil && finetune.identity["save_steps"] == nil)
    #expect(finetune.identity["gradient_checkpointing"] == nil && finetune.identity["device"] != nil)
    #expect(finetune.outputs.map(\.name) == ["model", "metrics"])
    let clean = try #require(pipeline["clean"])
    #expect(clean.expect.map(\.metric) == [["keep_ratio"]] && clean.expect.first?.minimum == 0.5)
    #expect(clean.with["expect"] == nil)
    #expect(
      clean.references.map(\.target) == [.glob("datasets/tickets/*.jsonl"), .path("datasets/tickets-eval.jsonl")])
    for reference in clean.references {
      #expect(JSON.object(clean.with).value(at: reference.place) == JSON(reference.text))
    }
    let rehearse = try #require(pipeline["rehearse[learning_rate=2e-05]"])
    #expect(rehearse.forecast == "finetune[learning_rate=2e-05]")
    #expect(rehearse.identity["require"] == nil && rehearse.identity["forecast"] == nil)
    let evaluate = try #require(pipeline["evaluate[learning_rate=2e-05]"])
    #expect(
      evaluate.inputs.map(\.source) == [.output(cell: "finetune[learning_rate=2e-05]", output: "model")])
    #expect(evaluate.reads == ["finetune[learning_rate=2e-05]"])
  }
}
