import Basics

/// Writes a Hugging Face model folder: configuration, safetensors, tokenizer files.
///
/// The bytes depend on the configuration, the numbers and the options only. Tensors pass through a buffer of a few
/// megabytes, so a model need not fit in memory twice. Every file is durable and published by rename; config.json comes
/// last, so that a folder with one is whole.
package struct ModelWriter: Sendable {
  /// What the numbers are stored as; f16 and bf16 round to nearest even.
  package enum Storage: String, Sendable, CaseIterable {
    case float32, float16, bfloat16

    var format: NumberFormat {
      switch self {
      case .float32: .f32
      case .float16: .f16
      case .bfloat16: .bf16
      }
    }

    /// The dtype in a safetensors header.
    var spelling: String {
      switch self {
      case .float32: "F32"
      case .float16: "F16"
      case .bfloat16: "BF16"
      }
    }
  }

  /// Fills the buffer with the rows (in `ModelConfig.Parameter`'s shape; a vector is one row) of the named tensor.
  package typealias Fill = (_ name: String, _ rows: Range<Int>, _ into: UnsafeMutableBufferPointer<Float>) throws ->
    Void

  package let config: ModelConfig
  package var storage: Storage
  /// Tensor bytes in one file, as Hugging Face splits them; a single larger tensor has a file of its own.
  package var shardLimit: Int
  /// generation_config.json; nil: made from the configuration's ids.
  package var generationConfig: JSON?
  /// More files by name, such as tokenizer.json.
  package var files: [(name: String, contents: JSON)]
  /// The chat template, written as chat_template.jinja besides what tokenizer_config.json holds; nil: none.
  package var chatTemplate: String?

  package init(
    config: ModelConfig, storage: Storage = .float32, shardLimit: Int = 5_000_000_000, generationConfig: JSON? = nil,
    files: [(name: String, contents: JSON)] = [], chatTemplate: String? = nil
  ) {
    self.config = config
    self.storage = storage
    self.shardLimit = shardLimit
    self.generationConfig = generationConfig
    self.files = files
    self.chatTemplate = chatTemplate
  }

  /// Writes the folder, which is made if need be; a folder that has a config.json already is refused.
  package func write(
    to folder: FilePath, progress: ProgressHandler? = nil, fill: Fill
  ) throws(ModelError) {
    do {
      try Files.makeFolder(folder)
      guard !Files.exists(folder.appending("config.json")) else {
        throw ModelError("the folder holds a model already", at: folder.display, remedy: "give a new folder")
      }
      unsafe try writeWeights(to: folder, progress: progress, fill: fill)
      let generation = generationConfig ?? config.generationConfigJSON()
      try writeJSON(generation, to: folder.appending("generation_config.json"))
      for (name, contents) in files { try writeJSON(contents, to: folder.appending(name)) }
      if let chatTemplate {
        try Files.writeAtomically(Array(chatTemplate.utf8), to: folder.appending("chat_template.jinja"))
      }
      try writeJSON(config.configJSON(dtype: storage.rawValue), to: folder.appending("config.json"))
    } catch let error as ModelError { throw error } catch let error as any FettleError {
      throw ModelError(error.problem)
    } catch { throw ModelError("\(error)") }
  }

  /// Writes the weights of `source`.
  package func write(
    _ source: some WeightSource, to folder: FilePath, progress: ProgressHandler? = nil
  ) throws(ModelError) {
    unsafe try write(to: folder, progress: progress) { name, rows, buffer in
      unsafe try source.read(name, rows: rows, into: buffer)
    }
  }

  func writeJSON(_ json: JSON, to path: FilePath) throws(FileError) {
    try Files.writeAtomically(json.encoded(pretty: true) + [0x0A], to: path)
  }

  // MARK: Weights

  private func writeWeights(to folder: FilePath, progress: ProgressHandler?, fill: Fill) throws {
    let shards = split(config.parameters)
    let total = config.parameterCount * storage.format.block.bytes
    var done = 0
    var map: [(key: String, value: JSON)] = []
    for (index, parameters) in shards.enumerated() {
      let name = shards.count == 1 ? "model.safetensors" : Self.shardName(index + 1, of: shards.count)
      map += parameters.map { (key: $0.name, value: JSON(name)) }
      unsafe try writeShard(
        parameters, to: folder.appending(name), done: &done, total: total, progress: progress, fill: fill)
    }
    guard shards.count > 1 else { return }
    map.sort { Array($0.key.utf8).lexicographicallyPrecedes(Array($1.key.utf8)) }
    let index: JSON = ["metadata": ["total_size": JSON(total)], "weight_map": .object(JSON.Object(map))]
    try writeJSON(index, to: folder.appending("model.safetensors.index.json"))
  }

  private static func shardName(_ number: Int, of count: Int) -> String {
    func padded(_ value: Int) -> String { String(String(100_000 + value).dropFirst()) }
    return "model-\(padded(number))-of-\(padded(count)).safetensors"
  }

  /// Parameters in their order, cut where a file would pass the limit.
  private func split(_ parameters: [ModelConfig.Parameter]) -> [[ModelConfig.Parameter]] {
    var shards: [[ModelConfig.Parameter]] = [[]]
    var size = 0
    for parameter in parameters {
      let bytes = storage.format.byteCount(of: parameter.count)
      if size + bytes > shardLimit, size > 0 {
        shards.append([])
        size = 0
      }
      shards[shards.count - 1].append(parameter)
      size += bytes
    }
    return shards
  }

  /// Writes one safetensors file; `done` and `total` are bytes, for `progress`.
  func writeShard(
    _ parameters: [ModelConfig.Parameter], to path: FilePath, done: inout Int, total: Int, progress: ProgressHandler?,
    fill: Fill
  ) throws {
    let file = try AtomicFile(path)
    try file.write(header(parameters))
    let piece = UnsafeMutableBufferPointer<Float>.allocate(capacity: pieceCapacity(parameters))
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: piece.count * 4, alignment: 64)
    defer {
      unsafe piece.deallocate()
      unsafe bytes.deallocate()
    }
    for parameter in parameters {
      let rowsAtOnce = max(1, piece.count / max(parameter.columns, 1))
      var row = 0
      while row < parameter.rows {
        let rows = row..<min(row + rowsAtOnce, parameter.rows)
        let numbers = unsafe UnsafeMutableBufferPointer(rebasing: piece[..<(rows.count * parameter.columns)])
        unsafe try fill(parameter.name, rows, numbers)
        let encoded = unsafe UnsafeMutableRawBufferPointer(
          rebasing: bytes[..<storage.format.byteCount(of: numbers.count)])
        if let index = unsafe storage.format.encode(UnsafeBufferPointer(numbers), into: encoded) {
          throw ModelError(
            "a number of tensor \(parameter.name) is too large for F16", at: path.display,
            value: unsafe "\(numbers[index])", remedy: "write bfloat16 or float32")
        }
        unsafe try file.write(UnsafeRawBufferPointer(encoded))
        row = rows.upperBound
        done += encoded.count
        if let progress, progress(ProgressEvent(unit: "byte", done: done, total: total)) == .stop {
          throw ModelError("stopped while the model was written", at: path.display)
        }
      }
    }
    try file.publish()
  }

  private func pieceCapacity(_ parameters: [ModelConfig.Parameter]) -> Int {
    let widest = parameters.map(\.columns).max() ?? 1
    let largest = parameters.map(\.count).max() ?? 1
    return max(widest, min(largest, 1 << 20))
  }

  /// Length and JSON of the header, padded with spaces so that the data begin at a multiple of eight bytes.
  private func header(_ parameters: [ModelConfig.Parameter]) -> [UInt8] {
    var object: JSON.Object = ["__metadata__": ["format": "pt"]]
    var members = object.members
    var offset = 0
    for parameter in parameters {
      let end = offset + storage.format.byteCount(of: parameter.count)
      let entry: JSON = [
        "dtype": JSON(storage.spelling), "shape": .array(parameter.shape.map { JSON($0) }),
        "data_offsets": [JSON(offset), JSON(end)],
      ]
      members.append((key: parameter.name, value: entry))
      offset = end
    }
    object = JSON.Object(members)
    var text = JSON.object(object).encoded()
    while text.count % 8 != 0 { text.append(0x20) }
    let length = UInt64(text.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) } + text
  }
}
