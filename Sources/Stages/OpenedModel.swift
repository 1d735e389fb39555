import Basics
import Evaluation
import Foundation
import Models
import Tensors
import Tokenization

/// A model reference made good: configuration, weights, tokenizer and chat template.
package struct OpenedModel {
  package let reference: String
  package let files: ModelFiles
  package let tokenizer: Tokenizer?

  /// Opens `reference`; relative paths start at `root`. A preset takes its vocabulary from `tokenizer`.
  package init(
    _ reference: String, root: FilePath, tokenizer given: Tokenizer? = nil, seed: UInt64 = 0,
    progress: ProgressHandler? = nil
  ) throws {
    self.reference = reference
    let parsed = try ModelReference.parse(reference)
    if case .preset(let preset) = parsed {
      let tokenizer = given ?? .bytes
      files = .preset(
        preset, vocabularySize: tokenizer.vocabularySize, bosID: tokenizer.bosID.map { Int($0) },
        eosIDs: tokenizer.eosID.map { [Int($0)] } ?? [], padID: tokenizer.padID.map { Int($0) }, seed: seed)
      self.tokenizer = tokenizer
      return
    }
    files = try parsed.open(cache: ModelCache.folder, root: root, seed: seed, progress: progress)
    tokenizer = try given ?? OpenedModel.tokenizer(of: files)
  }

  /// The tokenizer that scoring and generation need.
  package func neededTokenizer() throws -> Tokenizer {
    guard let tokenizer else {
      throw StageError(
        "the model has no tokenizer", at: reference, remedy: "add its tokenizer.json, or name one with 'tokenizer'")
    }
    return tokenizer
  }

  /// The model in a device's memory.
  package func languageModel(
    on device: Device = .auto, threads: Int? = nil, batchSize: Int = 8
  ) throws -> LanguageModel {
    try LanguageModel(
      config: files.config, weights: files.weights, tokenizer: try neededTokenizer(),
      backend: try device.backend(threads: threads), batchSize: batchSize)
  }

  /// Messages as a prompt with the assistant's turn opened, by the model's own template or `template`, for a
  /// conversation of today.
  package func chatPrompt(_ messages: [JSON], template source: String? = nil) throws -> PromptText {
    guard let source = source ?? files.chatTemplate else {
      throw StageError(
        "the model has no chat template", at: reference, remedy: "name one with 'chat_template', such as chatml")
    }
    return try ChatPrompt(
      template: try ChatTemplate(source: source), tokenizer: try neededTokenizer(), clock: .system
    ).text(messages)
  }

  private static func tokenizer(of files: ModelFiles) throws -> Tokenizer? {
    switch files.tokenizer {
    case .folder(let folder): try Tokenizer.load(folder: folder)
    case .gguf(let metadata): try Tokenizer.load(gguf: metadata)
    case .none: nil
    }
  }
}

extension OpenedModel {
  /// The tokenizer that a reference names: `bytes`, a tokenizer.json, a folder with one, or a model.
  package static func tokenizer(
    _ reference: String, root: FilePath, progress: ProgressHandler? = nil
  ) throws -> Tokenizer {
    if reference == "bytes" { return .bytes }
    let parsed = try ModelReference.parse(reference)
    guard let path = try parsed.resolve(cache: ModelCache.folder, root: root, progress: progress) else {
      throw StageError("a preset has no tokenizer", at: reference, remedy: "name a tokenizer, such as bytes")
    }
    if path.fileExtension == "json" { return try Tokenizer.load(json: try Files.read(path, limit: 1 << 28)) }
    if try Files.status(path)?.isFolder == true { return try Tokenizer.load(folder: path) }
    guard let tokenizer = try tokenizer(of: try ModelFiles.open(path)) else {
      throw StageError("the file holds no tokenizer", at: path.display, remedy: "name a tokenizer.json or a folder")
    }
    return tokenizer
  }

  /// The configuration of the model that a tokenizer's reference names; nil where it names a tokenizer alone.
  static func config(_ reference: String, root: FilePath, progress: ProgressHandler?) throws -> ModelConfig? {
    if reference == "bytes" { return nil }
    guard
      let path = try ModelReference.parse(reference).resolve(cache: ModelCache.folder, root: root, progress: progress)
    else { return nil }
    let isFolder = try Files.status(path)?.isFolder == true
    if isFolder {
      let file = path.appending("config.json")
      return Files.exists(file) ? try ModelConfig(configJSON: try Files.read(file, limit: 1 << 26), path: file) : nil
    }
    return path.fileExtension == "gguf" ? try ModelConfig(gguf: try GGUFFile(path)) : nil
  }

  /// The source of the chat template that a reference names: `chatml`, a Jinja file, or a model's own.
  package static func templateSource(
    _ reference: String, root: FilePath, progress: ProgressHandler? = nil
  ) throws -> String {
    if reference == "chatml" { return ChatTemplate.chatMLSource }
    let parsed = try ModelReference.parse(reference)
    guard let path = try parsed.resolve(cache: ModelCache.folder, root: root, progress: progress) else {
      throw StageError("a preset has no chat template", at: reference, remedy: "name chatml, a Jinja file or a model")
    }
    let isFolder = try Files.status(path)?.isFolder == true
    if !isFolder, path.fileExtension != "gguf" {
      let bytes = try Files.read(path, limit: 1 << 24)
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw StageError("a chat template must be UTF-8", at: path.display)
      }
      return text
    }
    guard let source = try ownTemplate(at: path, isFolder: isFolder) else {
      throw StageError("the model has no chat template", at: path.display, remedy: "name chatml or a Jinja file")
    }
    return source
  }

  /// The chat template that the tokenizer of this reference brings along; nil where it has none.
  static func ownTemplate(of reference: String, root: FilePath, progress: ProgressHandler?) throws -> String? {
    if reference == "bytes" { return nil }
    let parsed = try ModelReference.parse(reference)
    guard let path = try parsed.resolve(cache: ModelCache.folder, root: root, progress: progress) else { return nil }
    let isFolder = try Files.status(path)?.isFolder == true
    // A tokenizer.json alone has no place for a template.
    guard isFolder || path.fileExtension == "gguf" else { return nil }
    return try ownTemplate(at: path, isFolder: isFolder)
  }

  private static func ownTemplate(at path: FilePath, isFolder: Bool) throws -> String? {
    isFolder ? try ModelFiles.chatTemplate(folder: path) : try ModelFiles.open(path).chatTemplate
  }
}

/// Renders messages to prompts in which only the template may write control tokens.
package struct ChatPrompt {
  private let renderer: ChatRenderer

  /// With the clock of training unless told otherwise: a model is examined in the words it was trained with.
  package init(template: ChatTemplate, tokenizer: Tokenizer, clock: TemplateClock = .forTraining) {
    renderer = ChatRenderer(template: template, tokenizer: tokenizer, clock: clock)
  }

  package func text(_ messages: [JSON]) throws -> PromptText {
    let rendered = try renderer.render(.array(messages), addGenerationPrompt: true)
    return PromptText(rendered.text, controlRanges: rendered.templateRanges)
  }
}
