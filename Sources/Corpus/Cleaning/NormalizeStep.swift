import Basics

/// `normalize`: brings every text into one form.
struct NormalizeStep: CleaningStep {
  static let keys: [OptionKey] = [
    OptionKey("unicode", .choice(["nfc", "nfkc", "none"]), default: "nfc", "Unicode normalisation form"),
    OptionKey(
      "whitespace", .boolean, default: true,
      "line ends become LF, blanks at line ends and at both ends go, at most two blank lines stay in a row; "
        + "where a prompt meets its completion nothing is stripped"),
    OptionKey(
      "control_characters", .choice(["remove", "keep"]), default: "remove",
      "whether control characters other than tab and line ends, and byte-order marks inside texts, go"),
  ]

  private let normalizer: TextNormalizer

  init(_ json: JSON, at place: String) throws(CorpusError) {
    let options = try Options(json, keys: NormalizeStep.keys, at: place)
    normalizer = TextNormalizer(
      form: options.string("unicode").flatMap { TextNormalizer.Form(rawValue: $0) } ?? .nfc,
      whitespace: options.flag("whitespace"), removesControls: options.string("control_characters") != "keep")
  }

  func run(_ rows: WorkingRows, _ label: StepLabel) throws(CorpusError) {
    let normalizer = self.normalizer
    try rows.judge(label) { row in
      row.mapTexts { normalizer.apply($0, $1) }.map { .edit($0, reason: "normalized") } ?? .keep
    }
  }
}
