import Basics
import Models
import Testing

@Suite struct ModelWriterTests {
  private let folder: TemporaryFolder
  private let model = TinyModel()

  init() throws { folder = try TemporaryFolder() }

  @Test func `what is written is read again, bit for bit`() throws {
    let out = folder.path.appending("a/b")
    try ModelWriter(config: model.config, chatTemplate: "t").write(model.weights, to: out)
    let files = try ModelFiles.open(out)
    #expect(files.config == model.config)
    #expect(files.chatTemplate == "t")
    #expect(files.generationConfig == ["_from_model_config": true, "bos_token_id": 1, "eos_token_id": 2])
    for name in files.weights.names {
      #expect(try bits(files.weights.values(name)) == bits(model.weights.values(name)))
    }
  }

  @Test func `two writings give the same bytes`() throws {
    for name in ["x", "y"] {
      try ModelWriter(config: model.config, shardLimit: 20_000, files: [("tokenizer.json", ["a": 1])])
        .write(model.weights, to: folder.path.appending(name))
    }
    let names = try Files.list(folder.path.appending("x"))
    #expect(try Files.list(folder.path.appending("y")) == names)
    #expect(names.map(\.name).contains("model.safetensors.index.json"))
    #expect(names.map(\.name).contains("tokenizer.json"))
    for name in names {
      let (x, y) = (folder.path.appending("x").appending(name), folder.path.appending("y").appending(name))
      #expect(try Files.digest(x) == Files.digest(y), "\(name.display)")
    }
    let files = try ModelFiles.open(folder.path.appending("x"))
    #expect(files.contentFiles.filter { $0.fileExtension == "safetensors" }.count > 2)
    for name in files.weights.names { #expect(try files.weights.values(name) == model.weights.values(name)) }
  }

  @Test(arguments: [ModelWriter.Storage.bfloat16, .float16])
  func `halves are rounded to the nearest, ties to even`(storage: ModelWriter.Storage) throws {
    let out = folder.path.appending(storage.rawValue)
    try ModelWriter(config: model.config, storage: storage).write(model.weights, to: out)
    let json = try JSONParser.parse(try Files.read(out.appending("config.json")))
    #expect(json["torch_dtype"]?.string == storage.rawValue)
    let files = try ModelFiles.open(out)
    for name in files.weights.names {
      for (got, value) in zip(try files.weights.values(name), try model.weights.values(name)) {
        let scale = storage == .bfloat16 ? max(abs(value) * 0x1p-8, 0x1p-133) : max(abs(value) * 0x1p-11, 0x1p-25)
        #expect(abs(got - value) <= scale)
      }
    }
  }

  /// Values in, exact stored values out: ties, subnormals, the largest.
  private static let roundings: [(ModelWriter.Storage, Float, Float)] = [
    (.float16, 1 + 0x1p-11, 1), (.float16, 1 + 3 * 0x1p-11, 1 + 0x1p-9), (.float16, 1 + 0x1p-11 + 0x1p-20, 1 + 0x1p-10),
    (.float16, 0x1p-25, 0), (.float16, 0x1.8p-25, 0x1p-24), (.float16, -0x1p-24, -0x1p-24), (.float16, 65519, 65504),
    (.float16, 0x1.ffep-15, 0x1p-14), (.float16, 3 * 0x1p-25, 0x1p-23), (.float16, .infinity, .infinity),
    (.bfloat16, 1 + 0x1p-8, 1), (.bfloat16, 1 + 3 * 0x1p-8, 1 + 0x1p-6), (.bfloat16, -1.00390637, -1.0078125),
    (.bfloat16, .greatestFiniteMagnitude, .infinity), (.bfloat16, .leastNonzeroMagnitude, 0),
    (.bfloat16, -.infinity, -.infinity),
  ]

  @Test func `rounding follows IEEE 754`() throws {
    for (index, (storage, value, expected)) in Self.roundings.enumerated() {
      let out = folder.path.appending("\(index)")
      unsafe try ModelWriter(config: model.config, storage: storage).write(to: out) { _, _, buffer in
        unsafe buffer.update(repeating: value)
      }
      let got = try ModelFiles.open(out).weights.values("model.norm.weight")[0]
      #expect(got.bitPattern == expected.bitPattern, "\(storage) \(value) gave \(got)")
    }
  }

  @Test func `a number that f16 can not hold is an error with its tensor`() throws {
    let text = problem {
      unsafe try ModelWriter(config: model.config, storage: .float16).write(to: folder.path.appending("h")) {
        _, _, buffer in
        unsafe buffer.update(repeating: 65520)
      }
    }
    #expect(text.contains("tensor model.embed_tokens.weight is too large for F16 (got 65520.0)"), "\(text)")
    #expect(!Files.exists(folder.path.appending("h/config.json")))
    #expect(try Files.list(folder.path.appending("h")).isEmpty)
  }

  @Test func `a folder that holds a model is not written over, and a stop is obeyed`() throws {
    let out = folder.path.appending("z")
    let stopped = problem {
      try ModelWriter(config: model.config).write(model.weights, to: out, progress: { _ in .stop })
    }
    #expect(stopped.contains("stopped"))
    try ModelWriter(config: model.config).write(model.weights, to: out)
    let text = problem { try ModelWriter(config: model.config).write(model.weights, to: out) }
    #expect(text.contains("holds a model already"))
  }
}
