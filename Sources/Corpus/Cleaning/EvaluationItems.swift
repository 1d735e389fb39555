import Basics

/// The texts of evaluation items, as tables to look rows up in.
final class EvaluationItems: Sendable {
  /// Where an item stands; `source` points into `files`.
  private let places: [RowPlace]
  let files: [String]
  /// Hashes of runs of words, by how words were cut, with the item each came from.
  private let spaceRuns: RunTable
  private let letterRuns: RunTable
  /// Keys of whole short texts, with the item.
  private let wholes: [WordsKey: Int32]
  private let length: Int

  /// Reads every item of `paths`, in any supported format and of any shape.
  init(_ paths: [String], fields: [String], length: Int, root: FilePath) throws(CorpusError) {
    self.length = length
    let reader = RowReader(valuesBelow: root)
    let spec = SourceSpec(paths: paths.map { FilePath($0) })
    var places: [RowPlace] = []
    var spaceRuns = RunTable()
    var letterRuns = RunTable()
    var wholes: [WordsKey: Int32] = [:]
    var missing = Set(fields)
    var hasText = false
    try reader.read(try reader.files(spec), spec) { batch throws(CorpusError) in
      if let reject = batch.rejects.first {
        throw CorpusError(
          .source, "an evaluation item can not be read: \(reject.detail)",
          at: "\(reader.sources[reject.place.source].name):\(reject.place.line)",
          remedy: "mend the file: an unread item could not be kept out of the training rows")
      }
      let first = places.count
      let values = batch.values
      places += values.map(\.place)
      let pieces = Parallel.mapPieces(values.count, of: 64) { range in
        var texts = ItemTexts(fields: fields, length: length)
        for index in range { texts.add(values[index].value, Int32(first + index)) }
        return texts
      }
      for piece in pieces {
        missing.subtract(piece.foundFields)
        hasText = hasText || !piece.spaceRuns.isEmpty || !piece.letterRuns.isEmpty || !piece.wholes.isEmpty
        for (hash, item) in piece.spaceRuns { spaceRuns.insert(hash, item) }
        for (hash, item) in piece.letterRuns { letterRuns.insert(hash, item) }
        for (key, item) in piece.wholes where wholes[key] == nil { wholes[key] = item }
      }
    }
    guard !places.isEmpty else {
      throw CorpusError(.source, "the evaluation files hold no item", at: paths.joined(separator: ", "))
    }
    // Without these rows would be kept that repeat an item, and nobody would know.
    if let field = fields.first(where: missing.contains) {
      throw CorpusError(
        .option, "no evaluation item has the field '\(field)'", at: paths.joined(separator: ", "),
        remedy: "correct 'fields', or leave it out to compare all texts")
    }
    guard hasText else {
      throw CorpusError(
        .source, "the evaluation items hold no text to compare with", at: paths.joined(separator: ", "),
        remedy: fields.isEmpty ? "check the files" : "name other fields, or leave 'fields' out to compare all texts")
    }
    spaceRuns.seal()
    letterRuns.seal()
    self.places = places
    files = reader.sources.map(\.name)
    self.spaceRuns = spaceRuns
    self.letterRuns = letterRuns
    self.wholes = wholes
  }

  /// What an item and a row have in common.
  struct Match {
    let place: RowPlace
    let detail: String
  }

  /// Memory that one look-up leaves for the next.
  struct Scratch {
    fileprivate var words: [UInt64] = []
    fileprivate var runs: [UInt64] = []
  }

  /// The first item that `row` repeats: a run of words, or a short text as a whole.
  func match(_ row: Row, _ scratch: inout Scratch) -> Match? {
    let texts = row.texts
    for (split, table) in [(WordSplit.spaces, spaceRuns), (.letters, letterRuns)] {
      scratch.words.removeAll(keepingCapacity: true)
      for text in texts { Words.append(text, split, to: &scratch.words) }
      guard scratch.words.count >= length else { continue }
      scratch.runs.removeAll(keepingCapacity: true)
      Shingles.append(scratch.words, count: length, to: &scratch.runs)
      if let hit = table.first(of: scratch.runs) {
        let shared = EvaluationItems.excerpt(texts, split, hit.start, length)
        return Match(
          place: places[Int(hit.item)],
          detail: "shares \(length) words with an evaluation item: '\(Problem.shortened(shared, limit: 200))'")
      }
    }
    // The words that are left are those of the letters.
    for key in AskedTexts.keys(of: row, all: scratch.words) {
      if let item = wholes[key] {
        return Match(place: places[Int(item)], detail: "is the same as an evaluation item")
      }
    }
    return nil
  }

  /// The words from number `start` on, as they stand in the row.
  private static func excerpt(_ texts: [String], _ split: WordSplit, _ start: Int, _ count: Int) -> String {
    var skipped = 0
    var found: [String] = []
    for text in texts {
      let ranges = Words.ranges(text, split)
      let bytes = Array(text.utf8)
      for (index, range) in ranges.enumerated() where (start..<start + count).contains(skipped + index) {
        found.append(String(decoding: bytes[range], as: UTF8.self))
      }
      skipped += ranges.count
    }
    return found.joined(separator: " ")
  }
}

/// Collects what of the items is looked up.
struct ItemTexts: Sendable {
  let fields: [String]
  let length: Int
  private(set) var spaceRuns: [(hash: UInt64, item: Int32)] = []
  private(set) var letterRuns: [(hash: UInt64, item: Int32)] = []
  private(set) var wholes: [(key: WordsKey, item: Int32)] = []
  /// Which of `fields` some item has.
  private(set) var foundFields: Set<String> = []

  init(fields: [String], length: Int) {
    self.fields = fields
    self.length = length
  }

  /// Fields that hold a question whatever their length.
  private static let questionFields = [
    "question", "query", "prompt", "instruction", "input", "problem", "goal", "ctx", "context", "sentence", "text",
    "premise", "passage", "turns", "content", "value",
  ]

  /// A text of any other field counts as a whole from so many words on; shorter ones may be labels or choices.
  private static let leastWords = 8

  mutating func add(_ value: JSON, _ item: Int32) {
    if !fields.isEmpty, let object = value.object {
      for field in fields {
        guard let part = object[field] else { continue }
        foundFields.insert(field)
        addStrings(part, item, isQuestion: true, depth: 0)
      }
      return
    }
    if let contents = try? RowShape(mapping: nil).contents(of: value) {
      for content in contents { add(Row(content, at: RowPlace(source: 0, line: 0, offset: 0)), item) }
    }
    addStrings(value, item, isQuestion: value.string != nil, depth: 0)
  }

  /// An item of a known shape: its question, and question and answer together.
  private mutating func add(_ row: Row, _ item: Int32) {
    for text in row.promptTexts { addWhole(text, item, least: 1) }
    addWhole(row.texts.joined(separator: "\n"), item, least: 1)
  }

  private mutating func addStrings(_ value: JSON, _ item: Int32, isQuestion: Bool, depth: Int) {
    guard depth < 16 else { return }
    switch value {
    case .string(let text):
      addRuns(text, item)
      addWhole(text, item, least: isQuestion ? 1 : ItemTexts.leastWords)
    case .array(let values):
      for value in values { addStrings(value, item, isQuestion: isQuestion, depth: depth + 1) }
    case .object(let object):
      for (key, value) in object.members {
        let asks = ItemTexts.questionFields.contains { sameBytes($0, key) || sameBytes($0, key.lowercased()) }
        addStrings(value, item, isQuestion: asks, depth: depth + 1)
      }
    default: break
    }
  }

  private mutating func addRuns(_ text: String, _ item: Int32) {
    func runs(_ split: WordSplit) -> [UInt64] {
      let words = Words.hashes(text, split)
      guard words.count >= length else { return [] }
      var hashes: [UInt64] = []
      hashes.reserveCapacity(words.count)
      Shingles.append(words, count: length, to: &hashes)
      return hashes
    }
    for hash in runs(.spaces) { spaceRuns.append((hash, item)) }
    for hash in runs(.letters) { letterRuns.append((hash, item)) }
  }

  private mutating func addWhole(_ text: String, _ item: Int32, least: Int) {
    let words = Words.hashes(text, .letters)
    guard words.count >= least, !words.isEmpty else { return }
    wholes.append((WordsKey(words), item))
  }
}

/// What of a row may equal a whole question.
enum AskedTexts {
  /// A line counts as a question from so many words on.
  private static let leastWords = 4

  /// Keys of each question, of its lines, both also without a label such as "Question:" before them, and of `all`,
  /// the words of all texts together.
  static func keys(of row: Row, all: [UInt64]) -> [WordsKey] {
    var keys = [WordsKey(all)]
    var words: [UInt64] = []
    for text in texts(of: row) {
      words.removeAll(keepingCapacity: true)
      Words.append(text, .letters, to: &words)
      add(words, least: 1, to: &keys)
      guard text.utf8.contains(UInt8(ascii: "\n")) else { continue }
      for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
        words.removeAll(keepingCapacity: true)
        Words.append(String(Substring(line)), .letters, to: &words)
        add(words, least: leastWords, to: &keys)
      }
    }
    return keys
  }

  private static func add(_ words: [UInt64], least: Int, to keys: inout [WordsKey]) {
    guard words.count >= least else { return }
    keys.append(WordsKey(words))
    if let first = words.first, words.count > least, labels.contains(first) { keys.append(WordsKey(words.dropFirst())) }
  }

  /// Words that label a question.
  private static let labels: [UInt64] = ["question", "q", "input", "instruction", "user", "human"].flatMap {
    Words.hashes($0, .letters)
  }

  private static func texts(of row: Row) -> [String] {
    switch row.content {
    case .chat(let messages, _): messages.compactMap { $0.role == .user ? $0.content : nil }
    case .completion(let prompt, _): [prompt]
    case .text(let text): [text]
    }
  }
}
