import Basics

/// An adapter's folder as PEFT writes it: adapter_config.json and adapter_model.safetensors.
///
/// As a source it has the adapter's weights under the names of `ModelConfig.adapterParameters`.
package final class AdapterFiles: WeightSource {
  package let path: FilePath
  /// The base model as a reference.
  package let base: String
  /// What Fettle adds to PEFT's files; nil in folders of other tools.
  package let record: AdapterRecord?
  package let names: [String]
  /// Pairs of A and B by the weight they stand beside.
  let pairs: [String: Pair]
  private let entries: [String: Entry]

  struct Pair: Sendable {
    let rank: Int
    /// Rows of B and columns of A.
    let shape: [Int]
    let scale: Double
  }

  private struct Entry: Sendable {
    let tensor: SafetensorsFile.Tensor
    let format: NumberFormat
    let file: File
  }

  static let configName = "adapter_config.json"
  static let weightsName = "adapter_model.safetensors"
  static let recordName = "fettle_adapter.json"
  /// What PEFT puts in front of a weight's name.
  static let prefix = "base_model.model."

  /// Whether a folder holds an adapter and no model of its own.
  package static func isAdapter(_ folder: FilePath) -> Bool {
    Files.exists(folder.appending(configName)) && !Files.exists(folder.appending("config.json"))
  }

  package init(_ folder: FilePath) throws(ModelError) {
    path = folder
    let place = folder.appending(Self.configName)
    let settings = AdapterSettings(json: try ModelFiles.json(place), place: place.display)
    try settings.check()
    let recordPath = folder.appending(Self.recordName)
    record =
      Files.exists(recordPath)
      ? try AdapterRecord(json: try ModelFiles.json(recordPath), place: recordPath.display) : nil
    if let record { base = record.base } else { base = try settings.base() }
    let weights = folder.appending(Self.weightsName)
    guard Files.exists(weights) else {
      throw ModelError(
        "the adapter has no weights", at: folder.display,
        remedy: "it needs \(Self.weightsName)"
          + (Files.exists(folder.appending("adapter_model.bin")) ? " (adapter_model.bin is not read)" : ""))
    }
    let file = try SafetensorsFile(weights)
    var entries: [String: Entry] = [:]
    for tensor in file.tensors {
      let name = try Self.canonical(tensor, place: weights.display)
      guard entries[name] == nil else {
        throw ModelError("two tensors mean the same weight", at: weights.display, value: Problem.shortened(tensor.name))
      }
      entries[name] = Entry(
        tensor: tensor, format: try SafetensorsWeights.format(tensor, path: weights), file: file.file)
    }
    pairs = try Self.pairs(entries.mapValues(\.tensor.shape), settings, place: weights.display)
    names = entries.keys.sorted()
    self.entries = entries
  }

  /// "model.layers.0.self_attn.q_proj.lora_A.weight" of PEFT's name.
  private static func canonical(_ tensor: SafetensorsFile.Tensor, place: String) throws(ModelError) -> String {
    guard tensor.name.hasPrefix(prefix), tensor.shape.count == 2,
      tensor.name.hasSuffix(".lora_A.weight") || tensor.name.hasSuffix(".lora_B.weight")
    else {
      throw ModelError(
        "a tensor is no adapter's that can be used", at: place, value: Problem.shortened(tensor.name),
        remedy: "only LoRA adapters of linear layers are supported: …lora_A.weight and …lora_B.weight")
    }
    return String(tensor.name.dropFirst(prefix.utf8.count))
  }

  private static func pairs(
    _ shapes: [String: [Int]], _ settings: AdapterSettings, place: String
  ) throws(ModelError) -> [String: Pair] {
    var pairs: [String: Pair] = [:]
    let suffix = ".lora_A.weight"
    for (name, shape) in shapes where name.hasSuffix(suffix) {
      let weight = String(name.dropLast(suffix.utf8.count)) + ".weight"
      guard let b = shapes[AdapterName.b(of: weight)], b[1] == shape[0], shape[0] > 0 else {
        throw ModelError("A and B of an adapter do not fit together", at: place, value: Problem.shortened(name))
      }
      pairs[weight] = Pair(rank: shape[0], shape: [b[0], shape[1]], scale: try settings.scale(rank: shape[0]))
    }
    guard shapes.count == 2 * pairs.count, !pairs.isEmpty else {
      throw ModelError("the adapter's weights are not pairs of A and B", at: place, value: "\(shapes.count) tensors")
    }
    return pairs
  }

  /// Throws unless every pair stands beside a matrix of `config`.
  func check(against config: ModelConfig) throws(ModelError) {
    let shapes = Dictionary(uniqueKeysWithValues: config.parameters.map { ($0.name, $0.shape) })
    for (name, pair) in pairs.sorted(by: { $0.key < $1.key }) where shapes[name] != pair.shape {
      throw ModelError(
        "the adapter does not fit its base model \(base)", at: path.display,
        value: "\(Problem.shortened(name)) is \(pair.shape) here, "
          + (shapes[name].map { "\($0) in the model" } ?? "absent from the model"),
        remedy: "check base_model_name_or_path in \(Self.configName)")
    }
  }

  package func shape(of name: String) -> [Int]? { entries[name]?.tensor.shape }

  package func read(
    _ name: String, rows: Range<Int>?, into target: UnsafeMutableBufferPointer<Float>
  ) throws(ModelError) {
    let request = try WeightReading.rows(name, shape: shape(of: name), rows: rows, count: target.count)
    guard let entry = entries[name], !target.isEmpty else { return }
    let first = request.rows.lowerBound * request.columns
    unsafe try WeightReading.read(
      entry.file, at: entry.tensor.offset + entry.format.byteCount(of: first), format: entry.format, into: target,
      name: name)
  }

  /// All numbers of a weight.
  func values(_ name: String) throws(ModelError) -> [Float] {
    var values = [Float](repeating: 0, count: (shape(of: name) ?? []).reduce(1, *))
    let result: Result<Void, ModelError> = unsafe values.withUnsafeMutableBufferPointer { buffer in
      Result { () throws(ModelError) in unsafe try read(name, rows: nil, into: buffer) }
    }
    try result.get()
    return values
  }

  /// The files that the adapter is read from.
  var files: [FilePath] {
    [Self.configName, Self.weightsName, Self.recordName].map { path.appending($0) }.filter { Files.exists($0) }
  }
}

/// What adapter_config.json says, as far as it matters here.
private struct AdapterSettings {
  let json: JSON
  let place: String

  /// Throws for adapters of other kinds, and for settings that change what an adapter computes and are not known here.
  func check() throws(ModelError) {
    guard json["peft_type"]?.string == "LORA" else {
      throw ModelError(
        "the adapter is not of LoRA's kind", at: place, value: json["peft_type"]?.text(), remedy: "use peft_type LORA")
    }
    for key in ["use_dora", "fan_in_fan_out", "lora_bias", "alora_invocation_tokens", "trainable_token_indices"] {
      if let value = json[key], !value.isNull, value != .bool(false), value.array?.isEmpty != true {
        throw ModelError("the adapter uses \(key), which is not supported", at: place, value: value.text())
      }
    }
    for key in ["modules_to_save", "alpha_pattern", "target_parameters", "megatron_config"] {
      if let value = json[key], !value.isNull, value.array?.isEmpty != true, value.object?.isEmpty != true {
        throw ModelError("the adapter uses \(key), which is not supported", at: place, value: value.text())
      }
    }
    if let bias = json["bias"]?.string, bias != "none" {
      throw ModelError("the adapter trains biases, which is not supported", at: place, value: bias)
    }
  }

  func scale(rank: Int) throws(ModelError) -> Double {
    guard let alpha = json["lora_alpha"]?.double, alpha.isFinite else {
      throw ModelError("lora_alpha must be a number", at: place, value: json["lora_alpha"]?.text())
    }
    return alpha / (json["use_rslora"]?.bool == true ? Double(rank).squareRoot() : Double(rank))
  }

  /// The base model: a path, or a repository at the hub.
  func base() throws(ModelError) -> String {
    guard let name = json["base_model_name_or_path"]?.string, !name.isEmpty else {
      throw ModelError("the adapter does not name its base model", at: place, remedy: "set base_model_name_or_path")
    }
    guard let revision = json["revision"]?.string, !revision.isEmpty else { return name }
    return "\(name)@\(revision)"
  }
}

/// What Fettle notes of an adapter that it trained, beside PEFT's files.
package struct AdapterRecord: Sendable {
  /// The base model as the pipeline named it.
  package var base: String
  /// Of the base model's configuration and weight files; nil for presets.
  package var baseDigest: Digest?
  /// Of a preset's weights.
  package var seed: UInt64?
  /// Of a preset.
  package var vocabularySize: Int?
  /// Whether the blocks' matrices were held in NF4: the adapter belongs to the dequantised ones.
  package var quantisesBase: Bool

  package init(base: String, baseDigest: Digest?, seed: UInt64?, vocabularySize: Int?, quantisesBase: Bool) {
    self.base = base
    self.baseDigest = baseDigest
    self.seed = seed
    self.vocabularySize = vocabularySize
    self.quantisesBase = quantisesBase
  }

  init(json: JSON, place: String) throws(ModelError) {
    guard json["format"]?.int == 1, let base = json["base"]?.string, let quantisation = json["quantisation"] else {
      throw ModelError("the record of the adapter can not be read", at: place, value: json["format"]?.text())
    }
    guard quantisation.isNull || quantisation.string == "nf4" else {
      throw ModelError("an unknown quantisation", at: place, value: quantisation.text())
    }
    self.base = base
    baseDigest = json["base_sha256"]?.string.flatMap { Digest(hex: $0) }
    seed = json["seed"]?.int.map { UInt64(truncatingIfNeeded: $0) }
    vocabularySize = json["vocabulary_size"]?.int
    if let size = vocabularySize, !(1...1 << 24).contains(size) {
      throw ModelError("an absurd vocabulary", at: place, value: "\(size)")
    }
    quantisesBase = !quantisation.isNull
  }

  var json: JSON {
    [
      "format": 1, "base": JSON(base), "base_sha256": baseDigest.map { JSON($0.hex) } ?? .null,
      "seed": seed.map { JSON(Int(truncatingIfNeeded: $0)) } ?? .null,
      "vocabulary_size": vocabularySize.map { JSON($0) } ?? .null,
      "quantisation": quantisesBase ? "nf4" : .null,
    ]
  }
}
