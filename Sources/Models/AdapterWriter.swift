import Basics

/// Writes an adapter's folder as PEFT does: adapter_model.safetensors, what travels with a model, Fettle's record, and
/// last adapter_config.json, so that a folder with one is whole.
package struct AdapterWriter: Sendable {
  private let writer: ModelWriter
  private let options: AdapterOptions
  private let record: AdapterRecord

  /// `files` are more files by name, such as tokenizer.json.
  package init(
    config: ModelConfig, options: AdapterOptions, record: AdapterRecord, storage: ModelWriter.Storage = .float32,
    generationConfig: JSON? = nil, files: [(name: String, contents: JSON)] = [], chatTemplate: String? = nil
  ) {
    writer = ModelWriter(
      config: config, storage: storage, generationConfig: generationConfig, files: files, chatTemplate: chatTemplate)
    self.options = options
    self.record = record
  }

  /// Writes the folder, which is made if need be; a folder that has an adapter already is refused.
  package func write(
    _ source: some WeightSource, to folder: FilePath, progress: ProgressHandler? = nil
  ) throws(ModelError) {
    do {
      try Files.makeFolder(folder)
      guard !Files.exists(folder.appending(AdapterFiles.configName)) else {
        throw ModelError("the folder holds an adapter already", at: folder.display, remedy: "give a new folder")
      }
      let parameters = writer.config.adapterParameters(options).map {
        ModelConfig.Parameter(AdapterFiles.prefix + $0.name, $0.shape)
      }
      var done = 0
      let total = parameters.reduce(0) { $0 + writer.storage.format.byteCount(of: $1.count) }
      unsafe try writer.writeShard(
        parameters, to: folder.appending(AdapterFiles.weightsName), done: &done, total: total, progress: progress
      ) { name, rows, buffer in
        unsafe try source.read(String(name.dropFirst(AdapterFiles.prefix.utf8.count)), rows: rows, into: buffer)
      }
      let generation = writer.generationConfig ?? writer.config.generationConfigJSON()
      try writer.writeJSON(generation, to: folder.appending("generation_config.json"))
      for (name, contents) in writer.files { try writer.writeJSON(contents, to: folder.appending(name)) }
      if let chatTemplate = writer.chatTemplate {
        try Files.writeAtomically(Array(chatTemplate.utf8), to: folder.appending("chat_template.jinja"))
      }
      try writer.writeJSON(record.json, to: folder.appending(AdapterFiles.recordName))
      try writer.writeJSON(config, to: folder.appending(AdapterFiles.configName))
    } catch let error as ModelError { throw error } catch let error as any FettleError {
      throw ModelError(error.problem)
    } catch { throw ModelError("\(error)") }
  }

  /// adapter_config.json: the keys that PEFT needs, in its order.
  private var config: JSON {
    let (base, revision) = peftBase
    let alpha = options.alpha == options.alpha.rounded() ? JSON(Int(options.alpha)) : JSON(options.alpha)
    return [
      "alpha_pattern": [:], "base_model_name_or_path": JSON(base), "bias": "none", "fan_in_fan_out": false,
      "inference_mode": true, "init_lora_weights": true, "layers_pattern": .null, "layers_to_transform": .null,
      "lora_alpha": alpha, "lora_dropout": JSON(options.dropout), "modules_to_save": .null, "peft_type": "LORA",
      "r": JSON(options.rank), "rank_pattern": [:], "revision": revision.map { JSON($0) } ?? .null,
      "target_modules": .array(options.modules.map { JSON($0.rawValue) }), "task_type": "CAUSAL_LM",
      "use_dora": false, "use_rslora": .bool(options.isRankStabilised),
    ]
  }

  /// The base as PEFT names it: repositories at the hub without Fettle's scheme.
  private var peftBase: (name: String, revision: String?) {
    guard case .hub(let model)? = try? ModelReference.parse(record.base) else { return (record.base, nil) }
    return ("\(model.organisation)/\(model.name)", model.revision)
  }
}
