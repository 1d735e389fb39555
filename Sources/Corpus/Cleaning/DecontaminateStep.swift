import Basics

/// `decontaminate`: drops rows that repeat evaluation items.
///
/// A row goes when it shares a run of `ngram` words with any text of an item, words being parted by white space or by
/// everything that is no letter or digit (both are tried, case never counts), or when what it asks, a line of that, or
/// all of it together is the same as a whole question, or question and answer, of an item.
struct DecontaminateStep: CleaningStep {
  static let keys: [OptionKey] = [
    OptionKey("against", .paths, required: true, "files of evaluation items, in any supported format and shape"),
    OptionKey("ngram", .integer(2...100), default: 13, "words in a run that must not be shared"),
    OptionKey("fields", .strings, "fields of the items that count; without it all texts do"),
  ]

  private let against: [String]
  private let length: Int
  private let fields: [String]

  init(_ json: JSON, at place: String) throws(CorpusError) {
    let options = try Options(json, keys: DecontaminateStep.keys, at: place)
    against = options.strings("against")
    length = options.int("ngram") ?? 13
    fields = options.strings("fields")
    if against.isEmpty { throw CorpusError(.option, "'against' names no file", at: place) }
  }

  func run(_ rows: WorkingRows, _ label: StepLabel) throws(CorpusError) {
    let items = try EvaluationItems(against, fields: fields, length: length, root: rows.root)
    try rows.judge(label, items: items.files) { row in
      var scratch = EvaluationItems.Scratch()
      guard let match = items.match(row, &scratch) else { return .keep }
      return .drop(reason: "contaminated", detail: match.detail, of: match.place, items: true)
    }
  }
}
