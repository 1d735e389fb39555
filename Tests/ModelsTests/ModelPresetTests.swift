import Basics
import Models
import Testing

@Suite struct ModelPresetTests {
  private let weights = PresetWeights(config: ModelPreset.nano.config(vocabularySize: 300), seed: 7)

  @Test func `numbers do not depend on the rows that are read together`() throws {
    let name = "model.layers.2.mlp.up_proj.weight"
    let whole = try weights.values(name)
    var pieces: [Float] = []
    for rows in [0..<1, 1..<7, 7..<300, 300..<512] { pieces += try weights.values(name, rows: rows) }
    #expect(bits(pieces) == bits(whole))
  }

  @Test func `seed and name decide the numbers, on every machine alike`() throws {
    let name = "model.embed_tokens.weight"
    let digest = Digest(of: f32(try weights.values(name)))
    #expect(digest.hex == "a44fd1812021f8452f32e44007f14d4fb0629eaef0eccdc84e2c297f784d2350")
    #expect(try PresetWeights(config: weights.config, seed: 8).values(name) != weights.values(name))
    #expect(
      try weights.values("model.layers.0.mlp.up_proj.weight") != weights.values("model.layers.1.mlp.up_proj.weight"))
  }

  @Test func `matrices are normal, residual outputs smaller, norms one`() throws {
    func deviation(_ name: String) throws -> Double {
      let values = try weights.values(name).map(Double.init)
      let mean = values.reduce(0, +) / Double(values.count)
      #expect(abs(mean) < 2e-4)
      return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
    }
    #expect(abs(try deviation("model.layers.0.mlp.up_proj.weight") - 0.02) < 2e-4)
    #expect(abs(try deviation("model.layers.3.mlp.down_proj.weight") - 0.02 / 8.0.squareRoot()) < 1e-4)
    #expect(try weights.values("model.norm.weight").allSatisfy { $0 == 1 })
  }

  @Test func `a preset opens with the vocabulary it is given`() throws {
    let files = ModelFiles.preset(.nano, vocabularySize: 77, bosID: 3, eosIDs: [4], seed: 1)
    #expect(files.weights.shape(of: "model.embed_tokens.weight") == [77, 192])
    #expect(files.config.bosID == 3 && files.config.eosIDs == [4])
    #expect(files.contentFiles.isEmpty)
    #expect(files.weights.shape(of: "lm_head.weight") == nil)
  }
}
