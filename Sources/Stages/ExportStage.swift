import Basics
import Models
import Pipelines
import Tokenization

/// Writes a model as a Hugging Face folder that other tools load.
package struct ExportStage: StageRunner {
  package init() {}

  package let stopsAtOnce = true

  package func run(_ context: StageContext) throws -> StageReport {
    guard let input = context.input("model"), let reference = input.path?.display ?? input.model else {
      throw StageError("the input 'model' is not given", at: context.spec.cell)
    }
    let model = try OpenedModel(reference, root: context.spec.projectRoot, seed: context.seed)
    let storage = ModelWriter.Storage(rawValue: context.with["dtype"]?.string ?? "float32") ?? .float32
    let merge = context.with["merge"]?.bool
    guard merge == nil || model.files.adapter != nil else {
      throw StageError(
        "'merge' has no effect: the model has no adapter", at: context.spec.cell, value: reference,
        remedy: "remove it")
    }
    let folder = context.outputPath("files")
    let export = ModelExport(model: model, storage: storage, shardLimit: context.with["max_shard_size"]?.int)
    var metrics: JSON.Object = ["parameters": JSON(model.files.config.parameterCount)]
    if merge == false {
      try export.writeAdapter(to: folder, progress: context.progress)
    } else {
      try export.write(to: folder, progress: context.progress)
      if let distance = try export.distance(of: folder) {
        metrics["merge"] = distance.json
        context.note(distance.words)
      }
    }
    return StageReport(metrics: metrics)
  }
}

/// A model folder: configuration, weights, tokenizer, template, generation settings.
package struct ModelExport {
  private let model: OpenedModel
  private let storage: ModelWriter.Storage
  private let shardLimit: Int?

  package init(model: OpenedModel, storage: ModelWriter.Storage, shardLimit: Int? = nil) {
    self.model = model
    self.storage = storage
    self.shardLimit = shardLimit
  }

  /// Writes the folder; one that holds a model already is refused.
  package func write(to folder: FilePath, progress: ProgressHandler?) throws {
    var writer = ModelWriter(
      config: model.files.config, storage: storage, generationConfig: model.files.generationConfig,
      files: try model.tokenizer.map { try TokenizerFiles.json($0, template: model.files.chatTemplate) } ?? [],
      chatTemplate: model.files.chatTemplate)
    if let shardLimit { writer.shardLimit = shardLimit }
    try write(with: writer, to: folder, progress: progress)
  }

  /// Writes the model's adapter alone, with the tokenizer and what else travels with a model.
  func writeAdapter(to folder: FilePath, progress: ProgressHandler?) throws {
    guard let adapter = model.files.adapter else { return }
    let uniform = adapter.uniform(model.files.config)
    let record =
      adapter.files.record
      ?? AdapterRecord(
        base: adapter.files.base, baseDigest: nil, seed: nil, vocabularySize: nil, quantisesBase: false)
    try AdapterWriter(
      config: model.files.config, options: uniform.options, record: record, storage: storage,
      generationConfig: model.files.generationConfig,
      files: try model.tokenizer.map { try TokenizerFiles.json($0, template: model.files.chatTemplate) } ?? [],
      chatTemplate: model.files.chatTemplate
    ).write(uniform.weights, to: folder, progress: progress)
  }

  /// How far the logits of the merged model in `folder` are from those of the base with its adapter, over a text; nil
  /// for a model without an adapter.
  func distance(of folder: FilePath) throws -> AdapterDistance? {
    guard let adapter = model.files.adapter, adapter.isOfBlocks else { return nil }
    let config = model.files.config
    var ids = try model.tokenizer.map { try $0.encodeIDs(Array(ModelExport.text.utf8)) } ?? []
    if ids.isEmpty { ids = (0..<min(64, config.vocabularySize)).map { Int32($0) } }
    ids = Array(ids.filter { $0 < config.vocabularySize }.prefix(min(256, config.maxPositionEmbeddings)))
    let merged = try ModelFiles.open(folder)
    return try AdapterDistance(
      adapter, config: config, merged: merged.weights, ids: ids, backend: Device.cpu(nil))
  }

  /// What merged models are compared over.
  private static let text = """
    The library opens at nine and closes at six on weekdays. If you lose your card, please ask at the desk: a new one \
    costs 2.50, and it takes three working days. Question: how many books may a reader borrow at once? Answer: ten, \
    for four weeks each. def area(width, height): return width * height
    """

  private func write(with writer: ModelWriter, to folder: FilePath, progress: ProgressHandler?) throws {
    let source = model.files.weights
    try unsafe writer.write(to: folder, progress: progress) { name, rows, buffer in
      try unsafe source.read(name, rows: rows, into: buffer)
    }
  }
}

extension AdapterDistance {
  var json: JSON {
    [
      "max_logit_difference": JSON(largestDifference), "mean_logit_difference": JSON(meanDifference),
      "largest_logit": JSON(largestLogit), "tokens": JSON(tokens), "same_best": JSON(sameBest),
    ]
  }

  var words: String {
    "merged: logits differ from the unmerged model's by at most \(largestDifference) (mean \(meanDifference)) over "
      + "\(tokens) tokens; the likeliest next token is the same for \(sameBest) of them"
  }
}

/// A tokenizer's files in a model folder.
enum TokenizerFiles {
  /// tokenizer.json and tokenizer_config.json by name.
  static func json(_ tokenizer: Tokenizer, template: String?) throws -> [(name: String, contents: JSON)] {
    [
      ("tokenizer.json", try JSONParser.parse(tokenizer.tokenizerJSON(), duplicateKeys: .keepLast)),
      (
        "tokenizer_config.json",
        try JSONParser.parse(tokenizer.tokenizerConfigJSON(chatTemplate: template), duplicateKeys: .keepLast)
      ),
    ]
  }

  /// Writes them into `folder`.
  static func write(_ tokenizer: Tokenizer, template: String?, to folder: FilePath) throws {
    try Files.writeAtomically(tokenizer.tokenizerJSON(), to: folder.appending("tokenizer.json"))
    try Files.writeAtomically(
      tokenizer.tokenizerConfigJSON(chatTemplate: template), to: folder.appending("tokenizer_config.json"))
  }
}
