import Tensors

/// One parameter tensor of a program with what training adds to it.
package struct ParameterTensor: Sendable {
  package let weight: TensorID
  /// Present in programs that train.
  package fileprivate(set) var training: Training?
  /// Whether every value belongs to a matrix (or the embedding), not to a norm or a bias.
  package let isMatrix: Bool

  /// Decoder block, from 0; nil outside the blocks.
  package let block: Int?

  /// Gradient, of the weight's shape, and the optimizer's states.
  package struct Training: Sendable {
    package let gradient: TensorID
    package let rule: UpdateRule
    package let states: [TensorID]
  }
}

/// All parameter tensors of a decoder: q, k, v are the rows of one tensor, so are gate and up.
///
/// They are added in the same order to every program of a model, weights, then gradients, then states, so that
/// programs of one kind agree on their places.
package struct DecoderParameters: Sendable {
  package struct Block: Sendable {
    package let inputNorm: Int
    /// ((A+2K)D, H): rows of q, of k, of v.
    package let qkv: Int
    package let qkvBias: Int?
    /// (H, AD).
    package let output: Int
    package let outputBias: Int?
    package let middleNorm: Int
    /// (2I, H): rows of gate, of up.
    package let gateUp: Int
    package let gateUpBias: Int?
    /// (H, I).
    package let down: Int
    package let downBias: Int?
  }

  /// The tensors in the order they were added; the fields below are indices into it.
  package private(set) var tensors: [ParameterTensor] = []
  /// Every Hugging Face weight, in `ModelConfig.parameters`' order.
  package private(set) var slots: [WeightSlot] = []
  package private(set) var blocks: [Block] = []
  package private(set) var embedding = 0
  package private(set) var finalNorm = 0
  /// The head's matrix: the embedding's when tied.
  package private(set) var head = 0

  /// (1,1) f64, the factor on the gradients: kept from the step that finds it to the update that waits for the next.
  package private(set) var clip: TensorID?
  /// The block whose parameters are being added.
  private var current: Int?

  /// Adds the parameters of `config` to `program`; with `training` also gradients and states.
  package init(_ config: ModelConfig, training: StepOptions?, to program: inout Program) {
    embedding = add(["model.embed_tokens"], [config.vocabularySize], config.hiddenSize, to: &program)
    for layer in 0..<config.layerCount {
      current = layer
      blocks.append(block(layer, config, to: &program))
    }
    current = nil
    finalNorm = add(norm: "model.norm", config.hiddenSize, to: &program)
    head =
      config.tieWordEmbeddings
      ? embedding : add(["lm_head"], [config.vocabularySize], config.hiddenSize, to: &program)
    let order = Dictionary(uniqueKeysWithValues: config.parameters.enumerated().map { ($1.name, $0) })
    slots.sort { order[$0.name, default: 0] < order[$1.name, default: 0] }
    if let training { addTraining(training, to: &program) }
  }

  private mutating func block(_ layer: Int, _ config: ModelConfig, to program: inout Program) -> Block {
    let prefix = "model.layers.\(layer)."
    let attention = ["q_proj", "k_proj", "v_proj"].map { prefix + "self_attn." + $0 }
    let attentionRows = [config.queryWidth, config.keyValueWidth, config.keyValueWidth]
    let mlp = ["gate_proj", "up_proj"].map { prefix + "mlp." + $0 }
    let mlpRows = [config.intermediateSize, config.intermediateSize]
    let output = prefix + "self_attn.o_proj"
    let down = prefix + "mlp.down_proj"
    return Block(
      inputNorm: add(norm: prefix + "input_layernorm", config.hiddenSize, to: &program),
      qkv: add(attention, attentionRows, config.hiddenSize, to: &program),
      qkvBias: config.attentionBias ? add(bias: attention, attentionRows, to: &program) : nil,
      output: add([output], [config.hiddenSize], config.queryWidth, to: &program),
      outputBias: config.attentionOutputBias ? add(bias: [output], [config.hiddenSize], to: &program) : nil,
      middleNorm: add(norm: prefix + "post_attention_layernorm", config.hiddenSize, to: &program),
      gateUp: add(mlp, mlpRows, config.hiddenSize, to: &program),
      gateUpBias: config.mlpBias ? add(bias: mlp, mlpRows, to: &program) : nil,
      down: add([down], [config.hiddenSize], config.intermediateSize, to: &program),
      downBias: config.mlpBias ? add(bias: [down], [config.hiddenSize], to: &program) : nil)
  }

  /// Adds one matrix that holds the rows of several weights.
  private mutating func add(_ names: [String], _ rows: [Int], _ columns: Int, to program: inout Program) -> Int {
    let id = program.add(
      TensorSpec(name: fusedName(names) + ".weight", rows: rows.reduce(0, +), columns: columns, role: .weight))
    var start = 0
    for (name, count) in zip(names, rows) {
      let view = TensorView(tensor: id, offset: start * columns, rows: count, columns: columns)
      slots.append(WeightSlot(name: name + ".weight", shape: [count, columns], view: view))
      start += count
    }
    tensors.append(ParameterTensor(weight: id, isMatrix: true, block: current))
    return tensors.count - 1
  }

  /// Adds one row that holds the biases of several weights.
  private mutating func add(bias names: [String], _ widths: [Int], to program: inout Program) -> Int {
    let id = program.add(
      TensorSpec(name: fusedName(names) + ".bias", rows: 1, columns: widths.reduce(0, +), role: .weight))
    var start = 0
    for (name, width) in zip(names, widths) {
      let view = TensorView(tensor: id, offset: start, rows: 1, columns: width)
      slots.append(WeightSlot(name: name + ".bias", shape: [width], view: view))
      start += width
    }
    tensors.append(ParameterTensor(weight: id, isMatrix: false, block: current))
    return tensors.count - 1
  }

  private mutating func add(norm name: String, _ width: Int, to program: inout Program) -> Int {
    let id = program.add(TensorSpec(name: name + ".weight", rows: 1, columns: width, role: .weight))
    slots.append(WeightSlot(name: name + ".weight", shape: [width], view: program.view(id)))
    tensors.append(ParameterTensor(weight: id, isMatrix: false, block: current))
    return tensors.count - 1
  }

  /// "….q_proj", "….k_proj", "….v_proj" become "….qkv_proj"; "….gate_proj", "….up_proj" become "….gate_up_proj".
  private func fusedName(_ names: [String]) -> String {
    guard names.count > 1, let first = names.first, let dot = first.lastIndex(of: ".") else { return names.first ?? "" }
    return first[...dot] + (names.count == 3 ? "qkv_proj" : "gate_up_proj")
  }

  private mutating func addTraining(_ options: StepOptions, to program: inout Program) {
    let gradients = tensors.map { tensor -> TensorID in
      var spec = program[tensor.weight]
      spec.name += ".gradient"
      spec.dtype = .f32
      spec.role = .gradient
      return program.add(spec)
    }
    for index in tensors.indices {
      let weight = program[tensors[index].weight]
      let (rule, specs) = options.optimizer.states(of: weight)
      let states = specs.map { program.add($0) }
      tensors[index].training = .init(gradient: gradients[index], rule: rule, states: states)
    }
    clip = program.add(TensorSpec(name: "clip", dtype: .f64, rows: 1, columns: 1, role: .state))
  }

  /// Tensors whose gradients only ever accumulate: the embedding, the head, norms and biases. The matrices of the blocks
  /// are set by an update's first micro-batch.
  var accumulated: [Int] {
    let set = Set(blocks.flatMap { [$0.qkv, $0.output, $0.gateUp, $0.down] })
    return tensors.indices.filter { !set.contains($0) }
  }

  /// Slots of the weights' gradients, under the weights' names; empty in programs that do not train.
  package var gradientSlots: [WeightSlot] {
    var twins: [TensorID: TensorID] = [:]
    for tensor in tensors { twins[tensor.weight] = tensor.training?.gradient }
    return slots.compactMap { slot in twins[slot.view.tensor].map { slot.moved(to: $0) } }
  }

  /// Where a weight's gradient lies; nil where it is not trained.
  func gradient(of slot: WeightSlot) -> TensorView? {
    guard let tensor = tensors.first(where: { $0.weight == slot.view.tensor }), let training = tensor.training else {
      return nil
    }
    return slot.moved(to: training.gradient).view
  }

  /// All states of the optimizer, in the order they were added.
  package var states: [TensorID] { tensors.flatMap { $0.training?.states ?? [] } }
}
