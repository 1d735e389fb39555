import Basics
import Models
import Testing

@Suite struct GGUFTests {
  private let folder: TemporaryFolder
  private let model = TinyModel()

  init() throws { folder = try TemporaryFolder() }

  private func open(_ builder: GGUFBuilder, cut: Int = 0) throws -> ModelFiles {
    try .open(try folder.write(Array(builder.encoded().dropLast(cut)), as: "m.gguf"))
  }

  @Test(arguments: [UInt32(2), 3])
  func `a llama file gives its configuration and its weights in Hugging Face's order`(version: UInt32) throws {
    var builder = try model.gguf()
    builder.version = version
    builder.set("tokenizer.chat_template", "{{ x }}")
    builder.set("tokenizer.ggml.tokens", strings: ["a", "b\u{301}"])
    let files = try open(builder)
    #expect(files.config == model.config)
    #expect(files.chatTemplate == "{{ x }}")
    #expect(files.contentFiles == [folder.path.appending("m.gguf")])
    guard case .gguf(let metadata) = files.tokenizer else {
      Issue.record("no tokenizer")
      return
    }
    #expect(metadata["tokenizer.ggml.tokens"]?.array?.count == 2)
    #expect(files.weights.names == model.config.parameters.map(\.name))
    for name in files.weights.names {
      #expect(try bits(files.weights.values(name)) == bits(model.weights.values(name)), "\(name)")
    }
  }

  @Test func `some rows of a turned tensor are those rows of the whole`() throws {
    let weights = try open(try model.gguf()).weights
    let name = "model.layers.1.self_attn.q_proj.weight"
    let whole = try weights.values(name)
    for rows in [0..<1, 3..<4, 5..<19, 31..<32, 0..<32, 7..<7] {
      #expect(try weights.values(name, rows: rows) == Array(whole[rows.lowerBound * 32..<rows.upperBound * 32]))
    }
  }

  @Test func `biases of q and k turn with their rows in llama files and not in qwen2 files`() throws {
    var biased = model
    biased.config.attentionBias = true
    biased.config.family = .qwen2
    // Distinct numbers in the biases, which a preset's are not.
    func build(_ architecture: String, permuted: Bool) throws -> GGUFBuilder {
      var builder = try biased.gguf(architecture: architecture, permuted: permuted)
      for index in builder.tensors.indices where builder.tensors[index].name.hasSuffix("bias") {
        let count = Int(builder.tensors[index].shape[0])
        builder.tensors[index].data = f32((0..<count).map { Float($0) })
      }
      return builder
    }
    let qwen = try open(try build("qwen2", permuted: false))
    #expect(qwen.config == biased.config)
    #expect(try qwen.weights.values("model.layers.0.self_attn.q_proj.bias") == (0..<32).map { Float($0) })
    #expect(
      try qwen.weights.values("model.layers.0.self_attn.q_proj.weight")
        == biased.weights.values("model.layers.0.self_attn.q_proj.weight"))
    let llama = try open(try build("llama", permuted: true))
    #expect(llama.config.family == .qwen2)
    #expect(
      try llama.weights.values("model.layers.0.self_attn.k_proj.bias") == [
        0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15,
      ])
    #expect(try llama.weights.values("model.layers.0.self_attn.v_proj.bias") == (0..<16).map { Float($0) })
  }

  @Test func `an output tensor means an untied head`() throws {
    var untied = model
    untied.config.tieWordEmbeddings = false
    let files = try open(try untied.gguf())
    #expect(!files.config.tieWordEmbeddings)
    #expect(files.weights.names.last == "lm_head.weight")
  }

  @Test func `Llama 3's table of rotary factors is recognised, another is refused`() throws {
    var scaled = model
    scaled.config.ropeTheta = 500_000
    scaled.config.ropeScaling = .llama3(
      factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 8192)
    let frequencies = scaled.config.rotaryFrequencies().frequencies
    scaled.config.ropeScaling = .none
    let factors = zip(scaled.config.rotaryFrequencies().frequencies, frequencies).map { Float($0 / $1) }
    var builder = try scaled.gguf()
    builder.tensors.append(GGUFBuilder.Tensor(name: "rope_freqs.weight", shape: [4], data: f32(factors)))
    guard case .llama3(32, 1, 4, 8192) = try open(builder).config.ropeScaling else {
      Issue.record("not recognised")
      return
    }
    builder.tensors[builder.tensors.count - 1].data = f32([1, 2, 3, 4])
    #expect(problem { _ = try open(builder) }.contains("rotary factors that are not supported"))
  }

  // MARK: Hostile files

  struct Hostile: Sendable, CustomTestStringConvertible {
    let name: String
    let words: String
    let change: @Sendable (inout GGUFBuilder) -> Void
    init(_ name: String, _ words: String, _ change: @escaping @Sendable (inout GGUFBuilder) -> Void) {
      (self.name, self.words, self.change) = (name, words, change)
    }
    var testDescription: String { name }
  }

  static let hostile: [Hostile] = [
    Hostile("tensor count", "the tensor count is absurd") { $0.tensorCount = 1 << 60 },
    Hostile("tensor count all ones", "the tensor count is absurd") { $0.tensorCount = .max },
    Hostile("key count", "the metadata count is absurd") { $0.keyCount = 1 << 62 },
    Hostile("more tensors than there are", "must have 1 to 4 dimensions") { $0.tensorCount = 100 },
    Hostile("version 1", "this GGUF version is not supported") { $0.version = 1 },
    Hostile("big-endian", "big-endian") { $0.version = 0x0300_0000 },
    Hostile("string length", "the length of the value of x is absurd") {
      $0.keys.append(("x", 8, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]))
    },
    Hostile("array length", "the length of array x is absurd") {
      $0.keys.append(("x", 9, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10]))
    },
    Hostile("nested arrays", "nests arrays deeper") {
      let level: [UInt8] = [9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
      $0.keys.append(("x", 9, Array(repeatElement(level, count: 50).joined())))
    },
    Hostile("unknown value type", "has an unknown type") { $0.keys.append(("x", 77, [])) },
    Hostile("a bool of 2", "must be 0 or 1") { $0.keys.append(("x", 7, [2])) },
    Hostile("invalid UTF-8", "not valid UTF-8") { $0.keys.append(("x", 8, [1, 0, 0, 0, 0, 0, 0, 0, 0xFF])) },
    Hostile("a key twice", "occurs twice") { $0.keys.append($0.keys[0]) },
    Hostile("a tensor twice", "occurs twice") { $0.tensors.append($0.tensors[0]) },
    Hostile("a dimension of 2^60", "absurd dimension") { $0.tensors[0].shape = [1 << 60, 1 << 60] },
    Hostile("a dimension of 0", "absurd dimension") { $0.tensors[0].shape = [0, 32] },
    Hostile("nine dimensions", "must have 1 to 4 dimensions") { $0.tensors[0].shape = Array(repeating: 1, count: 9) },
    Hostile("an unaligned offset", "must be a multiple of 32") { $0.tensors[1].offset = 33 },
    Hostile("an offset outside", "the file is truncated: its tensors need") { $0.tensors[1].offset = 1 << 40 },
    Hostile("an offset that overflows", "must be a multiple of 32") { $0.tensors[1].offset = .max - 31 },
    Hostile("overlapping tensors", "overlap") { $0.tensors[2].offset = 0 },
    Hostile("alignment of 3", "general.alignment must be a power of two") { $0.set("general.alignment", UInt32(3)) },
    Hostile("alignment of 0", "general.alignment must be a power of two") { $0.set("general.alignment", UInt32(0)) },
    Hostile("a quantisation that is not supported", "tensor blk.0.attn_q.weight is stored as Q4_K") {
      $0.tensors[2].type = 12
    },
    Hostile("an unknown quantisation", "is stored as type 999") { $0.tensors[2].type = 999 },
    Hostile("rows that are no whole blocks", "must have rows of a multiple of 32 elements") {
      $0.tensors[2].type = 8
      $0.tensors[2].shape = [64, 16]
    },
    Hostile("a missing tensor", "missing: blk.0.attn_norm.weight") { $0.tensors.remove(at: 1) },
    Hostile("a tensor too many", "unexpected: blk.0.attn_q_norm.weight") {
      $0.tensors[2].name = "blk.0.attn_q_norm.weight"
    },
    Hostile("a wrong shape", "blk.0.attn_q.weight is [16, 64], the configuration says [32, 32]") {
      $0.tensors[2].shape = [16, 64]
    },
    Hostile("experts", "mixtures of experts are not supported") { $0.set("llama.expert_count", UInt32(8)) },
    Hostile("a longrope", "this rotary scaling is not supported") { $0.set("llama.rope.scaling.type", "longrope") },
    Hostile("partial rotation", "rotation of a part of each head") { $0.set("llama.rope.dimension_count", UInt32(4)) },
  ]

  @Test(arguments: hostile)
  func `a hostile file is a clear error`(_ hostile: Hostile) throws {
    var builder = try model.gguf()
    hostile.change(&builder)
    let text = problem { _ = try open(builder) }
    #expect(text.contains(hostile.words), "\(text)")
  }

  @Test func `an architecture that is not supported is named`() throws {
    let text = problem { _ = try open(model.metadata(architecture: "gemma3")) }
    #expect(text.contains("this architecture is not supported (got \"gemma3\")"), "\(text)")
  }

  @Test func `a file cut anywhere is an error that says so`() throws {
    let builder = try model.gguf()
    let size = builder.encoded().count
    for cut in [1, 500, size / 2, size - 1000, size - 200, size - 30, size - 20, size - 10, size - 3] {
      let text = problem { _ = try open(builder, cut: cut) }
      #expect(text.contains("truncated"), "cut \(cut): \(text)")
    }
    #expect(problem { _ = try open(builder, cut: 1) }.contains("need \(size) bytes (got \(size - 1) bytes"))
    #expect(problem { _ = try open(builder, cut: size) }.contains("truncated"))
  }

  @Test func `a file of another kind is refused by its first bytes`() throws {
    let path = try folder.write("PK\u{3}\u{4} not a model at all, but long enough", as: "m.gguf")
    #expect(problem { _ = try GGUFFile(path) }.contains("does not begin with \"GGUF\""))
  }
}
