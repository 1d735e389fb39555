import Basics
import Pipelines
import Tokenization

/// Turns rows into token folders: a shard, and the tokenizer it was made with.
package struct TokenizeStage: StageRunner {
  package init() {}

  package let stopsAtOnce = true

  package func run(_ context: StageContext) throws -> StageReport {
    let source = try TokenSource(with: context.with, root: context.spec.projectRoot, progress: context.progress)
    var metrics: JSON.Object = [:]
    for (input, output) in [("rows", "train"), ("validation", "validation")] where context.wants(output) {
      let statistics = try source.write(
        try context.inputPath(input), to: context.outputPath(output), progress: context.progress)
      metrics[output] = statistics.json
      for note in statistics.notes { context.note("\(output): \(note)") }
    }
    return StageReport(metrics: metrics)
  }
}

/// A tokenizer with its template and what to learn, as a tokenize stage sets them.
struct TokenSource {
  struct Result {
    let json: JSON
    let notes: [String]
  }

  private let encoder: ChatEncoder
  private let packing: Bool
  private let templateSource: String?

  init(with: JSON.Object, root: FilePath, progress: ProgressHandler?) throws {
    let reference = with["tokenizer"]?.string ?? ""
    let tokenizer = try OpenedModel.tokenizer(reference, root: root, progress: progress)
    if let named = with["chat_template"]?.string {
      templateSource = try OpenedModel.templateSource(named, root: root, progress: progress)
    } else {
      templateSource = try OpenedModel.ownTemplate(of: reference, root: root, progress: progress)
    }
    if let config = try OpenedModel.config(reference, root: root, progress: progress) {
      try SequenceLength.check(with["max_seq_length"]?.int ?? 1024, config: config, model: reference)
    }
    packing = with["packing"]?.bool ?? false
    let options = ChatEncoder.Options(
      trainOn: TrainOn(rawValue: with["train_on"]?.string ?? "assistant") ?? .assistant,
      maxSequenceLength: with["max_seq_length"]?.int ?? 1024,
      overlong: ChatEncoder.Overlong(rawValue: with["overlong"]?.string ?? "drop") ?? .drop)
    encoder = ChatEncoder(
      tokenizer: tokenizer, template: try templateSource.map { try ChatTemplate(source: $0) }, options: options)
  }

  private static func row(_ bytes: [UInt8], at place: String) throws(StageError) -> JSON {
    do { return try JSONParser.parse(bytes) } catch {
      var problem = Basics.problem(of: error)
      problem.place = problem.place.map { "\(place), \($0)" } ?? place
      throw StageError(problem)
    }
  }

  /// Writes the rows of `path` as a token folder.
  func write(_ path: FilePath, to folder: FilePath, progress: ProgressHandler) throws -> Result {
    try Files.makeFolder(folder)
    let limit = encoder.options.maxSequenceLength
    let document = encoder.tokenizer.tokenizerJSON()
    let writer = try TokenShardWriter(
      folder.appending(TokenFolder.shardName), tokenizer: Digest(of: document),
      vocabularySize: encoder.tokenizer.vocabularySize, maxSequenceLength: limit)
    var statistics = TokenStatistics()
    var examplesOfDrops: [String: String] = [:]
    let file = try File(reading: path)
    var reader = LineReader(descriptor: file.descriptor)
    var number = 0
    while let line = try reader.next() {
      number += 1
      guard case .text(let bytes) = line else {
        throw StageError("a row of more than 64 MiB", at: "\(path.display):\(number)")
      }
      let row = try encoder.encode(try TokenSource.row(bytes, at: "\(path.display):\(number)"))
      statistics.add(row)
      switch row {
      case .examples(let examples, _, _): for example in examples { try writer.append(example) }
      case .dropped(let reason, let detail):
        if examplesOfDrops[reason.rawValue] == nil { examplesOfDrops[reason.rawValue] = "row \(number): \(detail)" }
      }
      if number % 256 == 0, progress(ProgressEvent(unit: "row", done: number)) == .stop { throw StageStopped() }
    }
    guard statistics.examples > 0 else {
      let reasons = examplesOfDrops.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
      throw StageError(
        "no row gives a token to train (\(reasons.joined(separator: "; ")))", at: path.display,
        remedy: "check max_seq_length, train_on and the template")
    }
    let summary = try writer.finish(packing: packing)
    try TokenizerFiles.write(encoder.tokenizer, template: templateSource, to: folder)
    let notes = statistics.drops.sorted { $0.key.rawValue < $1.key.rawValue }.map { reason, count in
      "\(count) rows dropped, \(reason.rawValue): \(examplesOfDrops[reason.rawValue] ?? "")"
    }
    return Result(json: statistics.json(blocks: summary.blocks, maxSequenceLength: limit), notes: notes)
  }
}
