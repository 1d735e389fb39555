import Basics

/// The weights of a GGUF file under Hugging Face names and in Hugging Face's layout.
///
/// Files of architecture llama store the rows of q and k for rotation of adjacent pairs (2i, 2i + 1); they are given
/// back in the order for rotation of halves (i, i + d/2), as Hugging Face has them.
package final class GGUFWeights: WeightSource {
  package let file: GGUFFile
  package let config: ModelConfig
  package let names: [String]
  private let entries: [String: Entry]

  private struct Entry: Sendable {
    let tensor: GGUFFile.Tensor
    let format: NumberFormat
    /// Width of the heads whose rows are in the other order; nil: the rows are in order.
    let head: Int?
  }

  /// Checks the file's tensors against `config`, the configuration in its metadata.
  package init(_ file: GGUFFile, config: ModelConfig) throws(ModelError) {
    self.file = file
    self.config = config
    let expected = config.parameters
    let permuted = file.metadata["general.architecture"]?.string == "llama"
    var entries: [String: Entry] = [:]
    var found: [(name: String, shape: [Int])] = []
    for tensor in file.tensors where tensor.name != GGUFNames.ropeFactors {
      let name = GGUFNames.canonical(tensor.name) ?? tensor.name
      found.append((name, tensor.shape))
      guard let format = Self.format(tensor.type) else {
        throw ModelError(
          "tensor \(Problem.shortened(tensor.name)) is stored as \(tensor.type.name), which is not supported",
          at: file.path.display, remedy: "supported: \(GGUFTensorType.supportedNames)")
      }
      let turned = permuted && (name.contains(".self_attn.q_proj.") || name.contains(".self_attn.k_proj."))
      entries[name] = Entry(tensor: tensor, format: format, head: turned ? config.headDimension : nil)
    }
    try WeightTable.check(found: found, expected: expected, place: file.path.display, spelled: GGUFNames.stored)
    self.entries = entries
    names = expected.map(\.name)
  }

  private static func format(_ type: GGUFTensorType) -> NumberFormat? {
    switch type {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .q80: .q80
    case .q40: .q40
    case .q41: .q41
    default: nil
    }
  }

  package func shape(of name: String) -> [Int]? { entries[name]?.tensor.shape }

  package func read(
    _ name: String, rows: Range<Int>?, into target: UnsafeMutableBufferPointer<Float>
  ) throws(ModelError) {
    let request = try WeightReading.rows(name, shape: shape(of: name), rows: rows, count: target.count)
    guard let entry = entries[name], !target.isEmpty else { return }
    if let head = entry.head {
      return unsafe try readTurned(entry, head: head, name: name, request.rows, request.columns, into: target)
    }
    let offset = entry.tensor.offset + entry.format.byteCount(of: request.rows.lowerBound * request.columns)
    unsafe try WeightReading.read(file.file, at: offset, format: entry.format, into: target, name: name)
  }

  /// Reads whole heads and puts row (j d/2 + i) of a head where the file has row (2i + j), j in 0..<2.
  ///
  /// A bias is taken as a matrix of one column.
  private func readTurned(
    _ entry: Entry, head: Int, name: String, _ rows: Range<Int>, _ columns: Int,
    into target: UnsafeMutableBufferPointer<Float>
  ) throws(ModelError) {
    let isVector = entry.tensor.shape.count == 1
    let (rows, width) = isVector ? (0..<columns, 1) : (rows, columns)
    let scratch = UnsafeMutableBufferPointer<Float>.allocate(capacity: head * width)
    defer { unsafe scratch.deallocate() }
    for index in rows.lowerBound / head...(rows.upperBound - 1) / head {
      let offset = entry.tensor.offset + entry.format.byteCount(of: index * head * width)
      unsafe try WeightReading.read(file.file, at: offset, format: entry.format, into: scratch, name: name)
      for row in rows.clamped(to: index * head..<(index + 1) * head) {
        let place = row - index * head
        let stored = 2 * (place % (head / 2)) + place / (head / 2)
        let out = (row - rows.lowerBound) * width
        _ = unsafe UnsafeMutableBufferPointer(rebasing: target[out..<out + width])
          .update(fromContentsOf: UnsafeBufferPointer(rebasing: scratch[stored * width..<(stored + 1) * width]))
      }
    }
  }
}

/// Names of tensors in GGUF files and at Hugging Face.
enum GGUFNames {
  /// A table of divisors for rotary frequencies, part of the configuration rather than a weight.
  static let ropeFactors = "rope_freqs.weight"

  private static let whole: [(stored: String, canonical: String)] = [
    ("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head"),
  ]
  private static let inLayer: [(stored: String, canonical: String)] = [
    ("attn_norm", "input_layernorm"), ("attn_q", "self_attn.q_proj"), ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"), ("attn_output", "self_attn.o_proj"), ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"), ("ffn_down", "mlp.down_proj"),
  ]

  /// The Hugging Face name of a GGUF tensor; nil for tensors that Llama-family models do not have.
  static func canonical(_ stored: String) -> String? {
    let parts = stored.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard let kind = parts.last, kind == "weight" || kind == "bias" else { return nil }
    if parts.count == 2, let entry = whole.first(where: { $0.stored == parts[0] }) {
      return "\(entry.canonical).\(kind)"
    }
    if parts.count == 4, parts[0] == "blk", let layer = Int(parts[1]), String(layer) == parts[1],
      let entry = inLayer.first(where: { $0.stored == parts[2] })
    {
      return "model.layers.\(layer).\(entry.canonical).\(kind)"
    }
    return nil
  }

  /// The GGUF name of a Hugging Face tensor; other names stay.
  static func stored(_ canonical: String) -> String {
    guard let dot = canonical.lastIndex(of: ".") else { return canonical }
    let (base, kind) = (canonical[..<dot], canonical[dot...])
    if let entry = whole.first(where: { $0.canonical == base }) { return entry.stored + kind }
    let parts = base.split(separator: ".", maxSplits: 3)
    guard parts.count == 4, parts[0] == "model", parts[1] == "layers",
      let entry = inLayer.first(where: { $0.canonical == parts[3] })
    else { return canonical }
    return "blk.\(parts[2]).\(entry.stored)\(kind)"
  }
}
