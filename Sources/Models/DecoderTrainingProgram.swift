import Tensors

/// How many tokens each micro-batch of an optimizer step has.
package struct TrainingShape: Hashable, Sendable {
  /// Tokens of each micro-batch, in order; at least one.
  package var microBatchTokens: [Int]
  /// Rows of the rotary tables: every position is below; nil takes the model's longest sequence. Programs that share
  /// an arena must agree on it.
  package var positions: Int?

  package init(microBatchTokens: [Int], positions: Int? = nil) {
    self.microBatchTokens = microBatchTokens
    self.positions = positions
  }

  package init(tokens: Int, microBatches: Int = 1, positions: Int? = nil) {
    self.init(microBatchTokens: [Int](repeating: tokens, count: microBatches), positions: positions)
  }

  /// Tokens of the whole step, padding included.
  package var tokens: Int { microBatchTokens.reduce(0, +) }

  /// Rows of each micro-batch in the step's input tensors.
  package var ranges: [Range<Int>] {
    var start = 0
    return microBatchTokens.map { count in
      defer { start += count }
      return start..<start + count
    }
  }
}

/// Which parameters weight decay applies to.
package enum DecayPolicy: String, Sendable, CaseIterable {
  /// Matrices and the embedding, not norms and biases: what Hugging Face's Trainer does.
  case matrices
  /// Every parameter.
  case all
}

/// What a training step does beside the model's arithmetic.
package struct StepOptions: Sendable, Equatable {
  package var optimizer: Optimizer
  package var beta1: Double
  package var beta2: Double
  package var epsilon: Double
  package var weightDecay: Double
  package var decay: DecayPolicy
  /// Gradients are scaled to at most this global norm; nil leaves them.
  package var maxGradNorm: Double?
  /// Number formats; bf16 is for backends that compute in it.
  package var precision = Precision.f32
  /// Whether the model's matrices are bf16, rounded by chance when they are updated, with no f32 copy.
  package var weightsAreHalf = false
  /// Whether the embedding and the head keep f32 states whatever the optimizer.
  package var embeddingStatesAreFull = false
  /// Adapters to train instead of the weights, which are frozen then; nil trains all weights.
  package var adapter: AdapterOptions?
  /// Whether the frozen matrices of the blocks are held in NF4 and dequantised whenever they are used; those whose
  /// columns are no multiple of 64 are not.
  package var quantisesBase = false

  package init(
    optimizer: Optimizer = .adamW, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0,
    decay: DecayPolicy = .matrices, maxGradNorm: Double? = nil
  ) {
    self.optimizer = optimizer
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.decay = decay
    self.maxGradNorm = maxGradNorm
  }
}

/// The inputs of programs over packed segments; all (T,1) i32, the micro-batches behind each other.
package struct TokenInputs: Sendable {
  package let ids: TensorID
  /// The id each token should predict; -100 where nothing is asked.
  package let targets: TensorID
  /// Position of each token in its segment.
  package let positions: TensorID
  /// Index, in the token's micro-batch, of the first token of its segment.
  package let segments: TensorID
}

/// A whole optimizer step as a program: all micro-batches, the norm, the update.
package struct TrainingProgram: Sendable {
  package var program: Program
  package let shape: TrainingShape
  package let parameters: DecoderParameters
  /// Where each Hugging Face weight lies, those in NF4 left out.
  package let weights: [WeightSlot]
  /// Where each weight lies that is trained: all, or those of adapters.
  package var trained: [WeightSlot] { parameters.trainedSlots }
  package let inputs: TokenInputs
  package let rotary: RotaryTensors
  /// (1,1) f64: the sum of the targets' losses over all micro-batches, divided by N.
  package let loss: TensorID
  /// (1,1) f64: the global gradient norm before clipping.
  package let norm: TensorID
  /// (1,1) f64: the factor on the gradients.
  package let clip: TensorID
  /// (n,1) f64: the sum of squares of each trained weight's gradient, in the order of `trained`.
  package let squares: TensorID

  /// Where each trained weight's gradient lies, under the weight's name.
  package var gradients: [WeightSlot] { parameters.gradientSlots }
}

/// A forward pass with the loss alone, laid out as the training programs of the same model.
package struct LossProgram: Sendable {
  package var program: Program
  package let parameters: DecoderParameters
  package let weights: [WeightSlot]
  package let inputs: TokenInputs
  package let rotary: RotaryTensors
  /// (1,1) f64: the sum of the targets' losses times `StepScalars.inverseTargetCount`.
  package let loss: TensorID
}

extension ModelConfig {
  /// Rows of logits that the loss works on at a time; follows from the vocabulary alone, so that no plan for memory
  /// can change a sum's order.
  package var lossRows: Int {
    let rows = (48 << 20) / (vocabularySize * MemoryLayout<Float>.stride)
    return min(max(rows / 32 * 32, 32), 512)
  }

  /// The program of one optimizer step.
  ///
  /// The gradient of the embedding's rows waits, for every micro-batch, until the head's products of all micro-batches
  /// are in: a tied matrix then has the same sum whatever order the micro-batches' blocks run in. The squares of a
  /// block's gradients are summed as soon as these are whole.
  package func trainingStep(shape: TrainingShape, options: StepOptions) -> TrainingProgram {
    var emitter = DecoderEmitter(self, training: options, positions: shape.positions)
    emitter.dropsOut = true
    let inputs = emitter.tokenInputs(shape.tokens)
    let loss = emitter.scalar("loss")
    let squares = emitter.program.add(
      TensorSpec(
        name: "squares", dtype: .f64, rows: emitter.parameters.trainedSlots.count, columns: 1,
        role: .output))
    let norm = emitter.scalar("norm")
    emitter.emit(.zero(emitter.program.view(loss)))
    let parameters = emitter.parameters
    let large = [parameters.embedding, parameters.head]
    for index in parameters.accumulated where !large.contains(index) { emitter.zeroGradient(index) }

    var waiting: [(ids: TensorView, gradient: TensorView)] = []
    for (microBatch, rows) in shape.ranges.enumerated() {
      emitter.microBatch = microBatch
      waiting.append(
        emitter.trainingMicroBatch(
          inputs, rows: rows, loss: loss, squares: microBatch == shape.ranges.count - 1 ? squares : nil))
    }
    emitter.microBatch = nil
    emitter.phase = .backward
    if parameters.embedding != parameters.head { emitter.zeroGradient(parameters.embedding) }
    if let embedding = emitter.gradient(parameters.embedding) {
      for (ids, gradient) in waiting {
        emitter.emit(.embedBackward(ids: ids, outGradient: gradient, tableGradient: embedding))
      }
    }
    emitter.sumSquares(of: [parameters.embedding], into: squares)
    emitter.update(options, squares: squares, norm: norm)
    return TrainingProgram(
      program: options.precision.applied(to: emitter.program), shape: shape, parameters: parameters,
      weights: parameters.slots, inputs: inputs,
      rotary: emitter.rotary, loss: loss, norm: norm, clip: emitter.clip, squares: squares)
  }

  /// The forward pass and the loss of `tokens` tokens, in the arena of training programs with the same `positions` and
  /// `options`.
  package func lossPass(tokens: Int, positions: Int? = nil, options: StepOptions = StepOptions()) -> LossProgram {
    var emitter = DecoderEmitter(self, training: options, positions: positions)
    let inputs = emitter.tokenInputs(tokens)
    let loss = emitter.scalar("loss")
    emitter.emit(.zero(emitter.program.view(loss)))
    emitter.microBatch = 0
    let views = emitter.views(inputs, rows: 0..<tokens)
    var stream = emitter.embed(views.ids)
    for index in 0..<layerCount {
      _ = emitter.forwardBlock(
        index, stream: &stream, positions: views.positions, context: .packed(segments: views.segments),
        keepsInputs: false)
    }
    let last = emitter.normed(&stream, weight: emitter.parameters.finalNorm, name: "final", keepsInputs: false)
    emitter.phase = .loss
    emitter.crossEntropy(hidden: last.out, targets: views.targets, loss: loss, hiddenGradient: nil)
    return LossProgram(
      program: options.precision.applied(to: emitter.program), parameters: emitter.parameters,
      weights: emitter.parameters.slots, inputs: inputs,
      rotary: emitter.rotary, loss: loss)
  }
}

extension DecoderEmitter {
  mutating func tokenInputs(_ tokens: Int) -> TokenInputs {
    TokenInputs(
      ids: input("ids", tokens), targets: input("targets", tokens), positions: input("positions", tokens),
      segments: input("segments", tokens))
  }

  mutating func input(_ name: String, _ rows: Int) -> TensorID {
    program.add(TensorSpec(name: name, dtype: .i32, rows: rows, columns: 1, role: .input))
  }

  /// A (1,1) f64 output.
  mutating func scalar(_ name: String) -> TensorID {
    program.add(TensorSpec(name: name, dtype: .f64, rows: 1, columns: 1, role: .output))
  }

  func views(
    _ inputs: TokenInputs, rows: Range<Int>
  ) -> (ids: TensorView, targets: TensorView, positions: TensorView, segments: TensorView) {
    func view(_ id: TensorID) -> TensorView { program.view(id).rows(rows) }
    return (view(inputs.ids), view(inputs.targets), view(inputs.positions), view(inputs.segments))
  }

  /// Starts the residual stream with the embedding's rows.
  mutating func embed(_ ids: TensorView) -> ResidualStream {
    let x = tensor("embedded", ids.rows, config.hiddenSize)
    emit(.embed(ids: ids, table: weight(parameters.embedding), out: x))
    return ResidualStream(x: x, delta: nil)
  }

  /// Sets the gradient of a parameter to zero, where it has one.
  fileprivate mutating func zeroGradient(_ index: Int) {
    if let gradient = gradient(index) { emit(.zero(gradient)) }
  }

  mutating func crossEntropy(
    hidden: TensorView, targets: TensorView, loss: TensorID, hiddenGradient: TensorView?
  ) {
    let logits = tensor("logits", hidden.rows, config.vocabularySize, role: .workspace)
    let gathered = tensor("logits.hidden", hidden.rows, config.hiddenSize, role: .workspace)
    emit(
      .linearCrossEntropy(
        CrossEntropyOperands(
          hidden: hidden, weight: weight(parameters.head), targets: targets, loss: program.view(loss),
          logits: logits, gathered: gathered, hiddenGradient: hiddenGradient,
          weightGradient: hiddenGradient == nil ? nil : gradient(parameters.head),
          chunk: min(config.lossRows, hidden.rows))))
  }

  /// The factor on the gradients: part of the parameters, so that it lies at one place in all programs.
  fileprivate var clip: TensorID {
    guard let clip = parameters.clip else { preconditionFailure("a program that does not train has no clip") }
    return clip
  }

  /// Forward, loss and backward of one micro-batch; returns its ids and the gradient of its embedded rows. The last
  /// one also sums the squares of the gradients.
  fileprivate mutating func trainingMicroBatch(
    _ inputs: TokenInputs, rows: Range<Int>, loss: TensorID, squares: TensorID?
  ) -> (ids: TensorView, gradient: TensorView) {
    let views = views(inputs, rows: rows)
    phase = .forward
    var stream = embed(views.ids)
    var kept: [BlockActivations] = []
    for index in 0..<config.layerCount {
      kept.append(
        forwardBlock(
          index, stream: &stream, positions: views.positions, context: .packed(segments: views.segments),
          keepsInputs: true))
    }
    let last = normed(&stream, weight: parameters.finalNorm, name: "final", keepsInputs: true)

    phase = .loss
    if microBatch == 0 { zeroGradient(parameters.head) }
    let lastGradient = tensor("final.normed.gradient", rows.count, config.hiddenSize, role: .activationGradient)
    crossEntropy(hidden: last.out, targets: views.targets, loss: loss, hiddenGradient: lastGradient)
    if let squares, parameters.head != parameters.embedding { sumSquares(of: [parameters.head], into: squares) }

    let gradient = tensor("stream.gradient", rows.count, config.hiddenSize, role: .activationGradient)
    emit(
      .rmsNormBackward(
        x: last.x, weight: weight(parameters.finalNorm), inverse: last.inverse, outGradient: lastGradient,
        xGradient: gradient, weightGradient: self.gradient(parameters.finalNorm), accumulate: false))
    if let squares { sumSquares(of: [parameters.finalNorm], into: squares) }
    phase = .backward
    for index in kept.indices.reversed() {
      backwardBlock(index, kept[index], positions: views.positions, gradient: gradient)
      if let squares {
        block = index
        sumSquares(of: parameters.tensors.indices.filter { parameters.tensors[$0].block == index }, into: squares)
        block = nil
      }
    }
    return (views.ids, gradient)
  }

  /// Sums the squares of every weight of the given parameter tensors, each into its row of `squares`.
  fileprivate mutating func sumSquares(of tensors: [Int], into squares: TensorID) {
    let wanted = Set(tensors.map { parameters.tensors[$0].weight })
    for (row, slot) in parameters.trainedSlots.enumerated() where wanted.contains(slot.view.tensor) {
      guard let gradient = parameters.gradient(of: slot) else { continue }
      emit(.sumOfSquares(x: gradient, out: program.view(squares).rows(row..<row + 1), accumulate: false))
    }
  }

  /// The clip factor, then the optimizer's change of every parameter tensor.
  fileprivate mutating func update(_ options: StepOptions, squares: TensorID, norm: TensorID) {
    phase = .update
    emit(
      .clipFactor(
        squares: program.view(squares), norm: program.view(norm), clip: program.view(clip),
        maximum: options.maxGradNorm))
    for (index, tensor) in self.parameters.tensors.enumerated() {
      guard let training = tensor.training else { continue }
      block = tensor.block
      let decays = tensor.isMatrix || options.decay == .all
      let parameters = UpdateParameters(
        beta1: options.beta1, beta2: options.beta2, epsilon: options.epsilon,
        weightDecay: decays ? options.weightDecay : 0)
      for update in training.updates {
        var gradient = update.part
        gradient.tensor = training.gradient
        emit(
          .update(
            UpdateOperands(
              rule: update.rule, weight: update.part, gradient: gradient,
              states: update.states.map { program.view($0) }, clip: program.view(clip), parameters: parameters,
              stream: index, start: update.part.offset)))
      }
    }
    block = nil
  }
}
