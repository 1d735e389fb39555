import Basics
import Evaluation
import Foundation
import Testing

/// Renders `{{name}}` only: enough to test what surrounds the template engine.
private let plainRenderer: TaskItemBuilder.Renderer = { template, fields throws(EvaluationError) in
  var text = template
  for (key, value) in fields.members {
    text = text.split(separator: "{{\(key)}}", omittingEmptySubsequences: false).joined(
      separator: value.string ?? value.text())
  }
  if text.contains("{{") { throw EvaluationError("undefined field", value: template) }
  return text
}

private func task(_ members: [(key: String, value: JSON)]) throws -> EvaluationTask {
  let base: [(key: String, value: JSON)] = [
    ("task", "t"), ("dataset_path", "json"), ("dataset_kwargs", ["data_files": ["test": "t.jsonl"]]),
    ("doc_to_text", "Q: {{q}}"), ("doc_to_target", "{{a}}"),
  ]
  let kept = base.filter { old in !members.contains { $0.key == old.key } }
  return try EvaluationTask(.object(JSON.Object(kept + members)), file: "t.yaml")
}

private func context(_ request: ModelRequest) -> (String, String) {
  switch request {
  case .continuation(let context, let text):
    (String(decoding: context.bytes, as: UTF8.self), String(decoding: text, as: UTF8.self))
  case .whole(let text): ("", String(decoding: text, as: UTF8.self))
  case .generate(let prompt, _): (String(decoding: prompt.bytes, as: UTF8.self), "")
  }
}

@Suite struct TaskTests {
  @Test func `every fault of a task file is told at once, with the nearest key`() throws {
    let error = #expect(throws: EvaluationError.self) {
      try task([
        (key: "output_type", value: "multiple_choise"), (key: "doc_to_txt", value: "x"),
        (key: "num_fewshot", value: -1),
      ])
    }
    let text = try #require(error).problem.description
    #expect(text.contains("multiple_choise") && text.contains("did you mean 'doc_to_text'"))
    #expect(text.contains("num_fewshot"))
  }

  @Test func `choices follow the context after the delimiter, and none with a chat`() throws {
    let task = try task([
      (key: "output_type", value: "multiple_choice"), (key: "doc_to_choice", value: ["yes", "no"]),
    ])
    let document: JSON.Object = ["q": "is it?", "a": "no"]
    let plain = TaskItemBuilder(task: task, shots: 0, shotDocuments: [], render: plainRenderer, chat: nil)
    let item = try plain.item(document, at: 0)
    #expect(item.gold == 1)
    #expect(context(item.requests[0]) == ("Q: is it?", " yes"))
    let chat = TaskItemBuilder(task: task, shots: 0, shotDocuments: [], render: plainRenderer) {
      messages throws(EvaluationError) in PromptText("<" + (messages[0]["content"]?.string ?? "") + ">")
    }
    #expect(context(try chat.item(document, at: 0).requests[1]) == ("<Q: is it?>", "no"))
  }

  @Test func `first_n takes the first documents that are not the item itself`() throws {
    let task = try task([
      (key: "output_type", value: "generate_until"), (key: "fewshot_config", value: ["sampler": "first_n"]),
    ])
    let documents: [JSON.Object] = [["q": "1", "a": "one"], ["q": "2", "a": "two"], ["q": "3", "a": "three"]]
    let builder = TaskItemBuilder(task: task, shots: 2, shotDocuments: documents, render: plainRenderer, chat: nil)
    #expect(context(try builder.item(documents[1], at: 1).requests[0]).0 == "Q: 1 one\n\nQ: 3 three\n\nQ: 2")
    let many = TaskItemBuilder(task: task, shots: 3, shotDocuments: documents, render: plainRenderer, chat: nil)
    #expect(throws: EvaluationError.self) { try many.item(documents[0], at: 0) }
  }

  @Test(arguments: [
    ("['a', \"b c\", 'd\\'e']", ["a", "b c", "d'e"]), ("[ 'x' , 'y' ]", ["x", "y"]), ("[1, 2]", ["1", "2"]),
  ])
  func `a template may print a Python list of choices`(printed: String, expected: [String]) throws {
    let task = try task([
      (key: "output_type", value: "multiple_choice"), (key: "doc_to_choice", value: "{{c}}"),
      (key: "doc_to_target", value: 0),
    ])
    let builder = TaskItemBuilder(task: task, shots: 0, shotDocuments: [], render: plainRenderer, chat: nil)
    #expect(try builder.item(["q": "?", "c": .string(printed)], at: 0).choices == expected)
  }

  @Test func `acc takes sums, acc_norm divides by code points, the first wins ties`() throws {
    let task = try task([
      (key: "output_type", value: "multiple_choice"), (key: "doc_to_choice", value: ["ab", "é"]),
      (key: "metric_list", value: [["metric": "acc"], ["metric": "acc_norm"], ["metric": "acc_bytes"]]),
    ])
    let item = TaskItem(index: 0, requests: [], choices: ["abcd", "éé"], gold: 1, target: "", text: "")
    let answers: [[ModelAnswer]] = [
      [.likelihood(sum: -4, isGreedy: false, tokens: 1), .likelihood(sum: -4, isGreedy: false, tokens: 1)]
    ]
    let values = try TaskScores(task).scores([item], answers).map(\.value)
    #expect(values == [0, 0, 0])
    let closer: [[ModelAnswer]] = [
      [.likelihood(sum: -4, isGreedy: false, tokens: 1), .likelihood(sum: -1.9, isGreedy: false, tokens: 1)]
    ]
    #expect(try TaskScores(task).scores([item], closer).map(\.value) == [1, 1, 1])
  }

  @Test func `an answer is matched to the letter unless the metric says otherwise`() throws {
    let item = TaskItem(index: 0, requests: [], choices: [], gold: 0, target: "Blue.", text: "")
    let answers: [[ModelAnswer]] = [[.text(Array("blue".utf8))]]
    let strict = try task([(key: "output_type", value: "generate_until")])
    #expect(try TaskScores(strict).scores([item], answers)[0].value == 0)
    let lenient = try task([
      (key: "output_type", value: "generate_until"),
      (
        key: "metric_list", value: [["metric": "exact_match", "ignore_case": true, "ignore_punctuation": true]]
      ),
    ])
    #expect(try TaskScores(lenient).scores([item], answers)[0].value == 1)
  }

  @Test func `a filter cuts the answer out of the text`() throws {
    let item = TaskItem(index: 0, requests: [], choices: [], gold: 0, target: "42", text: "")
    let task = try task([
      (key: "output_type", value: "generate_until"),
      (
        key: "filter_list",
        value: [
          [
            "name": "strict",
            "filter": [["function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"], ["function": "take_first"]],
          ]
        ]
      ),
    ])
    #expect(try TaskScores(task).scores([item], [[.text(Array("so #### 42".utf8))]])[0].value == 1)
    #expect(try TaskScores(task).scores([item], [[.text(Array("so 42".utf8))]])[0].value == 0)
  }

  @Test func `perplexities follow their formulas`() throws {
    let task = try task([
      (key: "output_type", value: "loglikelihood_rolling"), (key: "doc_to_target", value: "{{a}}"),
    ])
    let item = TaskItem(index: 0, requests: [], choices: [], gold: 0, target: "", text: "two words")
    let scores = try TaskScores(task).scores([item], [[.likelihood(sum: -6, isGreedy: false, tokens: 3)]])
    #expect(abs(scores[0].value - 20.085536923187668) < 1e-9)
    #expect(abs(scores[1].value - 1.9477340410546757) < 1e-9)
    #expect(abs(scores[2].value - 0.9617966939259756) < 1e-9)
  }
}

@Suite struct ShotTests {
  /// Items whose prompt begins with the shots' questions, in order.
  private func shots(_ count: Int, of size: Int, items: Int) throws -> [[String]] {
    let task = try task([(key: "output_type", value: "generate_until"), (key: "target_delimiter", value: "|")])
    let documents: [JSON.Object] = (0..<size).map { ["q": .string("\($0)"), "a": "x"] }
    let builder = TaskItemBuilder(
      task: task, shots: count, shotDocuments: documents, sharesSplit: false, render: plainRenderer, chat: nil)
    return try (0..<items).map { index in
      let item = try builder.item(["q": "asked", "a": "x"], at: index)
      return context(item.requests[0]).0.components(separatedBy: "Q: ").dropFirst().dropLast().map {
        String($0.prefix { $0 != "|" })
      }
    }
  }

  @Test func `shots are those that Python's random.Random(1234).sample draws`() throws {
    #expect(try shots(3, of: 10, items: 1) == [["7", "1", "0"]])
    #expect(try shots(4, of: 1000, items: 1) == [["989", "796", "451", "119"]])
    #expect(
      try shots(7, of: 30, items: 2) == [
        ["24", "14", "3", "0", "2", "18", "1"], ["21", "22", "2", "3", "24", "11", "7"],
      ])
  }

  @Test func `a rendered place is a place even where a choice is spelt like one`() throws {
    let task = try task([
      (key: "output_type", value: "multiple_choice"), (key: "doc_to_choice", value: ["2", "3", "1", "0"]),
      (key: "doc_to_target", value: "{{place}}"),
    ])
    let builder = TaskItemBuilder(task: task, shots: 0, shotDocuments: [], render: plainRenderer, chat: nil)
    #expect(try builder.item(["q": "?", "place": 1], at: 0).gold == 1)
    let byField = try self.byField()
    #expect(try byField.item(["q": "?", "a": "1"], at: 0).gold == 2)
  }

  private func byField() throws -> TaskItemBuilder {
    let task = try task([
      (key: "output_type", value: "multiple_choice"), (key: "doc_to_choice", value: ["2", "3", "1", "0"]),
      (key: "doc_to_target", value: "a"),
    ])
    return TaskItemBuilder(task: task, shots: 0, shotDocuments: [], render: plainRenderer, chat: nil)
  }

  @Test func `several filters give a number each, and unknown samplers are refused`() throws {
    let item = TaskItem(index: 0, requests: [], choices: [], gold: 0, target: "7", text: "")
    let several = try task([
      (key: "output_type", value: "generate_until"),
      (
        key: "filter_list",
        value: [
          ["name": "strict", "filter": [["function": "regex", "regex_pattern": "#### ([0-9]+)"]]],
          ["name": "flexible", "filter": [["function": "regex", "regex_pattern": "([0-9]+)", "group_select": -1]]],
        ]
      ),
    ])
    let scores = try TaskScores(several).scores([item], [[.text(Array("it is 7".utf8))]])
    #expect(scores.map(\.metric.name) == ["exact_match,strict", "exact_match,flexible"])
    #expect(scores.map(\.value) == [0, 1])
    #expect(throws: EvaluationError.self) {
      try task([(key: "output_type", value: "generate_until"), (key: "fewshot_config", value: ["sampler": "best"])])
    }
  }

  @Test func `without a stop text the text between shots is one`() throws {
    #expect(try task([(key: "output_type", value: "generate_until")]).generation.until == ["\n\n"])
  }
}
