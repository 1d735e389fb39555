import Tensors

/// Writes a decoder's instructions into a program, block by block.
///
/// Shape letters as in `Operation`: T tokens, H hidden, I feed-forward width, V vocabulary, A query heads,
/// K key-value heads, D head dimension.
struct DecoderEmitter {
  let config: ModelConfig
  var program = Program()
  let parameters: DecoderParameters
  let rotary: RotaryTensors

  /// Where the instructions that are being emitted stand in the step.
  var phase: Instruction.Phase = .forward
  var microBatch: Int?
  var block: Int?
  /// Whether adapters leave out a part of their input, as they do in training.
  var dropsOut = false
  /// What adapters keep for the backward pass: x·Aᵀ, scaled.
  var adapterHidden: [AdapterPlace: TensorView] = [:]

  /// Declares parameters and constants; `positions` bounds the positions that any token may have.
  init(_ config: ModelConfig, training: StepOptions?, positions: Int?) {
    self.config = config
    var program = Program()
    parameters = DecoderParameters(config, training: training, to: &program)
    let count = positions ?? config.maxPositionEmbeddings
    let cosine = program.add(
      TensorSpec(name: "rotary.cosine", rows: count, columns: config.headDimension / 2, role: .constant))
    let sine = program.add(
      TensorSpec(name: "rotary.sine", rows: count, columns: config.headDimension / 2, role: .constant))
    rotary = RotaryTensors(cosine: cosine, sine: sine, positions: count, table: RotaryTable(config))
    self.program = program
  }

  mutating func emit(_ operation: Operation) {
    program.instructions.append(Instruction(operation, phase: phase, microBatch: microBatch, block: block))
  }

  /// Adds a tensor named after its micro-batch and block, and returns all of it.
  mutating func tensor(
    _ name: String, _ rows: Int, _ columns: Int, role: TensorRole = .activation, dtype: DType = .f32
  ) -> TensorView {
    var full = name
    if let block { full = "block\(block).\(full)" }
    if let microBatch { full = "batch\(microBatch).\(full)" }
    let id = program.add(TensorSpec(name: full, dtype: dtype, rows: rows, columns: columns, role: role))
    return program.view(id)
  }

  func weight(_ index: Int) -> TensorView { program.view(parameters.tensors[index].weight) }

  /// The gradient of a parameter; nil where it is not trained.
  func gradient(_ index: Int) -> TensorView? {
    parameters.tensors[index].training.map { program.view($0.gradient) }
  }

  /// A matrix in f32; one in bf16 or NF4 is widened for this use.
  private mutating func matrix(_ index: Int) -> TensorView {
    let stored = weight(index)
    let parts = parameters.tensors[index].quantised
    let name = "\(program[stored.tensor].name).\(phase.rawValue)"
    guard let columns = parts.first?.shape[1] else {
      guard program[stored.tensor].dtype == .bf16 else { return stored }
      let whole = tensor(name, stored.rows, stored.columns, role: .workspace)
      emit(.cast(x: stored, out: whole))
      return whole
    }
    let whole = tensor(name, parts.reduce(0) { $0 + $1.shape[0] }, columns, role: .workspace)
    var start = 0
    for part in parts {
      emit(.dequantise(part.matrix, out: whole.rows(start..<start + part.shape[0])))
      start += part.shape[0]
    }
    return whole
  }

  /// out (T,N) = x (T,M) · weight (N,M)ᵀ + bias, and what an adapter adds.
  mutating func linear(_ x: TensorView, _ weight: Int, bias: Int?, out: TensorView) {
    let matrix = matrix(weight)
    emit(
      .gemm(
        a: x, transposeA: false, b: matrix, transposeB: true, c: out, accumulate: false,
        bias: bias.map { self.weight($0) }))
    adapt(x, weight, out: out)
  }

  /// Gradients of `linear`, of what is trained: the weight's is set by the first micro-batch, so it need not be zeroed,
  /// and grows with the others; the bias's accumulates; xGradient (T,M) is overwritten, nil where nobody needs it.
  mutating func linearBackward(
    _ x: TensorView, _ weight: Int, bias: Int?, outGradient: TensorView, xGradient: TensorView?
  ) {
    if let sum = gradient(weight) {
      emit(
        .gemm(
          a: outGradient, transposeA: true, b: x, transposeB: false, c: sum, accumulate: microBatch != 0, bias: nil))
    }
    if let sum = bias.flatMap({ gradient($0) }) {
      emit(.biasBackward(outGradient: outGradient, biasGradient: sum))
    }
    if let xGradient {
      let matrix = matrix(weight)
      emit(
        .gemm(
          a: outGradient, transposeA: false, b: matrix, transposeB: false, c: xGradient, accumulate: false, bias: nil))
    }
    adaptBackward(x, weight, outGradient: outGradient, xGradient: xGradient)
  }
}

/// The residual stream between blocks: `x` plus `delta`, not yet added.
struct ResidualStream {
  var x: TensorView
  var delta: TensorView?
}

/// What a block's forward pass leaves for its backward pass.
struct BlockActivations {
  /// (T,H), the block's input.
  let input: TensorView
  /// (T,H) and (T,1), the first norm's output and inverse.
  let inputNormed: TensorView
  let inputInverse: TensorView
  /// (T,(A+2K)D), rotated.
  let qkv: TensorView
  let attention: AttentionOperands
  /// (T,H), the stream after the attention.
  let middle: TensorView
  let middleNormed: TensorView
  let middleInverse: TensorView
  /// (T,2I): gate beside up.
  let gateUp: TensorView
  /// (T,I).
  let activated: TensorView
}

/// What attention needs beside q, k and v: segments of packed sequences, or a cache of keys and values.
enum AttentionContext {
  case packed(segments: TensorView)
  case cached(keys: TensorView, values: TensorView, slots: TensorView, length: Int)
}

extension DecoderEmitter {
  /// Emits block `index` over `stream`, which afterwards holds the block's output.
  ///
  /// Without `keepsInputs` the sums overwrite the stream in place, which is right where no backward pass follows.
  mutating func forwardBlock(
    _ index: Int, stream: inout ResidualStream, positions: TensorView, context: AttentionContext, keepsInputs: Bool
  ) -> BlockActivations {
    block = index
    defer { block = nil }
    let parts = parameters.blocks[index]
    let tokens = stream.x.rows

    let first = normed(&stream, weight: parts.inputNorm, name: "input", keepsInputs: keepsInputs)
    let qkv = tensor("qkv", tokens, config.queryWidth + 2 * config.keyValueWidth)
    linear(first.out, parts.qkv, bias: parts.qkvBias, out: qkv)
    emit(
      .rope(
        x: qkv.columns(0..<config.queryWidth + config.keyValueWidth), positions: positions,
        cosine: program.view(rotary.cosine), sine: program.view(rotary.sine),
        heads: config.headCount + config.keyValueHeadCount, inverse: false))
    let attention = attend(qkv, positions: positions, context: context)
    let attentionOut = tensor("attention.out", tokens, config.hiddenSize)
    linear(attention.out, parts.output, bias: parts.outputBias, out: attentionOut)
    stream.delta = attentionOut

    let second = normed(&stream, weight: parts.middleNorm, name: "middle", keepsInputs: keepsInputs)
    let gateUp = tensor("gate_up", tokens, 2 * config.intermediateSize)
    linear(second.out, parts.gateUp, bias: parts.gateUpBias, out: gateUp)
    let activated = tensor("activated", tokens, config.intermediateSize)
    emit(
      .gatedActivation(
        config.activation, gate: gateUp.columns(0..<config.intermediateSize),
        up: gateUp.columns(config.intermediateSize..<2 * config.intermediateSize), out: activated))
    let mlpOut = tensor("mlp.out", tokens, config.hiddenSize)
    linear(activated, parts.down, bias: parts.downBias, out: mlpOut)
    stream.delta = mlpOut
    return BlockActivations(
      input: first.x, inputNormed: first.out, inputInverse: first.inverse, qkv: qkv, attention: attention,
      middle: second.x, middleNormed: second.out, middleInverse: second.inverse, gateUp: gateUp,
      activated: activated)
  }

  /// Adds what waits in the stream and normalises the sum; the stream then holds the sum.
  mutating func normed(
    _ stream: inout ResidualStream, weight: Int, name: String, keepsInputs: Bool
  ) -> (x: TensorView, out: TensorView, inverse: TensorView) {
    let tokens = stream.x.rows
    var sum = stream.x
    if stream.delta != nil, keepsInputs { sum = tensor(name, tokens, config.hiddenSize) }
    let out = tensor(name + ".normed", tokens, config.hiddenSize)
    let inverse = tensor(name + ".inverse", tokens, 1)
    if let delta = stream.delta {
      emit(
        .addRMSNorm(
          x: stream.x, delta: delta, sum: sum, weight: self.weight(weight), out: out, inverse: inverse,
          epsilon: config.rmsNormEpsilon))
    } else {
      emit(
        .rmsNorm(
          x: sum, weight: self.weight(weight), out: out, inverse: inverse, epsilon: config.rmsNormEpsilon))
    }
    stream = ResidualStream(x: sum, delta: nil)
    return (sum, out, inverse)
  }

  private mutating func attend(
    _ qkv: TensorView, positions: TensorView, context: AttentionContext
  ) -> AttentionOperands {
    let tokens = qkv.rows
    let keys = config.queryWidth..<config.queryWidth + config.keyValueWidth
    let values = keys.upperBound..<keys.upperBound + config.keyValueWidth
    let out = tensor("attended", tokens, config.queryWidth)
    let scale = Float(1 / Double(config.headDimension).squareRoot())
    var operands = AttentionOperands(
      q: qkv.columns(0..<config.queryWidth), k: qkv.columns(keys), v: qkv.columns(values), out: out,
      logSumExp: out, segments: positions, heads: config.headCount, keyValueHeads: config.keyValueHeadCount,
      headDimension: config.headDimension, scale: scale, window: config.slidingWindow)
    switch context {
    case .packed(let segments):
      operands.segments = segments
      operands.logSumExp = tensor("attended.log_sum", tokens, config.headCount)
      emit(.attention(operands))
    case .cached(let keyCache, let valueCache, let slots, let length):
      emit(
        .appendToCache(
          k: operands.k, v: operands.v, keyCache: keyCache, valueCache: valueCache, slots: slots,
          positions: positions, length: length))
      emit(
        .attentionOverCache(
          q: operands.q, keyCache: keyCache, valueCache: valueCache, slots: slots, positions: positions, out: out,
          heads: config.headCount, keyValueHeads: config.keyValueHeadCount, length: length, scale: scale,
          window: config.slidingWindow, softCap: nil))
    }
    return operands
  }

  /// Emits the backward pass of a block; `gradient` (T,H) goes from that of its output to that of its input, in place.
  ///
  /// It ends at the lowest layer that has something to train, where nothing below the block has.
  mutating func backwardBlock(_ index: Int, _ kept: BlockActivations, positions: TensorView, gradient: TensorView) {
    block = index
    defer { block = nil }
    let parts = parameters.blocks[index]
    let tokens = gradient.rows
    let width = config.intermediateSize
    let layers = [parts.qkv, parts.output, parts.gateUp, parts.down]
    let isLowest = index == 0 && !parameters.tensors[parameters.embedding].isTrained
    let lowest = isLowest ? layers.first { parameters.adapters[$0] != nil } : nil

    func reaches(below layer: Int) -> Bool { lowest != layer }
    let activatedGradient =
      reaches(below: parts.down) ? tensor("activated.gradient", tokens, width, role: .activationGradient) : nil
    linearBackward(
      kept.activated, parts.down, bias: parts.downBias, outGradient: gradient, xGradient: activatedGradient)
    guard let activatedGradient else { return }
    let gate = kept.gateUp.columns(0..<width)
    let up = kept.gateUp.columns(width..<2 * width)
    emit(
      .gatedActivationBackward(
        config.activation, gate: gate, up: up, outGradient: activatedGradient, gateGradient: gate, upGradient: up))
    let middleGradient =
      reaches(below: parts.gateUp)
      ? tensor("middle.normed.gradient", tokens, config.hiddenSize, role: .activationGradient) : nil
    linearBackward(
      kept.middleNormed, parts.gateUp, bias: parts.gateUpBias, outGradient: kept.gateUp, xGradient: middleGradient)
    guard let middleGradient else { return }
    emit(
      .rmsNormBackward(
        x: kept.middle, weight: weight(parts.middleNorm), inverse: kept.middleInverse, outGradient: middleGradient,
        xGradient: gradient, weightGradient: self.gradient(parts.middleNorm), accumulate: true))

    let attendedGradient =
      reaches(below: parts.output)
      ? tensor("attended.gradient", tokens, config.queryWidth, role: .activationGradient) : nil
    linearBackward(
      kept.attention.out, parts.output, bias: parts.outputBias, outGradient: gradient, xGradient: attendedGradient)
    guard let attendedGradient else { return }
    let qkvGradient = attendBackward(kept, positions: positions, outGradient: attendedGradient)
    let inputGradient =
      reaches(below: parts.qkv)
      ? tensor("input.normed.gradient", tokens, config.hiddenSize, role: .activationGradient) : nil
    linearBackward(
      kept.inputNormed, parts.qkv, bias: parts.qkvBias, outGradient: qkvGradient, xGradient: inputGradient)
    guard let inputGradient else { return }
    emit(
      .rmsNormBackward(
        x: kept.input, weight: weight(parts.inputNorm), inverse: kept.inputInverse, outGradient: inputGradient,
        xGradient: gradient, weightGradient: self.gradient(parts.inputNorm), accumulate: true))
  }

  private mutating func attendBackward(
    _ kept: BlockActivations, positions: TensorView, outGradient: TensorView
  ) -> TensorView {
    let tokens = outGradient.rows
    let gradients = tensor("qkv.gradient", tokens, kept.qkv.columns, role: .activationGradient)
    let delta = tensor("attended.delta", tokens, config.headCount, role: .workspace)
    let keys = config.queryWidth..<config.queryWidth + config.keyValueWidth
    let values = keys.upperBound..<keys.upperBound + config.keyValueWidth
    emit(
      .attentionBackward(
        kept.attention, outGradient: outGradient, qGradient: gradients.columns(0..<config.queryWidth),
        kGradient: gradients.columns(keys), vGradient: gradients.columns(values), delta: delta))
    emit(
      .rope(
        x: gradients.columns(0..<keys.upperBound), positions: positions, cosine: program.view(rotary.cosine),
        sine: program.view(rotary.sine), heads: config.headCount + config.keyValueHeadCount, inverse: true))
    return gradients
  }
}
