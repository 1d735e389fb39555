import Basics

/// The weights of a Hugging Face folder: model.safetensors, or shards named by model.safetensors.index.json.
package final class SafetensorsWeights: WeightSource {
  package let names: [String]
  /// The configuration, untied where the files carry a head that differs from the embedding.
  package let config: ModelConfig
  /// The weight files and the index, whose contents the weights are.
  package let files: [FilePath]
  /// What a person should know: a head that is not the embedding though the configuration ties them.
  package let notes: [String]
  private let entries: [String: Entry]

  private struct Entry: Sendable {
    let tensor: SafetensorsFile.Tensor
    let file: File
    let format: NumberFormat

    /// Fills `target` with the numbers from index `first` on.
    func read(from first: Int, into target: UnsafeMutableBufferPointer<Float>) throws(ModelError) {
      let offset = tensor.offset + format.byteCount(of: first)
      unsafe try WeightReading.read(file, at: offset, format: format, into: target, name: tensor.name)
    }
  }

  private static let single = "model.safetensors"
  private static let index = "model.safetensors.index.json"

  /// Opens the weights in `folder` and checks them against `config`.
  package init(folder: FilePath, config: ModelConfig) throws(ModelError) {
    let (shards, files) = try Self.shards(in: folder)
    self.files = files
    var entries: [String: Entry] = [:]
    var spelling: [String: String] = [:]
    for (shard, _) in shards {
      for tensor in shard.tensors where !Self.isBuffer(tensor.name) {
        let name = Self.canonical(tensor.name)
        if let other = spelling[name] {
          throw ModelError(
            "two tensors mean the same weight: \(other) and \(Problem.shortened(tensor.name))", at: shard.path.display)
        }
        spelling[name] = tensor.name
        entries[name] = Entry(
          tensor: tensor, file: shard.file, format: try Self.format(tensor, path: shard.path))
      }
    }
    try Self.checkIndex(shards)
    var config = config
    var notes: [String] = []
    if config.tieWordEmbeddings, let head = entries["lm_head.weight"],
      let embedding = entries["model.embed_tokens.weight"]
    {
      if try Self.equal(head, embedding) {
        entries["lm_head.weight"] = nil
      } else {
        config.tieWordEmbeddings = false
        notes.append(
          "\(folder.display): lm_head.weight differs from the embedding though tie_word_embeddings is true; "
            + "the model is taken as untied")
      }
    }
    let expected = config.parameters
    try WeightTable.check(
      found: entries.map { ($0.key, $0.value.tensor.shape) }.sorted { $0.0 < $1.0 }, expected: expected,
      place: folder.display, spelled: { spelling[$0] ?? $0 })
    self.config = config
    self.notes = notes
    self.entries = entries
    names = expected.map(\.name)
  }

  package func shape(of name: String) -> [Int]? { entries[name]?.tensor.shape }

  package func read(
    _ name: String, rows: Range<Int>?, into target: UnsafeMutableBufferPointer<Float>
  ) throws(ModelError) {
    let request = try WeightReading.rows(name, shape: shape(of: name), rows: rows, count: target.count)
    guard let entry = entries[name], !target.isEmpty else { return }
    unsafe try entry.read(from: request.rows.lowerBound * request.columns, into: target)
  }

  /// Buffers that old checkpoints carry and that follow from the configuration.
  private static func isBuffer(_ name: String) -> Bool {
    name.hasSuffix(".rotary_emb.inv_freq") || name.hasSuffix(".attn.masked_bias")
  }

  /// The name with its `model.` prefix, which files of the bare decoder lack.
  private static func canonical(_ name: String) -> String {
    ["embed_tokens.", "layers.", "norm."].contains { name.hasPrefix($0) } ? "model." + name : name
  }

  static func format(_ tensor: SafetensorsFile.Tensor, path: FilePath) throws(ModelError) -> NumberFormat {
    switch tensor.dtype {
    case "F32": return .f32
    case "F16": return .f16
    case "BF16": return .bf16
    default:
      throw ModelError(
        "tensor \(Problem.shortened(tensor.name)) is stored as \(Problem.shortened(tensor.dtype)), which is not supported",
        at: path.display, remedy: "supported: F32, F16, BF16")
    }
  }

  /// Whether two tensors hold the same numbers.
  private static func equal(_ a: Entry, _ b: Entry) throws(ModelError) -> Bool {
    guard a.tensor.shape == b.tensor.shape else { return false }
    let total = a.tensor.shape.reduce(1, *)
    let piece = min(max(total, 1), 1 << 18)
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: piece * 2)
    defer { unsafe buffer.deallocate() }
    var done = 0
    while done < total {
      let count = min(piece, total - done)
      let left = unsafe UnsafeMutableBufferPointer(rebasing: buffer[..<count])
      let right = unsafe UnsafeMutableBufferPointer(rebasing: buffer[piece..<piece + count])
      unsafe try a.read(from: done, into: left)
      unsafe try b.read(from: done, into: right)
      for index in 0..<count where unsafe left[index].bitPattern != right[index].bitPattern { return false }
      done += count
    }
    return true
  }
}

extension SafetensorsWeights {
  /// One weight file and the names that the index places in it (nil without an index).
  private typealias Shard = (file: SafetensorsFile, listed: [String]?)

  private static func shards(in folder: FilePath) throws(ModelError) -> ([Shard], [FilePath]) {
    let index = folder.appending(index)
    guard Files.exists(index) else {
      let single = folder.appending(single)
      guard Files.exists(single) else {
        throw ModelError(
          "the folder has no weights", at: folder.display,
          remedy: "it needs model.safetensors, or model.safetensors.index.json with its shards"
            + (Files.exists(folder.appending("pytorch_model.bin")) ? " (pytorch_model.bin is not read)" : ""))
      }
      return ([(try SafetensorsFile(single), nil)], [single])
    }
    let json: JSON
    do {
      let bytes = try Files.read(index, limit: 1 << 28)
      json = try JSONParser.parse(bytes, maximumDepth: 8)
    } catch let error as FileError { throw ModelError(error.problem) } catch let error as JSONError {
      throw ModelError(error, in: index)
    } catch { throw ModelError("\(error)") }
    guard let map = json["weight_map"]?.object, !map.isEmpty else {
      throw ModelError("weight_map must be an object from tensors to files", at: index.display)
    }
    var listed: [String: [String]] = [:]
    for (name, value) in map.members {
      guard let file = value.string, !file.isEmpty, !file.contains("/"), file != "..", file != "." else {
        throw ModelError(
          "weight_map must name files beside it", at: "\(index.display), tensor \"\(Problem.shortened(name))\"",
          value: value.text())
      }
      listed[file, default: []].append(name)
    }
    guard listed.count <= 4096 else {
      throw ModelError("more than 4096 shards", at: index.display, value: "\(listed.count)")
    }
    var shards: [Shard] = []
    for name in listed.keys.sorted() {
      guard Files.exists(folder.appending(name)) else {
        throw ModelError("a shard that the index names is missing", at: index.display, value: name, remedy: "fetch it")
      }
      shards.append((try SafetensorsFile(folder.appending(name)), listed[name]))
    }
    return (shards, [index] + shards.map { $0.file.path })
  }

  /// The index must name exactly the tensors of each shard.
  private static func checkIndex(_ shards: [Shard]) throws(ModelError) {
    for (file, listed) in shards {
      guard let listed else { continue }
      let held = Set(file.tensors.map(\.name))
      if let absent = listed.first(where: { !held.contains($0) }) {
        throw ModelError(
          "the index places tensor \(Problem.shortened(absent)) in this file, which lacks it", at: file.path.display)
      }
    }
  }
}
