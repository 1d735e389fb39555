import Basics
import Models

/// Adapters whose B is not zero, so that every gradient matters.
struct LivelyAdapters: WeightSource {
  let config: ModelConfig
  let options: AdapterOptions

  var names: [String] { config.adapterParameters(options).map(\.name) }
  func shape(of name: String) -> [Int]? { config.adapterParameters(options).first { $0.name == name }?.shape }

  func read(_ name: String, rows: Range<Int>?, into: UnsafeMutableBufferPointer<Float>) throws(ModelError) {
    let columns = shape(of: name)?.last ?? 1
    var generator = SeededGenerator(seed: 9, stream: UInt64(Digest(of: name).hex.prefix(8), radix: 16) ?? 0)
    let skipped = (rows?.lowerBound ?? 0) * columns
    for index in 0..<skipped + into.count {
      let value = Float(generator.uniform() - 0.5) * 0.5
      if index >= skipped { unsafe into[index - skipped] = value }
    }
  }
}

/// Step options that train adapters.
func adapterStep(
  rank: Int = 3, alpha: Double = 5, dropout: Double = 0,
  modules: Set<AdapterOptions.Module> = Set(AdapterOptions.Module.allCases), stabilised: Bool = false,
  quantised: Bool = false
) -> StepOptions {
  var options = StepOptions(weightDecay: 0.1, maxGradNorm: 0.5)
  options.adapter = AdapterOptions(
    rank: rank, alpha: alpha, dropout: dropout, modules: modules, isRankStabilised: stabilised)
  options.quantisesBase = quantised
  return options
}
