import Basics
import Models
import Tensors
import Tokenization

/// A model in memory that scores texts and continues them.
package final class LanguageModel {
  package let config: ModelConfig
  package let tokenizer: Tokenizer
  /// Most positions a request may take.
  package let maximumLength: Int
  /// Sequences that are decoded side by side at most.
  let batchSize: Int
  let backend: any Backend
  private let weights: any WeightSource
  /// Requests that lost their left because the model reads no more.
  package var cutRequests = 0
  private var arena: (any ArenaMemory)?
  private var programs: [String: Any] = [:]

  /// `maximumLength` bounds what a request reads: the model's own bound where it is smaller.
  package init(
    config: ModelConfig, weights: any WeightSource, tokenizer: Tokenizer, backend: any Backend,
    maximumLength: Int? = nil, batchSize: Int = 8
  ) throws(EvaluationError) {
    guard tokenizer.vocabularySize <= config.vocabularySize else {
      throw EvaluationError(
        "the tokenizer has more tokens than the model", value: "\(tokenizer.vocabularySize) > \(config.vocabularySize)",
        remedy: "use the tokenizer that belongs to the model")
    }
    self.config = config
    self.weights = weights
    self.tokenizer = tokenizer
    self.backend = backend
    self.batchSize = max(1, batchSize)
    self.maximumLength = min(maximumLength ?? 1 << 17, config.maxPositionEmbeddings)
  }

  /// Ids that end a text.
  var endIDs: Set<Int32> {
    Set(config.eosIDs.map { Int32(truncatingIfNeeded: $0) } + (tokenizer.eosID.map { [$0] } ?? []))
  }

  /// A program loaded into the shared arena; made by `make` at the first call for `key`.
  ///
  /// A program that needs a larger arena than there is makes a new one and loads the weights again: callers ask for
  /// their largest program first.
  func loaded<P: ModelPass>(_ key: String, make: () -> P) throws(EvaluationError) -> LoadedModelProgram<P> {
    if let known = programs[key] as? LoadedModelProgram<P> { return known }
    let made = make()
    let plan = MemoryPlan(made.program)
    do {
      if arena.map({ $0.bytes < plan.arenaBytes }) ?? true {
        programs = [:]
        arena = nil
        let fresh = try backend.makeArena(bytes: plan.arenaBytes)
        let loaded = try backend.load(made.program, plan: plan, in: fresh)
        try loaded.loadWeights(from: weights, into: made.weights)
        made.rotary.write(into: loaded)
        arena = fresh
      }
      guard let arena else { throw EvaluationError("the model has no memory") }
      let result = LoadedModelProgram(layout: made, loaded: try backend.load(made.program, plan: plan, in: arena))
      programs[key] = result
      return result
    } catch {
      throw EvaluationError(problem(of: error))
    }
  }
}

/// What the passes of one model have in common.
protocol ModelPass {
  var program: Program { get }
  var weights: [WeightSlot] { get }
  var rotary: RotaryTensors { get }
}

extension ScoringProgram: ModelPass {}
extension GenerationProgram: ModelPass {}

/// A program with its layout and its place in memory.
final class LoadedModelProgram<Layout> {
  let layout: Layout
  let loaded: any LoadedProgram

  init(layout: Layout, loaded: any LoadedProgram) {
    self.layout = layout
    self.loaded = loaded
  }

  func run() throws(EvaluationError) {
    do {
      try loaded.run(StepScalars())
    } catch {
      throw EvaluationError(error.problem)
    }
  }
}
