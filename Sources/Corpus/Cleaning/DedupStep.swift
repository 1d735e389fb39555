import Basics

/// `dedup`: keeps the first of equal rows, or of nearly equal ones.
///
/// Rows are equal when their words are: upper and lower case, and white space of any amount, do not count.
struct DedupStep: CleaningStep {
  static let keys: [OptionKey] = [
    OptionKey(
      "method", .choice(["exact", "minhash"]), default: "exact",
      "exact: rows with the same words; minhash: also rows whose sets of word runs are similar"),
    OptionKey(
      "threshold", .number(0.1...1), default: .number(.init(literal: "0.8")),
      "minhash: the Jaccard similarity from which rows are near duplicates; every candidate is verified"),
    OptionKey("ngram", .integer(1...100), default: 5, "minhash: words in a run"),
    OptionKey("permutations", .integer(16...1024), default: 128, "minhash: hash functions"),
    OptionKey("seed", .integer(0...(.max)), default: 1, "minhash: seed of the hash functions"),
    OptionKey(
      "by", .choice(["all", "prompt"]), default: "all",
      "what is compared: all texts of a row joined, or only what is asked (a plain text counts whole)"),
  ]

  private let near: NearDuplicates?
  private let byPrompt: Bool

  init(_ json: JSON, at place: String) throws(CorpusError) {
    let options = try Options(json, keys: DedupStep.keys, at: place)
    byPrompt = options.string("by") == "prompt"
    guard options.string("method") == "minhash" else {
      for key in ["threshold", "ngram", "permutations", "seed"] where options.given(key) {
        throw CorpusError(
          .option, "'\(key)' belongs to method minhash", at: place, remedy: "add 'method: minhash' or remove it")
      }
      near = nil
      return
    }
    near = NearDuplicates(
      words: options.int("ngram") ?? 5, threshold: options.double("threshold") ?? 0.8,
      permutations: options.int("permutations") ?? 128, seed: UInt64(options.int("seed") ?? 1))
  }

  func run(_ rows: WorkingRows, _ label: StepLabel) throws(CorpusError) {
    try dropExact(rows, label)
    if let near { try dropNear(near, rows, label) }
  }

  private func dropExact(_ rows: WorkingRows, _ label: StepLabel) throws(CorpusError) {
    let list = rows.rows
    let byPrompt = self.byPrompt
    let keys = Parallel.mapPieces(list.count, of: WorkingRows.pieceSize) { range in
      range.map { list[$0].key(byPrompt: byPrompt) }
    }
    var firsts: [WordsKey: Int] = [:]
    firsts.reserveCapacity(list.count)
    var of: [Int] = []
    of.reserveCapacity(list.count)
    for key in keys.joined() {
      let index = of.count
      if let first = firsts[key] {
        of.append(first)
        rows.clusters.join(rows.numbers[index], rows.numbers[first])
      } else {
        firsts[key] = index
        of.append(index)
      }
    }
    let first = of
    try rows.apply(label) { index in
      first[index] == index
        ? .keep
        : .drop(
          reason: "exact_duplicate", detail: "has the same words as an earlier row", of: list[first[index]].place)
    }
  }

  private func dropNear(_ near: NearDuplicates, _ rows: WorkingRows, _ label: StepLabel) throws(CorpusError) {
    let list = rows.rows
    let byPrompt = self.byPrompt
    let fates = near.find(list.count) {
      list[$0].words(byPrompt: byPrompt)
    } linked: { later, earlier in
      rows.clusters.join(rows.numbers[later], rows.numbers[earlier])
    }
    rows.isClustered = true
    try rows.apply(label) { index in
      switch fates[index] {
      case .first: .keep
      case .near(let first, let similarity):
        .drop(
          reason: "near_duplicate", detail: "similarity \(Quantity.fixed(similarity, 3)) to an earlier row",
          of: list[first].place)
      }
    }
  }
}

extension Row {
  /// The texts that duplicates are judged by.
  private func comparedTexts(byPrompt: Bool) -> [String] {
    if byPrompt, !promptTexts.isEmpty { return promptTexts }
    return texts
  }

  /// Hashes of all words of the row, in order, tool calls included.
  func words(byPrompt: Bool) -> [UInt64] {
    var words: [UInt64] = []
    for text in comparedTexts(byPrompt: byPrompt) { Words.append(text, .spaces, to: &words) }
    if !byPrompt { appendToolCalls(to: &words) }
    return words
  }

  /// A key that equal rows share.
  func key(byPrompt: Bool) -> WordsKey {
    var key = WordsKey()
    var words: [UInt64] = []
    for text in comparedTexts(byPrompt: byPrompt) {
      words.removeAll(keepingCapacity: true)
      Words.append(text, .spaces, to: &words)
      for word in words { key.add(word) }
      key.addBoundary()
    }
    if !byPrompt {
      words.removeAll(keepingCapacity: true)
      appendToolCalls(to: &words)
      if case .chat(_, let tools?) = content { Words.append(tools.text(), .spaces, to: &words) }
      for word in words { key.add(word) }
    }
    return key
  }

  private func appendToolCalls(to words: inout [UInt64]) {
    guard case .chat(let messages, _) = content else { return }
    for message in messages {
      if let extras = message.extras { Words.append(JSON.object(extras).text(), .spaces, to: &words) }
    }
  }
}
