import Basics
import Foundation
import Pipelines

extension Command {
  static let initialise = Command(
    name: "init", abstract: "Writes a starter pipeline and data for it", positionals: ["[FOLDER]"], options: [],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let folder = FilePath(invocation.positionals.first ?? ".")
      let files = Starter.files
      for (name, _) in files where Files.exists(folder.appending(name)) {
        throw UsageError(
          "\(folder.appending(name).display) is there already", remedy: "give another folder, or move the file away")
      }
      for (name, contents) in files {
        let path = folder.appending(name)
        try Files.makeFolder(path.parent)
        try Files.writeAtomically(Array(contents.utf8), to: path)
      }
      try Files.makeFolder(folder.appending(".fettle"))
      if terminal.wantsJSON {
        terminal.print(["files": .array(files.map { .string(folder.appending($0.name).display) })])
      } else {
        terminal.print(files.map { "wrote \(folder.appending($0.name).display)" }.joined(separator: "\n"))
        let enter = invocation.positionals.first.map { "cd \($0) && " } ?? ""
        terminal.say("now: \(enter)fettle run fettle.yaml")
      }
      return .done
    })
}

/// The files of a starter project: small enough to read, real enough to run in a minute.
enum Starter {
  static var files: [(name: String, contents: String)] {
    [
      (name: "fettle.yaml", contents: pipeline), (name: "data/greetings.jsonl", contents: rows(places.prefix(20))),
      (name: "data/eval.jsonl", contents: rows(places.suffix(4))), (name: "data/eval.yaml", contents: task),
    ]
  }

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

  private static let pipeline = """
    # A starter pipeline: replace the data and the model by your own. 'fettle run fettle.yaml' runs it.
    fettle: 1
    name: starter
    seed: 1
    vars:
      base: preset:nano        # a Hugging Face folder, a .gguf file, hf:org/name@revision, pypi:…, or preset:NAME

    stages:
      clean:
        uses: clean
        with:
          sources: [{path: data/greetings.jsonl}]
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

  private static let task = """
    task: greetings
    dataset_path: json
    dataset_kwargs: {data_files: {test: eval.jsonl}}
    output_type: loglikelihood
    doc_to_text: "{{messages[0].content}}"
    doc_to_target: "{{messages[1].content}}"
    metric_list: [{metric: perplexity}]

    """
}
