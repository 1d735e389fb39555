import Basics

extension ModelFiles {
  /// A model with the adapter in `folder` added: its weights are the merged ones.
  ///
  /// `base` is the adapter's base model; the tokenizer, template and generation settings in the adapter's folder count
  /// before its own.
  static func adapted(_ adapter: AdapterFiles, base: ModelFiles) throws(ModelError) -> ModelFiles {
    guard base.adapter == nil else {
      throw ModelError(
        "the adapter's base model is itself an adapter", at: adapter.path.display, value: adapter.base,
        remedy: "export the base with its adapter merged, and name that")
    }
    try adapter.check(against: base.config)
    if let wanted = adapter.record?.baseDigest, let found = try base.contentDigest(), wanted != found {
      throw ModelError(
        "the adapter's base model is not the one it was trained beside", at: adapter.path.display, value: adapter.base,
        remedy: "put back the model whose digest is \(wanted.hex.prefix(12))…; it is \(found.hex.prefix(12))… now")
    }
    let beside: any WeightSource =
      adapter.record?.quantisesBase == true ? DequantisedWeights(base.weights, config: base.config) : base.weights
    let folder = adapter.path
    let side = ["tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"]
      .map { folder.appending($0) }.filter { Files.exists($0) }
    let generation = folder.appending("generation_config.json")
    var generationConfig = base.generationConfig
    if Files.exists(generation) { generationConfig = try json(generation) }
    var config = base.config
    if let ends = generationConfig?["eos_token_id"] {
      let ids = ends.array?.compactMap(\.int) ?? ends.int.map { [$0] } ?? []
      for id in ids where !config.eosIDs.contains(id) { config.eosIDs.append(id) }
    }
    return ModelFiles(
      config: config, weights: MergedWeights(base: beside, adapter: adapter),
      tokenizer: Files.exists(folder.appending("tokenizer.json")) ? .folder(folder) : base.tokenizer,
      chatTemplate: try chatTemplate(folder: folder) ?? base.chatTemplate, generationConfig: generationConfig,
      contentFiles: adapter.files + side + base.contentFiles, notes: base.notes,
      adapter: AppliedAdapter(files: adapter, base: beside))
  }

  /// What tells this model's numbers from another's: the digest of its configuration and weight files. nil for a preset.
  package func contentDigest() throws(ModelError) -> Digest? {
    guard !contentFiles.isEmpty else { return nil }
    var text = ""
    for file in contentFiles
    where sameBytes(file.name, "config.json") || ["safetensors", "gguf"].contains(file.fileExtension) {
      do { text += try Files.digest(file).hex + "\n" } catch { throw ModelError(error.problem) }
    }
    return Digest(of: text)
  }
}

extension ModelReference {
  /// The base model that an adapter names, as seen from the project's folder `root` and from the adapter's own.
  package static func base(of adapter: AdapterFiles, root: FilePath) throws(ModelError) -> ModelReference {
    let name = adapter.base
    if adapter.record != nil {
      let parsed = try parse(name)
      guard case .path(let path) = parsed, !Files.exists(root.appending(path)) else { return parsed }
    }
    for path in [root.appending(FilePath(name)), adapter.path.appending(FilePath(name))] {
      if Files.exists(path) { return .path(path) }
    }
    if let hub = try? parse("hf:" + name), adapter.record == nil { return hub }
    throw ModelError(
      "the adapter's base model is not there", at: adapter.path.display, value: name,
      remedy: "set base_model_name_or_path in \(AdapterFiles.configName) to the model's folder")
  }
}
