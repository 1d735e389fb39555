import Basics
import Corpus
import Testing

@Suite struct Decontamination {
  private let long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"

  /// Lines of the rows dropped because of `items`.
  private func dropped(_ rows: String, _ items: String, name: String = "eval.jsonl", _ options: JSON.Object = [:])
    throws
    -> [Int]
  {
    let folder = try TestFolder()
    try folder.write("a.jsonl", rows + chat("nothing in common with it", "at all"))
    try folder.write(name, items)
    var step = options
    step["against"] = .string(name)
    try folder.clean("a.jsonl", steps: [["decontaminate": .object(step)]])
    return try folder.lines("out/ledger.jsonl").compactMap { $0["line"]?.int }
  }

  @Test(arguments: [
    #"{"question":"X","answer":"Y"}"#, #"{"ctx":"X","endings":["Y"]}"#, #"{"deep":{"er":["X"]}}"#, #"{"text":"X"}"#,
    #"{"messages":[{"role":"user","content":"X"},{"role":"assistant","content":"Y"}]}"#,
  ])
  func `a run of words shared with an item of any shape is found`(item: String) throws {
    let items = item.replacing("X", with: long) + "\n"
    let rows = chat("Before: \(long) after", "a") + chat("q", long.uppercased()) + chat(String(long.dropLast(25)), "a")
    #expect(try dropped(rows, items) == [1, 2])
  }

  @Test func `punctuation does not hide a run`() throws {
    let rows = chat(long.replacing(" ", with: ", "), "a") + chat(long.replacing(" ", with: " - "), "a")
    #expect(try dropped(rows, "{\"question\":\"\(long)\"}\n") == [1, 2])
  }

  @Test func `a shorter run is left alone and the length is an option`() throws {
    let rows = chat("one two three four five six seven eight nine ten and so on", "a")
    #expect(try dropped(rows, "{\"question\":\"\(long)\"}\n") == [])
    #expect(try dropped(rows, "{\"question\":\"\(long)\"}\n", ["ngram": 8]) == [1])
  }

  @Test func `a short question is found as a whole, however it is written`() throws {
    let items = #"{"question":"What is the capital of Peru?","answer":"Lima"}"# + "\n"
    let rows =
      chat("what is the capital of PERU", "Lima") + chat("Question: What is the capital of Peru?", "x")
      + chat("Read this.\nWhat is the capital of Peru?", "x") + chat("What is the capital of Chad?", "Lima")
      + #"{"text":"What is the capital of Peru? Lima"}"# + "\n" + chat("Lima", "What is the capital of Peru?")
    #expect(try dropped(rows, items) == [1, 2, 3, 5])
  }

  @Test func `labels and choices of an item contaminate nothing`() throws {
    let items = #"{"query":"Pick the colour of the sky","choices":["blue","a dark red"],"category":"colours"}"# + "\n"
    #expect(try dropped(chat("blue", "x") + chat("a dark red", "x") + chat("colours", "x"), items) == [])
  }

  @Test func `fields restrict what counts`() throws {
    let items = "{\"question\":\"short one\",\"explanation\":\"\(long)\"}\n"
    let rows = chat(long, "a") + chat("short one", "a")
    #expect(try dropped(rows, items, ["fields": ["question"]]) == [2])
    #expect(try dropped(rows, items, ["fields": "explanation"]) == [1])
  }

  @Test func `a field that no item has, or items without text, are errors`() throws {
    let items = "{\"question\":\"short one\"}\n"
    for fields in [["qestion"], ["question", "anwser"]] as [JSON] {
      let error = #expect(throws: CorpusError.self) { try dropped(chat("q", "a"), items, ["fields": fields]) }
      #expect(error?.problem.description.contains("no evaluation item has the field") == true)
    }
    #expect(throws: CorpusError.self) { try dropped(chat("q", "a"), "{\"question\":1}\n") }
    #expect(throws: CorpusError.self) { try dropped(chat("q", "a"), "{\"question\":1}\n", ["fields": ["question"]]) }
  }

  @Test func `the ledger names the item and the words shared`() throws {
    let folder = try TestFolder()
    try folder.write("a.jsonl", chat("Q: \(long)", "a") + chat("other", "row"))
    try folder.write("eval.csv", "question,answer\nfirst,1\n\(long),2\n")
    try folder.clean("a.jsonl", steps: [["decontaminate": ["against": "*.csv"]]])
    let entry = try folder.lines("out/ledger.jsonl")[0]
    #expect(entry["reason"]?.string == "contaminated")
    #expect(entry["of"]?.text() == #"{"file":"eval.csv","line":3,"offset":24}"#)
    #expect(entry["detail"]?.string?.contains("one two three") == true)
    #expect(entry["before"]?["messages"] != nil)
  }

  @Test func `evaluation files that can not be read are errors`() throws {
    #expect(throws: CorpusError.self) { try dropped(chat("q", "a"), "{\"question\":\"x\n{\"question\":\"y\"}\n") }
    let folder = try TestFolder()
    try folder.write("a.jsonl", chat("q", "a"))
    #expect(throws: CorpusError.self) {
      try folder.clean("a.jsonl", steps: [["decontaminate": ["against": "missing.jsonl"]]])
    }
  }

  @Test(.enabled(if: testData != nil, "FETTLE_TEST_DATA is not set"))
  func `rows made of GSM8K's questions are all found`() throws {
    let path = try #require(testData).appending("eval/gsm8k_train.jsonl").display
    let folder = try TestFolder()
    try folder.write("own.jsonl", chat("a question of our own", "an answer"))
    let report = try folder.clean(
      ["own.jsonl", .string(path)], steps: [["decontaminate": ["against": .string(path)]]])
    #expect(report.rejected == ["contaminated": 7473])
  }
}
