import Tensors

/// How far a merged model's logits are from those of its base with the adapter beside it.
package struct AdapterDistance: Sendable, Equatable {
  /// Tokens that were compared, each with the logits of the whole vocabulary.
  package let tokens: Int
  package let largestDifference: Double
  package let meanDifference: Double
  /// The largest magnitude among the unmerged model's logits.
  package let largestLogit: Double
  /// Tokens whose likeliest next id is the same.
  package let sameBest: Int

  /// Compares over `ids`, one sequence; `merged` are the merged model's weights as others will read them.
  ///
  /// One of the two models is in memory at a time.
  package init(
    _ adapter: AppliedAdapter, config: ModelConfig, merged: any WeightSource, ids: [Int32], backend: any Backend
  ) throws(ModelError) {
    let uniform = adapter.uniform(config)
    var options = StepOptions()
    options.adapter = uniform.options
    let beside = try AdapterDistance.logits(
      config, adapter.base, adapters: (options, uniform.weights), ids: ids, backend: backend)
    let within = try AdapterDistance.logits(config, merged, adapters: nil, ids: ids, backend: backend)
    var sum = 0.0
    var largest = 0.0
    var size = 0.0
    for (a, b) in zip(beside, within) {
      let difference = abs(Double(a) - Double(b))
      sum += difference
      largest = max(largest, difference)
      size = max(size, abs(Double(a)))
    }
    tokens = ids.count
    largestDifference = largest
    meanDifference = sum / Double(max(beside.count, 1))
    largestLogit = size
    let width = config.vocabularySize
    sameBest = ids.indices.count { row in
      let range = row * width..<(row + 1) * width
      return beside[range].indices.max { beside[$0] < beside[$1] }
        == within[range].indices.max { within[$0] < within[$1] }
    }
  }

  /// (T,V), row by row.
  private static func logits(
    _ config: ModelConfig, _ weights: any WeightSource, adapters: (options: StepOptions, weights: any WeightSource)?,
    ids: [Int32], backend: any Backend
  ) throws(ModelError) -> [Float] {
    let pass = config.scoringPass(
      tokens: ids.count, scoredRows: ids.count, keepLogits: true, positions: ids.count, adapters: adapters?.options)
    guard let logits = pass.logits else { return [] }
    do {
      let plan = MemoryPlan(pass.program)
      let loaded = try backend.load(
        pass.program, plan: plan, in: try backend.makeArena(bytes: plan.arenaBytes))
      pass.rotary.write(into: loaded)
      try loaded.loadWeights(from: weights, into: pass.weights)
      if let adapters { try loaded.loadWeights(from: adapters.weights, into: pass.adapters) }
      let places = ids.indices.map { Int32($0) }
      loaded.write(ids, to: pass.ids)
      loaded.write(places, to: pass.positions)
      loaded.write(ids.map { _ in 0 as Int32 }, to: pass.segments)
      loaded.write(places, to: pass.rows)
      loaded.write(ids.map { _ in -100 as Int32 }, to: pass.targets)
      try loaded.run(StepScalars())
      return loaded.read(logits, as: Float.self, initial: 0)
    } catch let error as TensorError { throw ModelError(error.problem) } catch let error as ModelError {
      throw error
    } catch { throw ModelError("\(error)") }
  }
}
