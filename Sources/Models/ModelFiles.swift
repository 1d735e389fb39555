import Basics

/// Where a model's tokenizer is to be read from.
package enum TokenizerSource: Sendable {
  /// A folder with tokenizer.json.
  case folder(FilePath)
  /// The metadata of a GGUF file, with "tokenizer.ggml.tokens" and what belongs to it.
  case gguf(JSON.Object)
  case none
}

/// Everything a model reference resolves to.
package struct ModelFiles: Sendable {
  package let config: ModelConfig
  package let weights: any WeightSource
  package let tokenizer: TokenizerSource
  /// The source of the chat template, Jinja.
  package let chatTemplate: String?
  /// generation_config.json, if the model came with one.
  package let generationConfig: JSON?
  /// The files whose contents are the model, for fingerprints; none for a preset, which is its configuration and seed.
  package let contentFiles: [FilePath]
  /// What a person should know about the model, such as a correction to its configuration.
  package let notes: [String]
  /// The adapter that `weights` has merged; nil for a model of its own.
  package private(set) var adapter: AppliedAdapter?

  /// Opens a Hugging Face folder or a GGUF file. Reads configuration and tables, no weights.
  package static func open(_ path: FilePath) throws(ModelError) -> ModelFiles {
    let status: Files.Status?
    do { status = try Files.status(path) } catch { throw ModelError(error.problem) }
    guard let status else {
      throw ModelError(
        "there is no such model", at: path.display, remedy: "give a folder with config.json, or a .gguf file")
    }
    return status.isFolder ? try openFolder(path) : try openGGUF(path)
  }

  /// A model of a preset's shape with seeded random weights; it has no tokenizer of its own.
  package static func preset(
    _ preset: ModelPreset, vocabularySize: Int? = nil, bosID: Int? = nil, eosIDs: [Int] = [], padID: Int? = nil,
    seed: UInt64
  ) -> ModelFiles {
    let config = preset.config(vocabularySize: vocabularySize, bosID: bosID, eosIDs: eosIDs, padID: padID)
    return ModelFiles(
      config: config, weights: PresetWeights(config: config, seed: seed), tokenizer: .none, chatTemplate: nil,
      generationConfig: nil, contentFiles: [], notes: [])
  }

  private static func openGGUF(_ path: FilePath) throws(ModelError) -> ModelFiles {
    if path.fileExtension == "safetensors" {
      throw ModelError(
        "weights alone are no model", at: path.display, remedy: "give the folder that holds this file and config.json")
    }
    let file = try GGUFFile(path)
    let config = try ModelConfig(gguf: file)
    return ModelFiles(
      config: config, weights: try GGUFWeights(file, config: config),
      tokenizer: file.metadata["tokenizer.ggml.tokens"] == nil ? .none : .gguf(file.metadata),
      chatTemplate: file.metadata["tokenizer.chat_template"]?.string, generationConfig: nil, contentFiles: [path],
      notes: [])
  }

  private static func openFolder(_ path: FilePath) throws(ModelError) -> ModelFiles {
    let configPath = path.appending("config.json")
    guard Files.exists(configPath) else {
      throw ModelError(
        "the folder is not a model: it has no config.json", at: path.display,
        remedy: "give a Hugging Face model folder, or the path of a .gguf file")
    }
    let weights = try SafetensorsWeights(
      folder: path, config: try ModelConfig(json: try json(configPath), place: configPath.display))
    let side = ["tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"]
      .map { path.appending($0) }.filter { Files.exists($0) }
    let generation = path.appending("generation_config.json")
    return ModelFiles(
      config: weights.config, weights: weights,
      tokenizer: Files.exists(path.appending("tokenizer.json")) ? .folder(path) : .none,
      chatTemplate: try chatTemplate(folder: path),
      generationConfig: Files.exists(generation) ? .some(try json(generation)) : .none,
      contentFiles: [configPath] + weights.files + side, notes: weights.notes)
  }

  /// The chat template of a tokenizer's folder: chat_template.jinja, else `chat_template` of tokenizer_config.json (a
  /// string, or a list of named templates, of which "default" is taken).
  package static func chatTemplate(folder: FilePath) throws(ModelError) -> String? {
    let file = folder.appending("chat_template.jinja")
    if Files.exists(file) {
      let bytes: [UInt8]
      do { bytes = try Files.read(file, limit: 1 << 24) } catch { throw ModelError(error.problem) }
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw ModelError("the chat template is not valid UTF-8", at: file.display)
      }
      return text
    }
    let config = folder.appending("tokenizer_config.json")
    guard Files.exists(config), let value = try json(config)["chat_template"], !value.isNull else { return nil }
    if let text = value.string { return text }
    let named = (value.array ?? []).compactMap { entry in
      entry["template"]?.string.map { (name: entry["name"]?.string ?? "", template: $0) }
    }
    guard let found = named.first(where: { $0.name == "default" }) else {
      throw ModelError(
        "chat_template must be a string or a list with a template named \"default\"", at: config.display,
        value: named.isEmpty ? value.kindName : named.map(\.name).joined(separator: ", "))
    }
    return found.template
  }

  /// A parsed JSON file of a model folder.
  static func json(_ path: FilePath) throws(ModelError) -> JSON {
    let bytes: [UInt8]
    do { bytes = try Files.read(path, limit: 1 << 26) } catch { throw ModelError(error.problem) }
    do { return try JSONParser.parse(bytes, duplicateKeys: .keepLast, maximumDepth: 64) } catch {
      throw ModelError(error, in: path)
    }
  }
}
