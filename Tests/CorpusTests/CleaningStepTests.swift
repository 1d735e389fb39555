import Basics
import Corpus
import Testing

/// Runs one step over JSON Lines and gives what is left, and the ledger.
private func run(_ step: JSON, _ lines: String) throws -> (rows: [JSON], ledger: [JSON]) {
  let folder = try TestFolder()
  try folder.write("a.jsonl", lines + "{\"text\":\"a row that stays whatever the step under test may be\"}\n")
  try folder.clean("a.jsonl", steps: [step])
  return (Array(try folder.lines("out/train.jsonl").dropLast()), try folder.lines("out/ledger.jsonl"))
}

private func text(_ text: String) -> String { (["text": .string(text)] as JSON).text() + "\n" }

@Suite struct Normalizing {
  private func normalize(_ input: String, _ options: JSON = [:]) throws -> String? {
    let (rows, _) = try run(["normalize": options], text(input))
    return rows.first?["text"]?.string
  }

  @Test(arguments: [
    ("a\r\nb\rc", "a\nb\nc"), ("a  \t\nb", "a\nb"), ("\n\n a \n", "a"), ("a\n\n\n\n\n\nb", "a\n\n\nb"),
    ("a\u{0}b\u{7}c\u{7F}d\u{85}e\u{FEFF}f", "abcdef"), ("e\u{301}", "\u{E9}"), ("\u{212B}", "\u{C5}"),
    ("a\tb", "a\tb"),
    ("  indented\n    code", "indented\n    code"), ("가\u{11A8}", "각"), ("ﬁ", "ﬁ"), ("a \r\n b", "a\n b"),
  ])
  func `a text takes one form`(input: String, output: String) throws {
    #expect(try normalize(input).map { Array($0.utf8) } == Array(output.utf8))
  }

  @Test func `options leave alone what they name`() throws {
    #expect(try normalize("a \r\n", ["whitespace": false]) == "a \r\n")
    #expect(try normalize("e\u{301}", ["unicode": "none"]).map { Array($0.utf8) } == Array("e\u{301}".utf8))
    #expect(try normalize("ﬁ①", ["unicode": "nfkc"]) == "fi1")
    #expect(try normalize("a\u{7}", ["control_characters": "keep"]) == "a\u{7}")
  }

  @Test func `white space where a prompt meets its completion stays`() throws {
    let (rows, _) = try run(["normalize": [:]], #"{"prompt":" Q: x\nA: ","completion":" y \n"}"# + "\n")
    #expect(rows.first?.text() == #"{"prompt":"Q: x\nA: ","completion":" y"}"#)
  }

  @Test func `an edit is in the ledger with the row before and after`() throws {
    let (_, ledger) = try run(["normalize": [:]], text("a \n b"))
    #expect(ledger.count == 1)
    #expect(
      ledger.first?.text()
        == #"{"step":"normalize","index":1,"action":"edited","reason":"normalized","detail":"","file":"a.jsonl","#
        + #""line":1,"offset":0,"before":{"text":"a \n b"},"after":{"text":"a\n b"}}"#)
  }
}

@Suite struct Requiring {
  private func reason(_ line: String, _ options: JSON = [:]) throws -> String? {
    let (rows, ledger) = try run(["require": options], line)
    #expect(rows.count + ledger.count == 1)
    return ledger.first?["reason"]?.string
  }

  private func chat(_ roles: String) -> String {
    let names: [Character: String] = ["s": "system", "u": "user", "a": "assistant", "t": "tool", "c": "assistant"]
    let messages = roles.map { role -> JSON in
      role == "c"
        ? ["role": "assistant", "content": "", "tool_calls": [["function": ["name": "f"]]]]
        : ["role": .string(names[role] ?? ""), "content": "x y"]
    }
    return (["messages": .array(messages)] as JSON).text() + "\n"
  }

  @Test(arguments: ["ua", "sua", "uaua", "ucta", "ucttaua", "uctcta"])
  func `turns in order pass`(roles: String) throws { #expect(try reason(chat(roles)) == nil) }

  @Test(arguments: ["u", "uu", "au", "uaa", "usa", "uta", "uca", "ucua", "sa", "uau", "suas", "uct"])
  func `turns out of order are dropped`(roles: String) throws { #expect(try reason(chat(roles)) == "roles") }

  @Test func `empty questions, answers and texts are dropped`() throws {
    #expect(try reason(chatLine("q", " \n\u{200B}")) == "empty_answer")
    #expect(try reason(chatLine("", "a")) == "empty_prompt")
    #expect(try reason(#"{"prompt":"p","completion":""}"# + "\n") == "empty_answer")
    #expect(try reason(text(" ")) == "empty_text")
    #expect(try reason(chatLine("q", ""), ["non_empty": false]) == nil)
  }

  @Test(arguments: [
    "N/A", "n/a", "TODO", "<noinput>", "<NoOutput>", "...", "…", " lorem ipsum ", "Lorem ipsum dolor sit amet",
    "\"N/A\"",
    "Hello, I am {{name}}, made by {{ author }}.", "TBD",
  ])
  func `a placeholder for an answer is dropped`(answer: String) throws {
    #expect(try reason(chatLine("q", answer)) == "placeholder")
  }

  @Test(arguments: [
    "No.", "5", "The answer is N/A for this field.", "```jinja\n{{name}}\n```", "<p>{{ name }}</p>", "a {{ b }",
    "Todo lists help.",
  ])
  func `a real answer is no placeholder`(answer: String) throws { #expect(try reason(chatLine("q", answer)) == nil) }

  @Test(arguments: [
    "<|im_start|>", "a</s>", "[INST] x", "<|eot_id|>", "<start_of_turn>user", "<｜User｜>", "x<|fim_prefix|>",
  ])
  func `a control token is dropped where asked`(token: String) throws {
    #expect(try reason(chatLine("q \(token)", "a"), ["no_control_tokens": true]) == "control_token")
    #expect(try reason(chatLine("q \(token)", "a")) == nil)
  }

  @Test(arguments: ["a < b | c > d", "<|>", "<||>", "x <| y |> z", "[INSTALL]", "if a<|b"])
  func `signs that are no control token stay`(words: String) throws {
    #expect(try reason(chatLine(words, "a"), ["no_control_tokens": true]) == nil)
  }

  @Test func `replacement characters and long chats are dropped where asked`() throws {
    #expect(try reason(chatLine("q", "a\u{FFFD}"), ["no_replacement_characters": true]) == "replacement_character")
    #expect(try reason(chat("uaua"), ["max_turns": 1]) == "max_turns")
  }
}

/// The helper of the test folder under a name that the suite's own does not hide.
private func chatLine(_ question: String, _ answer: String) -> String { chat(question, answer) }

@Suite struct DroppingByContent {
  @Test(
    arguments: [
      (["chars_below": 8], "short", "chars_below"), (["chars_above": 4], "longer", "chars_above"),
      (["words_below": 3], "two words", "words_below"), (["words_above": 2], "one two three", "words_above"),
      (["answer_chars_below": 20], "short text", "answer_chars_below"),
      (["answer_words_above": 1], "two words", "answer_words_above"),
      (["contains": ["As an AI"]], "Well, as an ai model", "contains"),
      (["non_ascii_ratio_above": number("0.5")], "ééé a", "non_ascii_ratio_above"),
      (["repeated_line_ratio_above": number("0.4")], "a b\nA  b\na b", "repeated_line_ratio_above"),
    ] as [(JSON, String, String)])
  func `a row beyond a bound is dropped under the bound's name`(options: JSON, input: String, reason: String) throws {
    let folder = try TestFolder()
    try folder.write("a.jsonl", text(input) + text("12345678 x"))
    let all: JSON = ["drop_if": options]
    let report = try? folder.clean("a.jsonl", steps: [all])
    let ledger = try folder.lines("out/ledger.jsonl")
    #expect(ledger.first?["reason"]?.string == reason)
    #expect(ledger.first?["line"]?.int == 1)
    #expect(report == nil || report?.rejected[reason] != nil)
  }

  @Test(arguments: ["8 chars!", "ein Ümlaut", "日本語日本語日本"])
  func `a row at the bound stays, counted in characters`(input: String) throws {
    let (rows, _) = try run(["drop_if": ["chars_below": 8]], text(input))
    #expect(rows.count == 1)
  }
}

@Suite struct StepOptions {
  @Test(
    arguments: [
      (["normalise": [:]], "did you mean 'normalize'?"), (["dedup": ["treshold": 1]], "did you mean 'threshold'?"),
      (["dedup": ["method": "exact", "threshold": 1]], nil), (["dedup": ["method": "minhash", "threshold": 2]], nil),
      (["drop_if": [:]], nil), (["decontaminate": [:]], nil), (["require": ["non_empty": "yes"]], nil),
      (["normalize": [:], "require": [:]], nil), (7, nil),
    ] as [(JSON, String?)])
  func `a wrong step is an error with place and suggestion`(step: JSON, remedy: String?) {
    let error = #expect(throws: CorpusError.self) { try StepKind.list([step]) }
    #expect(error?.kind == .option)
    #expect(error?.problem.place?.hasPrefix("steps[0]") == true)
    if let remedy { #expect(error?.problem.remedy == remedy) }
  }

  @Test func `every step can be made from its defaults, or says what it lacks`() throws {
    for kind in StepKind.all where !["drop_if", "decontaminate"].contains(kind.name) {
      _ = try StepKind.make(kind.name, [:])
    }
    #expect(StepKind.all.allSatisfy { !$0.doc.isEmpty && $0.keys.allSatisfy { !$0.doc.isEmpty } })
  }
}
