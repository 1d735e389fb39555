import Basics
import Models
import Testing

/// Real weights in three forms, from outside the repository.
@Suite(.enabled(if: GoldenData.folder != nil, "FETTLE_TEST_DATA is not set"))
struct GoldenModelTests {
  private func open(_ name: String) throws -> ModelFiles {
    let folder = try #require(GoldenData.folder)
    return try ModelFiles.open(folder.appending("models/stories260K").appending(name))
  }

  @Test func `stories260K has the same configuration and weights from safetensors and from GGUF`() throws {
    let folder = try open("hf")
    let gguf = try open("stories260K-f32.gguf")
    #expect(gguf.config == folder.config)
    #expect(gguf.weights.names == folder.weights.names)
    for name in folder.weights.names {
      #expect(try bits(gguf.weights.values(name)) == bits(folder.weights.values(name)), "\(name)")
    }
  }

  @Test func `stories260K in F16 is its F32 rounded`() throws {
    let exact = try open("stories260K-f32.gguf")
    let half = try open("stories260K-f16.gguf")
    #expect(half.config == exact.config)
    for name in exact.weights.names {
      for (got, value) in zip(try half.weights.values(name), try exact.weights.values(name)) {
        let half = max(abs(value) * 0x1p-11, 0x1p-25)
        #expect(abs(got - value) <= half, "\(name)")
      }
    }
  }

  @Test func `stories260K's vocabulary comes with its GGUF file`() throws {
    guard case .gguf(let metadata) = try open("stories260K-f32.gguf").tokenizer else {
      Issue.record("no tokenizer")
      return
    }
    #expect(metadata["tokenizer.ggml.tokens"]?.array?.count == 512)
    #expect(metadata["tokenizer.ggml.model"]?.string == "llama")
  }
}
