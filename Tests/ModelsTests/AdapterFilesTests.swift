import Basics
import CPUBackend
import Models
import Tensors
import Testing

@Suite struct AdapterFilesTests {
  private let model = TinyModel()
  private let options = AdapterOptions(
    rank: 3, alpha: 7, dropout: 0.1, modules: [.query, .value, .up, .down], isRankStabilised: true)

  /// Adapters in which every number counts.
  private struct Numbers: WeightSource {
    let config: ModelConfig
    let options: AdapterOptions
    var names: [String] { config.adapterParameters(options).map(\.name) }
    func shape(of name: String) -> [Int]? { config.adapterParameters(options).first { $0.name == name }?.shape }
    func read(_ name: String, rows: Range<Int>?, into: UnsafeMutableBufferPointer<Float>) throws(ModelError) {
      let columns = shape(of: name)?[1] ?? 1
      let first = (rows?.lowerBound ?? 0) * columns
      for index in into.indices { unsafe into[index] = Float((first + index) * 37 % 101) / 500 - 0.1 }
    }
  }

  /// A base model and an adapter beside it, in folders.
  private func folders(quantised: Bool = false) throws -> (root: TemporaryFolder, base: FilePath, adapter: FilePath) {
    let root = try TemporaryFolder()
    let base = root.path.appending("base")
    try ModelWriter(config: model.config).write(model.weights, to: base)
    let digest = try ModelFiles.open(base).contentDigest()
    let adapter = root.path.appending("adapter")
    try AdapterWriter(
      config: model.config, options: options,
      record: AdapterRecord(
        base: "base", baseDigest: digest, seed: nil, vocabularySize: nil, quantisesBase: quantised)
    ).write(Numbers(config: model.config, options: options), to: adapter)
    return (root, base, adapter)
  }

  private func open(_ adapter: FilePath, _ root: FilePath) throws -> ModelFiles {
    try ModelReference.path(adapter).open(cache: root.appending("cache"), root: root)
  }

  @Test(arguments: [false, true])
  func `a folder with an adapter opens as its base model with the adapter merged`(quantised: Bool) throws {
    let (root, base, adapter) = try folders(quantised: quantised)
    let merged = try open(adapter, root.path)
    let plain = try ModelFiles.open(base)
    let beside: any WeightSource =
      quantised ? DequantisedWeights(plain.weights, config: plain.config) : plain.weights
    let numbers = Numbers(config: model.config, options: options)
    let targets = options.modules.map { ".\($0.rawValue).weight" }
    for parameter in model.config.parameters {
      let found = try merged.weights.values(parameter.name)
      let before = try beside.values(parameter.name)
      guard targets.contains(where: { parameter.name.hasSuffix($0) }) else {
        #expect(found == before)
        continue
      }
      let layer = String(parameter.name.dropLast(".weight".count))
      let a = try numbers.values(layer + ".lora_A.weight")
      let b = try numbers.values(layer + ".lora_B.weight")
      let scale = 7 / 3.0.squareRoot()
      for index in stride(from: 0, to: parameter.count, by: 7) {
        let (row, column) = (index / parameter.columns, index % parameter.columns)
        let sum = (0..<3).reduce(0.0) { $0 + Double(b[row * 3 + $1]) * Double(a[$1 * parameter.columns + column]) }
        #expect(abs(Double(found[index]) - Double(before[index]) - scale * sum) < 1e-6)
      }
    }
  }

  @Test func `an adapter in files has PEFT's names, shapes and settings`() throws {
    let (root, _, adapter) = try folders()
    defer { withExtendedLifetime(root) {} }
    let file = try SafetensorsFile(adapter.appending("adapter_model.safetensors"))
    let query = try #require(
      file.tensors.first { $0.name == "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight" })
    #expect(query.shape == [3, 32])
    let down = try #require(
      file.tensors.first { $0.name == "base_model.model.model.layers.0.mlp.down_proj.lora_B.weight" })
    #expect(down.shape == [32, 3])
    #expect(file.tensors.count == 2 * 4 * model.config.layerCount)
    let json = try JSONParser.parse(Files.read(adapter.appending("adapter_config.json")))
    #expect(json["peft_type"] == "LORA" && json["r"] == 3 && json["lora_alpha"] == 7 && json["use_rslora"] == true)
    #expect(json["target_modules"] == ["q_proj", "v_proj", "up_proj", "down_proj"])
    #expect(json["base_model_name_or_path"] == "base")
  }

  @Test(arguments: [false, true])
  func `merging moves logits by rounding alone`(quantised: Bool) throws {
    let (root, _, adapter) = try folders(quantised: quantised)
    let opened = try open(adapter, root.path)
    let written = root.path.appending("merged")
    try ModelWriter(config: opened.config).write(MergedCopy(source: opened.weights), to: written)
    let distance = try AdapterDistance(
      try #require(opened.adapter), config: opened.config, merged: try ModelFiles.open(written).weights,
      ids: [3, 17, 5, 60, 22, 9], backend: CPUBackend(threads: 1))
    #expect(distance.largestDifference < 1e-4 * max(1, distance.largestLogit))
    #expect(distance.largestDifference > 0 || distance.largestLogit == 0)
    #expect(distance.sameBest == distance.tokens)
    // Without the adapter the logits are elsewhere: the comparison can fail.
    let other = try AdapterDistance(
      try #require(opened.adapter), config: opened.config, merged: model.weights, ids: [3, 17, 5],
      backend: CPUBackend(threads: 1))
    #expect(other.largestDifference > 1e-3)
  }

  private struct MergedCopy: WeightSource {
    let source: any WeightSource
    var names: [String] { source.names }
    func shape(of name: String) -> [Int]? { source.shape(of: name) }
    func read(_ name: String, rows: Range<Int>?, into: UnsafeMutableBufferPointer<Float>) throws(ModelError) {
      unsafe try source.read(name, rows: rows, into: into)
    }
  }

  @Test(arguments: [
    ("use_dora", JSON.bool(true)), ("bias", JSON.string("all")), ("peft_type", JSON.string("IA3")),
    ("modules_to_save", JSON.array(["lm_head"])),
    ("base_model_name_or_path", JSON.null), ("lora_alpha", JSON.string("x")),
  ])
  func `settings that would change what an adapter computes are refused by name`(key: String, value: JSON) throws {
    let (root, _, adapter) = try folders()
    try Files.remove(adapter.appending("fettle_adapter.json"))
    let place = adapter.appending("adapter_config.json")
    guard case .object(var settings) = try JSONParser.parse(Files.read(place)) else { return }
    settings[key] = value
    try Files.writeAtomically(JSON.object(settings).encoded(), to: place)
    #expect(throws: ModelError.self) { try open(adapter, root.path) }
  }

  @Test func `a base model that changed since the adapter was trained is refused`() throws {
    let (root, base, adapter) = try folders()
    try Files.removeTree(base)
    try ModelWriter(config: model.config).write(PresetWeights(config: model.config, seed: 99), to: base)
    #expect {
      _ = try open(adapter, root.path)
    } throws: { Basics.problem(of: $0).description.contains("not the one it was trained beside") }
  }

  @Test func `an adapter for other shapes is refused with the weight's name`() throws {
    let (root, base, adapter) = try folders()
    try Files.remove(adapter.appending("fettle_adapter.json"))
    try Files.removeTree(base)
    var other = model
    other.config.intermediateSize = 128
    try ModelWriter(config: other.config).write(other.weights, to: base)
    #expect {
      _ = try open(adapter, root.path)
    } throws: { Basics.problem(of: $0).description.contains("mlp.down_proj.weight") }
  }
}
