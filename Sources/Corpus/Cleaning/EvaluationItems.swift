import Basics

/// The texts of evaluation items, as tables to look rows up in.
final class EvaluationItems: Sendable {
  /// Where an item stands; `source` points into `files`.
  private let places: [RowPlace]
  let files: [String]
  /// Hashes of runs of words, with the item each came from.
  private let runs: RunTable
  /// Keys of whole short texts, with the item.
  private let wholes: [WordsKey: Int32]
  private let length: Int

  var count: Int { places.count }

  /// Reads every item of `paths`, in any supported format and of any shape.
  init(_ paths: [String], fields: [String], length: Int, root: FilePath) throws(CorpusError) {
    self.length = length
    let reader = RowReader(valuesBelow: root)
    let spec = SourceSpec(paths: paths.map { FilePath($0) })
    var places: [RowPlace] = []
    var texts = ItemTexts(fields: fields, length: length)
    try reader.read(try reader.files(spec), spec) { batch throws(CorpusError) in
      for (value, place) in batch.values {
        texts.add(value, Int32(places.count))
        places.append(place)
      }
      if let reject = batch.rejects.first {
        throw CorpusError(
          .source, "an evaluation item can not be read: \(reject.detail)",
          at: "\(reader.sources[reject.place.source].name):\(reject.place.line)",
          remedy: "mend the file: an unread item could not be kept out of the training rows")
      }
    }
    guard !places.isEmpty else {
      throw CorpusError(.source, "the evaluation files hold no item", at: paths.joined(separator: ", "))
    }
    self.places = places
    files = reader.sources.map(\.name)
    runs = RunTable(texts.runs)
    wholes = texts.wholes
  }

  /// What an item and a row have in common.
  struct Match {
    let place: RowPlace
    let detail: String
  }

  /// The first item that `row` repeats: a run of words, or a short text as a whole.
  func match(_ row: Row) -> Match? {
    let texts = row.texts
    for split in [WordSplit.spaces, .letters] {
      var words: [UInt64] = []
      for text in texts { Words.append(text, split, to: &words) }
      if let hit = runs.first(words, length: length, salt: ItemTexts.salt(split)) {
        let shared = EvaluationItems.excerpt(texts, split, hit.start, length)
        return Match(
          place: places[Int(hit.item)],
          detail: "shares \(length) words with an evaluation item: '\(Problem.shortened(shared, limit: 200))'")
      }
    }
    for key in ItemTexts.wholeKeys(of: row) {
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
struct ItemTexts {
  let fields: [String]
  let length: Int
  private(set) var runs: [(hash: UInt64, item: Int32)] = []
  private(set) var wholes: [WordsKey: Int32] = [:]

  init(fields: [String], length: Int) {
    self.fields = fields
    self.length = length
  }

  /// Different splits give different runs, which must not be mixed up.
  static func salt(_ split: WordSplit) -> UInt64 { split == .spaces ? 0x6A09_E667_F3BC_C908 : 0xBB67_AE85_84CA_A73B }

  /// Fields that hold a question whatever their length.
  private static let questionFields: Set<String> = [
    "question", "query", "prompt", "instruction", "input", "problem", "goal", "ctx", "context", "sentence", "text",
    "premise", "passage", "turns",
  ]

  /// A text of an unknown field counts as a whole from so many words on; shorter ones are labels.
  private static let leastWords = 4

  mutating func add(_ value: JSON, _ item: Int32) {
    if !fields.isEmpty, let object = value.object {
      for field in fields {
        if let part = object[field] { addStrings(part, item, isQuestion: true, depth: 0) }
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
    addRuns(row.texts.joined(separator: "\n"), item)
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
        let names = !fields.isEmpty || ItemTexts.questionFields.contains(key.lowercased())
        addStrings(value, item, isQuestion: names, depth: depth + 1)
      }
    default: break
    }
  }

  private mutating func addRuns(_ text: String, _ item: Int32) {
    for split in [WordSplit.spaces, .letters] {
      let words = Words.hashes(text, split)
      guard words.count >= length else { continue }
      var hashes: [UInt64] = []
      Shingles.append(words, count: length, to: &hashes)
      for hash in hashes { runs.append((hash ^ ItemTexts.salt(split), item)) }
    }
  }

  private mutating func addWhole(_ text: String, _ item: Int32, least: Int) {
    let words = Words.hashes(text, .letters)
    guard words.count >= least else { return }
    let key = WordsKey(words)
    if wholes[key] == nil { wholes[key] = item }
  }

  /// The keys of a row that a short item may equal: each question, its lines, all texts together, a plain text.
  static func wholeKeys(of row: Row) -> [WordsKey] {
    var keys: [WordsKey] = []
    var all: [UInt64] = []
    for (text, asks) in askedTexts(row) {
      let words = Words.hashes(text, .letters)
      all += words
      guard asks, !words.isEmpty else { continue }
      keys.append(WordsKey(words))
      if let label = labels.first(where: { words.starts(with: $0) }), words.count > label.count {
        keys.append(WordsKey(words[label.count...]))
      }
      guard text.utf8.contains(UInt8(ascii: "\n")) else { continue }
      for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
        let words = Words.hashes(String(decoding: line, as: UTF8.self), .letters)
        if words.count >= leastWords { keys.append(WordsKey(words)) }
        if let label = labels.first(where: { words.starts(with: $0) }), words.count > label.count {
          keys.append(WordsKey(words[label.count...]))
        }
      }
    }
    keys.append(WordsKey(all))
    return keys
  }

  /// "Question:" and the like before a question.
  private static let labels: [[UInt64]] = ["question", "q", "input", "instruction", "user", "human"].map {
    Words.hashes($0, .letters)
  }

  private static func askedTexts(_ row: Row) -> [(String, Bool)] {
    switch row.content {
    case .chat(let messages, _): messages.map { ($0.content, $0.role == .user) }
    case .completion(let prompt, let completion): [(prompt, true), (completion, false)]
    case .text(let text): [(text, true)]
    }
  }
}

/// A table of run hashes: a bit map that most look-ups end at, and the sorted hashes behind it.
struct RunTable: Sendable {
  private let hashes: [UInt64]
  private let items: [Int32]
  private let bits: [UInt64]
  private let shift: UInt64

  init(_ runs: [(hash: UInt64, item: Int32)]) {
    let sorted = runs.sorted { ($0.hash, $0.item) < ($1.hash, $1.item) }
    hashes = sorted.map(\.hash)
    items = sorted.map(\.item)
    var size: UInt64 = 16
    while size < 30, 1 << size < UInt64(runs.count) * 16 { size += 1 }
    shift = 64 - size
    var bits = [UInt64](repeating: 0, count: 1 << Int(size - 6))
    for hash in hashes {
      let place = hash >> (64 - size)
      bits[Int(place >> 6)] |= 1 << (place & 63)
    }
    self.bits = bits
  }

  /// The first run of `words` that is in the table: where it begins and the first item that has it.
  func first(_ words: [UInt64], length: Int, salt: UInt64) -> (start: Int, item: Int32)? {
    guard words.count >= length else { return nil }
    var runs: [UInt64] = []
    runs.reserveCapacity(words.count)
    Shingles.append(words, count: length, to: &runs)
    for (start, run) in runs.enumerated() {
      let hash = run ^ salt
      let place = hash >> shift
      if bits[Int(place >> 6)] >> (place & 63) & 1 == 0 { continue }
      if let item = item(of: hash) { return (start, item) }
    }
    return nil
  }

  private func item(of hash: UInt64) -> Int32? {
    var low = 0
    var high = hashes.count
    while low < high {
      let middle = (low + high) / 2
      if hashes[middle] < hash { low = middle + 1 } else { high = middle }
    }
    return low < hashes.count && hashes[low] == hash ? items[low] : nil
  }
}
