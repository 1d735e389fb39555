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
    try ModelExport(model: model, storage: storage, shardLimit: context.with["max_shard_size"]?.int)
      .write(to: context.outputPath("files"), progress: context.progress)
    return StageReport(metrics: ["parameters": JSON(model.files.config.parameterCount)])
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

  private func write(with writer: ModelWriter, to folder: FilePath, progress: ProgressHandler?) throws {
    let source = model.files.weights
    try unsafe writer.write(to: folder, progress: progress) { name, rows, buffer in
      try unsafe source.read(name, rows: rows, into: buffer)
    }
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
