import Basics
import Models
import Testing

@Suite struct SafetensorsTests {
  private let folder: TemporaryFolder
  private let model = TinyModel()

  init() throws { folder = try TemporaryFolder() }

  @Test func `a folder gives the weights of its file`() throws {
    try model.write(to: folder, tensors: try model.tensors())
    let files = try ModelFiles.open(folder.path)
    #expect(files.config == model.config)
    #expect(files.notes.isEmpty)
    for name in files.weights.names {
      #expect(try bits(files.weights.values(name)) == bits(model.weights.values(name)))
    }
    #expect(
      try files.weights.values("model.layers.1.mlp.down_proj.weight", rows: 3..<9)
        == model.weights.values("model.layers.1.mlp.down_proj.weight", rows: 3..<9))
  }

  @Test func `BF16 is the upper half of an f32`() throws {
    var tensors = try model.tensors()
    tensors[0].dtype = "BF16"
    var writer = ByteWriter()
    for index in 0..<64 * 32 { writer.integer(UInt16(index * 31)) }
    tensors[0].data = writer.bytes
    try model.write(to: folder, tensors: tensors)
    let values = try ModelFiles.open(folder.path).weights.values("model.embed_tokens.weight")
    let expected: [UInt32] = (0..<2048).map { index in UInt32(index * 31) << 16 }
    #expect(bits(values) == expected)
  }

  @Test func `names without the model prefix and old rotary buffers are accepted`() throws {
    var tensors = try model.tensors()
    for index in tensors.indices { tensors[index].name = String(tensors[index].name.dropFirst("model.".count)) }
    tensors.append(("layers.0.self_attn.rotary_emb.inv_freq", "F32", [4], f32([1, 2, 3, 4])))
    try model.write(to: folder, tensors: tensors)
    let files = try ModelFiles.open(folder.path)
    #expect(files.weights.names == model.config.parameters.map(\.name))
  }

  @Test func `a tied model that carries an equal head stays tied`() throws {
    let tensors = try model.tensors()
    try model.write(to: folder, tensors: tensors + [("lm_head.weight", "F32", [64, 32], tensors[0].data)])
    let files = try ModelFiles.open(folder.path)
    #expect(files.config.tieWordEmbeddings)
    #expect(files.weights.shape(of: "lm_head.weight") == nil)
    #expect(files.notes.isEmpty)
  }

  @Test func `a tied model that carries another head is untied, and a note says so`() throws {
    let tensors = try model.tensors()
    var head = tensors[0].data
    head[1000] ^= 1
    try model.write(to: folder, tensors: tensors + [("lm_head.weight", "F32", [64, 32], head)])
    let files = try ModelFiles.open(folder.path)
    #expect(!files.config.tieWordEmbeddings)
    #expect(f32(try files.weights.values("lm_head.weight")) == head)
    #expect(files.notes.count == 1 && files.notes[0].contains("lm_head.weight differs"))
  }

  @Test func `shards are found through the index`() throws {
    let tensors = try model.tensors()
    let parts = [tensors[..<7], tensors[7...]].map(Array.init)
    var map = JSON.Object()
    for (index, part) in parts.enumerated() {
      let name = "model-0000\(index + 1)-of-00002.safetensors"
      _ = try folder.write(TinyModel.safetensors(part), as: name)
      for tensor in part { map[tensor.name] = JSON(name) }
    }
    _ = try folder.write(model.config.configJSON().encoded(), as: "config.json")
    func writeIndex() throws {
      let index: JSON = ["metadata": ["total_size": 1], "weight_map": .object(map)]
      _ = try folder.write(index.encoded(), as: "model.safetensors.index.json")
    }
    try writeIndex()
    let files = try ModelFiles.open(folder.path)
    for name in files.weights.names { #expect(try files.weights.values(name) == model.weights.values(name)) }
    #expect(files.contentFiles.map(\.name).filter { $0.hasSuffix("safetensors") }.count == 2)

    map["model.norm.weight"] = JSON("model-00001-of-00002.safetensors")
    try writeIndex()
    #expect(problem { _ = try ModelFiles.open(folder.path) }.contains("which lacks it"))
    map["model.norm.weight"] = JSON("../model.safetensors")
    try writeIndex()
    #expect(problem { _ = try ModelFiles.open(folder.path) }.contains("must name files beside it"))
    map["model.norm.weight"] = JSON("model-00003-of-00002.safetensors")
    try writeIndex()
    #expect(problem { _ = try ModelFiles.open(folder.path) }.contains("a shard that the index names is missing"))
  }

  @Test func `missing, unexpected and misshapen tensors are named together`() throws {
    var tensors = try model.tensors()
    tensors[3].name = "model.layers.0.self_attn.w_proj.weight"
    tensors[0].shape = [32, 64]
    try model.write(to: folder, tensors: tensors)
    let text = problem { _ = try ModelFiles.open(folder.path) }
    #expect(text.contains("missing: model.layers.0.self_attn.k_proj.weight"), "\(text)")
    #expect(text.contains("unexpected: model.layers.0.self_attn.w_proj.weight"), "\(text)")
    #expect(text.contains("model.embed_tokens.weight is [32, 64], the configuration says [64, 32]"), "\(text)")
  }

  @Test func `an untied model without a head is an error that names it`() throws {
    var untied = model
    untied.config.tieWordEmbeddings = false
    try untied.write(to: folder, tensors: try model.tensors())
    #expect(problem { _ = try ModelFiles.open(folder.path) }.contains("missing: lm_head.weight"))
  }

  @Test func `a number format that is not supported is refused with its tensor`() throws {
    var tensors = try model.tensors()
    tensors[2].dtype = "F8_E4M3"
    tensors[2].data = Array(tensors[2].data.prefix(32 * 32))
    try model.write(to: folder, tensors: tensors)
    let text = problem { _ = try ModelFiles.open(folder.path) }
    #expect(text.contains("tensor model.layers.0.self_attn.q_proj.weight is stored as F8_E4M3"), "\(text)")
  }

  // MARK: Hostile files

  private static let plain = #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#

  @Test(arguments: [
    ("empty object data", "{}", 8, "longer than its header says"),
    ("gap", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, "there is a gap before a tensor"),
    (
      "overlap",
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
      12, "tensors overlap"
    ),
    ("bytes do not fit the shape", #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8, "takes 12 bytes"),
    ("backward offsets", #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8, "must be [begin, end]"),
    ("negative offset", #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}"#, 8, "must be [begin, end]"),
    ("offset of 2^70", #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,1180591620717411303424]}}"#, 8, "must be"),
    ("truncated", #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, 8, "the file is truncated"),
    (
      "absurd shape", #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#, 8,
      "absurd dimension"
    ),
    ("product overflows", #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#, 8, "absurd"),
    ("negative extent", #"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, 8, "absurd dimension"),
    ("a key too many", #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#, 8, "nothing else"),
    ("a name twice", #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":1}"#, 8, "duplicate key"),
    ("not JSON", #"{"a":{'dtype'}}"#, 8, "the header is not valid"),
    ("an array", "[]", 0, "the header must be an object"),
    ("deep JSON", String(repeating: "[", count: 100_000), 8, "nested deeper"),
    ("metadata of numbers", #"{"__metadata__":{"a":1}}"#, 0, "must be an object of strings"),
  ])
  func `a hostile header is a clear error`(id: String, header: String, data: Int, words: String) throws {
    let path = try folder.write(
      safetensors(header: header, data: [UInt8](repeating: 0, count: data)), as: "m.safetensors")
    let text = problem { _ = try SafetensorsFile(path) }
    #expect(text.contains(words), "\(text)")
  }

  @Test func `a header length beyond the file or the format's limit is refused`() throws {
    let good = safetensors(header: Self.plain, data: f32([1, 2]))
    #expect(try SafetensorsFile(try folder.write(good, as: "good")).tensors.first?.shape == [2])
    for (length, words) in [
      (UInt64.max, "absurd"), (1 << 60, "absurd"), (99_999_999, "truncated: its header alone needs 100000007 bytes"),
    ] {
      var writer = ByteWriter()
      writer.integer(length)
      let path = try folder.write(writer.bytes + good.dropFirst(8), as: "bad")
      let text = problem { _ = try SafetensorsFile(path) }
      #expect(text.contains(words), "\(text)")
    }
    for count in [0, 7, 8, 20] {
      let path = try folder.write(Array(good.prefix(count)), as: "short")
      #expect(problem { _ = try SafetensorsFile(path) }.contains("truncated"))
    }
    let path = try folder.write(Array(good.dropLast()), as: "short")
    #expect(problem { _ = try SafetensorsFile(path) }.contains("asks for \(good.count) bytes (got \(good.count - 1))"))
  }
}
