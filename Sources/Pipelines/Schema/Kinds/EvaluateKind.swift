import Basics

extension StageKind {
  package static let evaluate = StageKind(
    name: "evaluate", version: 1,
    doc: "Scores a model on tasks, beside a baseline, with errors and a paired test",
    with: KeyTable(
      [
        Key("tasks", .paths, required: true, "Task files in lm-evaluation-harness's vocabulary, or globs of them"),
        Key("baseline", .model(.model), "A model to compare with, on the same prompts"),
        Key("num_fewshot", .integer(0...1000), "Solved examples before each question; as the task says when absent"),
        Key("apply_chat_template", .bool, default: false, "Ask through the chat template, for both models alike"),
        .chatTemplate,
        Key("tokenizer", .model(.tokenizer), "A tokenizer for models that bring none"),
        Key("limit", .integer(1...Int.max), "Only the first so many questions of each task"),
        Key("batch_size", .integer(1...65_536), default: 8, "Answers generated side by side"),
        Key("seed", .integer(0...Int.max), default: 1234, "Seeds the choice of solved examples, as the harness does"),
        .device, .threads,
      ],
      aliases: sharedAliases.merging(
        [
          "task": "tasks", "benchmarks": "tasks", "base": "baseline", "base_model": "baseline",
          "reference": "baseline", "fewshot": "num_fewshot", "n_shot": "num_fewshot", "shots": "num_fewshot",
          "num_shots": "num_fewshot", "max_samples": "limit", "num_samples": "limit",
          "per_device_eval_batch_size": "batch_size", "eval_batch_size": "batch_size",
          "use_chat_template":
            "apply_chat_template", "chat": "apply_chat_template", "fewshot_seed": "seed",
        ], uniquingKeysWith: { first, _ in first })),
    inputs: [
      Input(name: "model", kind: .model, required: true, takesReferences: true, doc: "The model to score")
    ],
    outputs: [Output(name: "results", kind: .results, doc: "Metrics by task, each answer, and the comparison")])
}
