import Basics
import Evaluation
import Pipelines
import Stages

extension Command {
  static let score = Command(
    name: "score", abstract: "Gives the log-probabilities of token ids, one JSON object a line from standard input",
    positionals: [],
    options: [
      .value("model", "M", "a model folder, a .gguf file, hf:…, pypi:… or preset:NAME"),
      .value("top", "K", "also the K likeliest ids after the last one"),
      .value("device", "D", "cpu, cuda or auto (default: auto)"),
      .value("threads", "N", "threads to use (default: all cores)"),
    ],
    run: { invocation throws in
      let top = try invocation.whole("top", in: 1...1_000_000)
      let opened = try OpenedModel(try invocation.required("model"), root: Project(invocation).root)
      let model = try opened.languageModel(
        on: try invocation.device() ?? .auto, threads: try invocation.whole("threads", in: 1...1024))
      return try JSONLines.map(invocation) { value in
        let ids: [Int32]
        if let given = value["ids"] {
          ids = try tokenIDs(given)
        } else if let text = value["text"]?.string {
          ids = try model.tokenizer.encodeIDs(Array(text.utf8))
        } else {
          throw UsageError("a line needs 'ids' or 'text'", value: value.text())
        }
        let (score, candidates) = try model.score(ids: ids, top: top ?? 0)
        var answer: JSON.Object = [
          "ids": .array(ids.map { JSON(Int($0)) }),
          "logprobs": .array([.null] + score.logProbabilities.map { JSON($0) }), "sum": JSON(score.sum),
        ]
        if top != nil {
          answer["top"] = .array(
            candidates.map {
              ["id": JSON(Int($0.id)), "logit": JSON($0.logit), "logprob": JSON($0.logProbability)]
            })
        }
        return .object(answer)
      }
    })

  static let generate = Command(
    name: "generate", abstract: "Continues a prompt", positionals: [],
    options: [
      .value("model", "M", "a model folder, a .gguf file, hf:…, pypi:… or preset:NAME"),
      .value("prompt", "P", "the text to continue"),
      .flag("chat", "wrap the prompt in the model's chat template as a user's message"),
      .value("system", "S", "with --chat: a system message before it"),
      .value("max-new-tokens", "N", "most tokens to generate (default: 256)"),
      .value("temperature", "T", "0 takes the likeliest token (default: 0)"),
      .value("seed", "N", "seed of the draws (default: 0)"),
      .value("device", "D", "cpu, cuda or auto (default: auto)"),
      .value("threads", "N", "threads to use (default: all cores)"),
    ],
    run: { invocation throws in
      let prompt = try invocation.required("prompt")
      var options = EvaluationTask.Generation()
      options.maxTokens = try invocation.whole("max-new-tokens", in: 1...65536) ?? 256
      options.temperature = try invocation.number("temperature", from: 0) ?? 0
      let seed = try invocation.whole("seed", in: 0...Int.max) ?? 0
      let opened = try OpenedModel(try invocation.required("model"), root: Project(invocation).root)
      let model = try opened.languageModel(
        on: try invocation.device() ?? .auto, threads: try invocation.whole("threads", in: 1...1024))
      options.maxTokens = min(options.maxTokens, model.maximumLength - 1)
      var text = PromptText(prompt)
      if invocation.has("chat") {
        let system: [JSON] = invocation.value("system").map { [["role": "system", "content": .string($0)]] } ?? []
        text = try opened.chatPrompt(system + [["role": "user", "content": .string(prompt)]])
      }
      let result = try model.generate(text, options, seed: UInt64(seed))
      let terminal = Terminal(invocation)
      let answer = String(decoding: result.text, as: UTF8.self)
      if terminal.wantsJSON {
        terminal.print([
          "text": .string(answer), "ids": .array(result.ids.map { JSON(Int($0)) }),
          "finish_reason": .string(result.reason.rawValue),
        ])
      } else {
        terminal.print(answer)
      }
      return .done
    })
}
