import Basics
import Corpus
import Testing

@Suite struct Deduplication {
  @Test func `exact duplicates go by words, and name the row kept`() throws {
    let folder = try TestFolder()
    try folder.write("a.jsonl", chat("What is  up?", "Sky") + chat("what is up?", "sky") + chat("What is up?", "Sea"))
    try folder.clean("a.jsonl", steps: [["dedup": ["method": "exact"]]])
    let ledger = try folder.lines("out/ledger.jsonl")
    #expect(ledger.map { $0["reason"]?.string } == ["exact_duplicate"])
    #expect(ledger[0]["line"]?.int == 2)
    #expect(ledger[0]["of"]?.text() == #"{"file":"a.jsonl","line":1,"offset":0}"#)
    #expect(ledger[0]["after"]?.isNull == true)
    #expect(try folder.lines("out/train.jsonl").count == 2)
  }

  @Test func `rows that differ only in the tool they call are no duplicates`() throws {
    func row(_ name: String) -> String {
      #"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"","tool_calls":"#
        + #"[{"function":{"name":"\#(name)"}}]}]}"# + "\n"
    }
    let folder = try TestFolder()
    try folder.write("a.jsonl", row("f") + row("g"))
    #expect(try folder.clean("a.jsonl", steps: [["dedup": [:]]]).rowsOut == 2)
  }

  @Test func `rows that ask the same are duplicates by prompt`() throws {
    let folder = try TestFolder()
    try folder.write("a.jsonl", chat("q", "one") + chat("Q", "two"))
    #expect(try folder.clean("a.jsonl", steps: [["dedup": ["by": "prompt"]]]).rowsOut == 1)
  }

  /// Texts of random words, some of them copies with a few words changed.
  private func texts(_ count: Int, seed: UInt64) -> [[String]] {
    var random = SeededGenerator(seed: seed)
    var texts: [[String]] = []
    for _ in 0..<count {
      if let base = texts.isEmpty || random.below(3) > 0 ? nil : texts[random.below(texts.count)] {
        var copy = base
        for _ in 0...random.below(4) { copy[random.below(copy.count)] = "w\(random.below(50))" }
        texts.append(copy)
      } else {
        texts.append((0..<(3 + random.below(60))).map { _ in "w\(random.below(50))" })
      }
    }
    return texts
  }

  /// The rows that first-kept-wins leaves when every pair is compared.
  private func truth(_ texts: [[String]], _ length: Int, _ threshold: Double) -> [Int] {
    let sets = texts.map { words in
      Set((0...max(0, words.count - length)).map { words[$0..<min($0 + length, words.count)].joined(separator: " ") })
    }
    var kept: [Int] = []
    for (index, set) in sets.enumerated() {
      let isNear = kept.contains { other in
        let shared = set.intersection(sets[other]).count
        return Double(shared) >= threshold * Double(set.count + sets[other].count - shared)
      }
      if !isNear { kept.append(index) }
    }
    return kept
  }

  @Test(arguments: [(5, "0.8"), (3, "0.6"), (1, "0.9"), (2, "1.0")])
  func `near duplicates are those that comparing all pairs finds`(length: Int, threshold: String) throws {
    let texts = texts(600, seed: UInt64(length))
    let folder = try TestFolder()
    try folder.write(
      "a.jsonl", texts.map { (["text": .string($0.joined(separator: " "))] as JSON).text() + "\n" }.joined())
    try folder.clean(
      "a.jsonl",
      steps: [["dedup": ["method": "minhash", "ngram": JSON(length), "threshold": number(threshold)]]])
    let kept = try folder.lines("out/train.jsonl").map { $0["text"]?.string ?? "" }
    let expected = truth(texts, length, Double(threshold) ?? 1).map { texts[$0].joined(separator: " ") }
    #expect(kept == expected)
    #expect(kept.count < 600 || threshold == "1.0")
  }

  @Test func `a near duplicate tells how near and to which row`() throws {
    let folder = try TestFolder()
    let words = (0..<40).map { "word\($0)" }.joined(separator: " ")
    try folder.write("a.txt", "\(words)\n\(words) more\n")
    try folder.clean("a.txt", steps: [["dedup": ["method": "minhash"]]])
    let entry = try folder.lines("out/ledger.jsonl")[0]
    #expect(entry["reason"]?.string == "near_duplicate")
    #expect(entry["detail"]?.string == "similarity 0.973 to an earlier row")
    #expect(entry["of"]?["line"]?.int == 1)
  }

  @Test func `texts without spaces are compared character by character`() throws {
    let folder = try TestFolder()
    let text = "今日はとても良い天気なので散歩に出かけました。公園には花が咲いていてきれいでした。"
    try folder.write("a.txt", "\(text)\n\(text)また\n全く別の話をここに書きます。\n")
    #expect(try folder.clean("a.txt", steps: [["dedup": ["method": "minhash"]]]).rowsOut == 2)
  }

  @Test(.enabled(if: testData != nil, "FETTLE_TEST_DATA is not set"))
  func `alpaca keeps the 51,999 rows that exact comparison keeps`() throws {
    let folder = try TestFolder()
    let path = try #require(testData).appending("instruct/alpaca_data.json")
    let report = try folder.clean(
      .string(path.display), steps: [["dedup": ["method": "minhash", "threshold": number("0.8"), "ngram": 5]]])
    #expect(report.rowsIn == 52_002)
    #expect(report.rejected == ["near_duplicate": 3])
    #expect(report.rowsOut == 51_999)
  }
}
