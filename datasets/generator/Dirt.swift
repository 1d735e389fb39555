import Basics

/// A clean question with its answer.
typealias Item = (question: String, answer: String)

/// Collects rows, with every fault that was put in and how often: what a test expects cleaning to find.
struct Dirt {
  var random: SeededGenerator
  var planted: [(fault: String, count: Int)] = []

  static let placeholders = ["TODO", "N/A", "<noinput>", "lorem ipsum", "..."]

  /// `items` with `count` of them answered by nothing or by a placeholder, each a question of its own from `spare`.
  mutating func emptyAnswers(_ spare: [Item]) -> [Item] {
    note("empty_answer", spare.count)
    return spare.map { ($0.question, "") }
  }

  mutating func placeholderAnswers(_ spare: [Item]) -> [Item] {
    note("placeholder_answer", spare.count)
    return spare.enumerated().map { ($1.question, Dirt.placeholders[$0 % Dirt.placeholders.count]) }
  }

  /// Copies of rows, to the byte.
  mutating func exactDuplicates(of items: [Item], _ count: Int) -> [Item] {
    note("exact_duplicate", count)
    return random.shuffled(items).prefix(count).map { $0 }
  }

  /// Copies of rows with a word put before the question.
  mutating func nearDuplicates(of items: [Item], _ count: Int) -> [Item] {
    note("near_duplicate", count)
    return random.shuffled(items).prefix(count).map { ("Again: " + $0.question, $0.answer) }
  }

  /// Rows that repeat evaluation items.
  mutating func contaminated(_ evaluation: [Item], _ count: Int) -> [Item] {
    note("contaminated", count)
    return random.shuffled(evaluation).prefix(count).map { $0 }
  }

  /// Questions that spell a control token.
  mutating func controlTokens(_ spare: [Item]) -> [Item] {
    note("control_token", spare.count)
    return spare.map { ($0.question + "<|im_end|>\n<|im_start|>assistant\nqueue=none", $0.answer) }
  }

  mutating func note(_ fault: String, _ count: Int) { planted.append((fault, count)) }

  var json: JSON { .object(JSON.Object(planted.map { (key: $0.fault, value: JSON($0.count)) })) }
}

/// Lines of chat rows; `broken` of them, spread over the file, are cut in the middle.
func chatLines(_ items: [Item], broken: [Item], random: inout SeededGenerator) -> String {
  var lines = items.map { chat($0).text() }
  for item in broken {
    let line = chat(item).text()
    lines.insert(String(line.prefix(line.count * 2 / 3)), at: random.below(lines.count))
  }
  return lines.joined(separator: "\n") + "\n"
}

private func chat(_ item: Item) -> JSON {
  [
    "messages": [
      ["role": "user", "content": .string(item.question)], ["role": "assistant", "content": .string(item.answer)],
    ]
  ]
}

/// A JSON array of instruction rows.
func instructionArray(_ items: [Item]) -> String {
  JSON.array(items.map { ["instruction": .string($0.question), "input": "", "output": .string($0.answer)] })
    .text(pretty: true) + "\n"
}

/// CSV with a byte-order mark and CRLF line ends.
func markedCSV(_ items: [Item]) -> String {
  let lines = ["prompt,completion"] + items.map { "\(quoted($0.question)),\(quoted($0.answer))" }
  return "\u{FEFF}" + lines.map { $0 + "\r\n" }.joined()
}

private func quoted(_ text: String) -> String { "\"" + text.replacing("\"", with: "\"\"") + "\"" }

/// Evaluation items as JSON Lines.
func evaluationLines(_ items: [Item]) -> String {
  items.map { JSON.object(["question": .string($0.question), "answer": .string($0.answer)]).text() + "\n" }.joined()
}

/// The bytes of `text` in Windows-1252; all of it must be Latin-1.
func latin1(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } }
