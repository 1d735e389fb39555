import Tensors

/// A forward pass that gives log-probabilities of targets at chosen rows.
package struct ScoringProgram: Sendable {
  package var program: Program
  package let weights: [WeightSlot]
  /// The weights of adapters, where such were asked for.
  package let adapters: [WeightSlot]
  package let rotary: RotaryTensors
  /// (T,1) i32 each; `segments` and `positions` as in training.
  package let ids: TensorID
  package let positions: TensorID
  package let segments: TensorID
  /// (R,1) i32: the tokens whose next token is scored; negative rows are padding.
  package let rows: TensorID
  /// (R,1) i32: the id scored at each row; -100 for none.
  package let targets: TensorID
  /// (R,1) f64: log-probability of each target; 0 where there is none.
  package let logProbability: TensorID
  /// (R,1) i32: the likeliest id at each row; the lowest wins ties.
  package let best: TensorID
  /// (R,V) f32, when the logits were asked for.
  package let logits: TensorID?
}

/// One pass of generation: T tokens of any number of sequences go through the model and into their caches.
///
/// The same program shape serves prompts (many tokens of one slot) and decoding (one token of each slot). Programs that
/// agree on `slots`, `length` and `positions` share an arena, caches included.
package struct GenerationProgram: Sendable {
  package var program: Program
  package let weights: [WeightSlot]
  package let rotary: RotaryTensors
  /// (T,1) i32 each. `slots` names the sequence's cache, -1 for padding; `positions` the row in it.
  package let ids: TensorID
  package let positions: TensorID
  package let slots: TensorID
  /// (R,1) i32: the tokens whose logits are wanted; negative rows are padding.
  package let rows: TensorID
  /// (R,1) i32: ids whose log-probability is wanted at each row; -100 for none.
  package let targets: TensorID
  /// (R,V) f32.
  package let logits: TensorID
  /// (R,1) f64 and (R,1) i32, as in `ScoringProgram`.
  package let logProbability: TensorID
  package let best: TensorID
}

extension ModelConfig {
  /// A pass over `tokens` tokens of packed segments that scores `scoredRows` of them.
  ///
  /// Logits are computed for a bounded number of rows at a time, and kept only with `keepLogits`. `adapters` asks for
  /// those of a training with such options beside the weights.
  package func scoringPass(
    tokens: Int, scoredRows: Int, keepLogits: Bool = false, positions: Int? = nil, adapters: StepOptions? = nil
  ) -> ScoringProgram {
    var emitter = DecoderEmitter(self, training: adapters, positions: positions)
    let ids = emitter.input("ids", tokens)
    let positionsInput = emitter.input("positions", tokens)
    let segments = emitter.input("segments", tokens)
    let head = emitter.scoredHead(scoredRows)
    emitter.microBatch = 0
    var stream = emitter.embed(emitter.program.view(ids))
    for index in 0..<layerCount {
      _ = emitter.forwardBlock(
        index, stream: &stream, positions: emitter.program.view(positionsInput),
        context: .packed(segments: emitter.program.view(segments)), keepsInputs: false)
    }
    let logits = emitter.score(stream, head, keepLogits: keepLogits)
    return ScoringProgram(
      program: emitter.program, weights: emitter.parameters.slots, adapters: emitter.parameters.adapterSlots,
      rotary: emitter.rotary, ids: ids, positions: positionsInput, segments: segments, rows: head.rows,
      targets: head.targets,
      logProbability: head.logProbability, best: head.best, logits: logits)
  }

  /// A pass over `tokens` tokens that appends to the caches of `slots` sequences of up to `length` tokens and gives
  /// the logits of `rows` tokens.
  package func generationPass(
    tokens: Int, rows: Int, slots: Int, length: Int, positions: Int? = nil
  ) -> GenerationProgram {
    var emitter = DecoderEmitter(self, training: nil, positions: positions)
    let caches = (0..<layerCount).map { layer in
      ["keys", "values"].map { part in
        emitter.program.add(
          TensorSpec(
            name: "block\(layer).cache.\(part)", rows: slots * length, columns: keyValueWidth, role: .cache))
      }
    }
    let ids = emitter.input("ids", tokens)
    let positionsInput = emitter.input("positions", tokens)
    let slotsInput = emitter.input("slots", tokens)
    let head = emitter.scoredHead(rows)
    emitter.microBatch = 0
    var stream = emitter.embed(emitter.program.view(ids))
    for index in 0..<layerCount {
      let context = AttentionContext.cached(
        keys: emitter.program.view(caches[index][0]), values: emitter.program.view(caches[index][1]),
        slots: emitter.program.view(slotsInput), length: length)
      _ = emitter.forwardBlock(
        index, stream: &stream, positions: emitter.program.view(positionsInput), context: context,
        keepsInputs: false)
    }
    // Logits are always kept here.
    let logits = emitter.score(stream, head, keepLogits: true) ?? head.best
    return GenerationProgram(
      program: emitter.program, weights: emitter.parameters.slots, rotary: emitter.rotary, ids: ids,
      positions: positionsInput, slots: slotsInput, rows: head.rows, targets: head.targets, logits: logits,
      logProbability: head.logProbability, best: head.best)
  }
}

/// Inputs and outputs of the head at chosen rows.
private struct ScoredHead {
  let rows: TensorID
  let targets: TensorID
  let logProbability: TensorID
  let best: TensorID
}

extension DecoderEmitter {
  fileprivate mutating func scoredHead(_ rows: Int) -> ScoredHead {
    ScoredHead(
      rows: input("rows", rows), targets: input("targets", rows),
      logProbability: program.add(
        TensorSpec(name: "log_probability", dtype: .f64, rows: rows, columns: 1, role: .output)),
      best: program.add(TensorSpec(name: "best", dtype: .i32, rows: rows, columns: 1, role: .output)))
  }

  /// Final norm and head at the chosen rows; the logits' tensor when they are kept.
  fileprivate mutating func score(_ stream: ResidualStream, _ head: ScoredHead, keepLogits: Bool) -> TensorID? {
    let rows = program.view(head.rows)
    var chosen = ResidualStream(x: gather(stream.x, rows, "final"), delta: nil)
    if let delta = stream.delta { chosen.delta = gather(delta, rows, "final.delta") }
    let last = normed(&chosen, weight: parameters.finalNorm, name: "final", keepsInputs: false)
    phase = .loss
    let step = keepLogits ? rows.rows : min(config.lossRows, rows.rows)
    let logits = tensor(
      "logits", step, config.vocabularySize, role: keepLogits ? .output : .workspace)
    for start in stride(from: 0, to: rows.rows, by: max(step, 1)) {
      let range = start..<min(start + step, rows.rows)
      let chunk = logits.rows(0..<range.count)
      linear(last.out.rows(range), parameters.head, bias: nil, out: chunk)
      emit(
        .scoreTargets(
          logits: chunk, targets: program.view(head.targets).rows(range),
          logProbability: program.view(head.logProbability).rows(range), best: program.view(head.best).rows(range)))
    }
    return keepLogits ? logits.tensor : nil
  }

  private mutating func gather(_ x: TensorView, _ rows: TensorView, _ name: String) -> TensorView {
    let out = tensor(name, rows.rows, x.columns)
    emit(.gatherRows(x: x, rows: rows, out: out))
    return out
  }
}
