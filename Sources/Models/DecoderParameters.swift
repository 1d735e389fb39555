import Tensors

/// One parameter tensor of a program with what training adds to it.
package struct ParameterTensor: Sendable {
  /// The codes, where the matrices are quantised.
  package let weight: TensorID
  /// Whether the optimizer changes it; frozen ones have no gradient and no states.
  package let isTrained: Bool
  /// Present in programs that train, for what is trained.
  package fileprivate(set) var training: Training?
  /// Whether every value belongs to a matrix (or the embedding), not to a norm or a bias.
  package let isMatrix: Bool
  /// Decoder block, from 0; nil outside the blocks.
  package let block: Int?
  /// The matrices that the tensor holds in NF4; empty where it holds numbers.
  var quantised: [QuantisedSlot] = []

  /// Gradient, of the weight's shape, and how the optimizer changes the weight.
  package struct Training: Sendable {
    package let gradient: TensorID
    package let updates: [Update]

    package var states: [TensorID] { updates.flatMap(\.states) }
  }

  /// The change of a part of the weight, with its states.
  package struct Update: Sendable {
    package let part: TensorView
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
  /// The base model's matrices that are held in NF4, in the same order; `slots` has the others.
  package private(set) var quantised: [QuantisedSlot] = []
  /// Every adapter's weight, in the order of `ModelConfig.adapterParameters`.
  package private(set) var adapterSlots: [WeightSlot] = []
  /// The adapters by the tensor of the layer that they stand beside.
  private(set) var adapters: [Int: LayerAdapter] = [:]
  /// What adapters are like; nil where all weights are trained.
  let adapterOptions: AdapterOptions?
  package private(set) var blocks: [Block] = []
  package private(set) var embedding = 0
  package private(set) var finalNorm = 0
  /// The head's matrix: the embedding's when tied.
  package private(set) var head = 0

  /// (1,1) f64, the factor on the gradients: kept from the step that finds it to the update that waits for the next.
  package private(set) var clip: TensorID?
  /// The block whose parameters are being added.
  private var current: Int?
  private let quantisesBase: Bool
  /// What the base model's matrices are made of.
  private let matrixFormat: DType

  /// Adds the parameters of `config` to `program`; with `training` also gradients and states.
  package init(_ config: ModelConfig, training: StepOptions?, to program: inout Program) {
    adapterOptions = training?.adapter
    quantisesBase = training?.quantisesBase ?? false
    matrixFormat = training?.weightsAreHalf == true ? .bf16 : .f32
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
    quantised.sort { order[$0.name, default: 0] < order[$1.name, default: 0] }
    if let adapterOptions { addAdapters(adapterOptions, config, to: &program) }
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
    if quantisesBase, current != nil, columns % QuantisedMatrix.blockSize == 0 {
      return add(quantised: names, rows, columns, to: &program)
    }
    let id = program.add(
      TensorSpec(
        name: fusedName(names) + ".weight", dtype: matrixFormat, rows: rows.reduce(0, +), columns: columns,
        role: .weight))
    var start = 0
    for (name, count) in zip(names, rows) {
      let view = TensorView(tensor: id, offset: start * columns, rows: count, columns: columns)
      slots.append(WeightSlot(name: name + ".weight", shape: [count, columns], view: view))
      start += count
    }
    tensors.append(ParameterTensor(weight: id, isTrained: adapterOptions == nil, isMatrix: true, block: current))
    return tensors.count - 1
  }

  /// Adds one tensor of codes that holds the rows of several matrices, and what belongs to the codes.
  private mutating func add(
    quantised names: [String], _ rows: [Int], _ columns: Int, to program: inout Program
  ) -> Int {
    let (tensor, slots) = QuantisedSlot.add(
      fusedName(names) + ".weight", parts: zip(names, rows).map { ($0 + ".weight", $1) }, columns: columns, to: &program
    )
    quantised += slots
    tensors.append(
      ParameterTensor(weight: tensor, isTrained: false, isMatrix: true, block: current, quantised: slots))
    return tensors.count - 1
  }

  /// Adds A and B of every layer that has a module of `options`.
  private mutating func addAdapters(_ options: AdapterOptions, _ config: ModelConfig, to program: inout Program) {
    let widths: [(KeyPath<Block, Int>, [(AdapterOptions.Module, Int)], Int)] = [
      (
        \.qkv, [(.query, config.queryWidth), (.key, config.keyValueWidth), (.value, config.keyValueWidth)],
        config.hiddenSize
      ),
      (\.output, [(.output, config.hiddenSize)], config.queryWidth),
      (\.gateUp, [(.gate, config.intermediateSize), (.up, config.intermediateSize)], config.hiddenSize),
      (\.down, [(.down, config.hiddenSize)], config.intermediateSize),
    ]
    for (layer, block) in blocks.enumerated() {
      current = layer
      for (layerTensor, modules, columns) in widths {
        var start = 0
        var parts: [(name: String, columns: Range<Int>)] = []
        for (module, width) in modules {
          if options.modules.contains(module) {
            parts.append(("model.layers.\(layer).\(module.path).weight", start..<start + width))
          }
          start += width
        }
        guard !parts.isEmpty else { continue }
        adapters[block[keyPath: layerTensor]] = addAdapter(parts, columns, rank: options.rank, to: &program)
      }
    }
    current = nil
    let order = Dictionary(
      uniqueKeysWithValues: config.adapterParameters(options).enumerated().map { ($1.name, $0) })
    adapterSlots.sort { order[$0.name, default: 0] < order[$1.name, default: 0] }
  }

  /// Adds A and B of one layer; `columns` is the width of its input.
  private mutating func addAdapter(
    _ parts: [(name: String, columns: Range<Int>)], _ columns: Int, rank: Int, to program: inout Program
  ) -> LayerAdapter {
    func add(_ names: [String], _ rows: [Int], _ columns: Int) -> Int {
      let first = fusedName(parts.map { String($0.name.dropLast(".weight".utf8.count)) })
      let suffix = names[0].hasSuffix(".lora_A.weight") ? ".lora_A.weight" : ".lora_B.weight"
      let id = program.add(
        TensorSpec(name: first + suffix, rows: rows.reduce(0, +), columns: columns, role: .weight))
      var start = 0
      for (name, count) in zip(names, rows) {
        let view = TensorView(tensor: id, offset: start * columns, rows: count, columns: columns)
        adapterSlots.append(WeightSlot(name: name, shape: [count, columns], view: view))
        start += count
      }
      tensors.append(ParameterTensor(weight: id, isTrained: true, isMatrix: true, block: current))
      return tensors.count - 1
    }
    return LayerAdapter(
      a: add(parts.map { AdapterName.a(of: $0.name) }, parts.map { _ in rank }, columns),
      b: add(parts.map { AdapterName.b(of: $0.name) }, parts.map(\.columns.count), rank), parts: parts.map(\.columns),
      index: adapters.count)
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
    tensors.append(ParameterTensor(weight: id, isTrained: adapterOptions == nil, isMatrix: false, block: current))
    return tensors.count - 1
  }

  private mutating func add(norm name: String, _ width: Int, to program: inout Program) -> Int {
    let id = program.add(TensorSpec(name: name + ".weight", rows: 1, columns: width, role: .weight))
    slots.append(WeightSlot(name: name + ".weight", shape: [width], view: program.view(id)))
    tensors.append(ParameterTensor(weight: id, isTrained: adapterOptions == nil, isMatrix: false, block: current))
    return tensors.count - 1
  }

  /// "….q_proj", "….k_proj", "….v_proj" become "….qkv_proj"; "….gate_proj", "….up_proj" become "….gate_up_proj".
  private func fusedName(_ names: [String]) -> String {
    guard names.count > 1, let first = names.first, let dot = first.lastIndex(of: ".") else { return names.first ?? "" }
    return first[...dot] + (names.count == 3 ? "qkv_proj" : "gate_up_proj")
  }

  private mutating func addTraining(_ options: StepOptions, to program: inout Program) {
    let trained = tensors.indices.filter { tensors[$0].isTrained }
    let gradients = trained.map { index -> TensorID in
      let tensor = tensors[index]
      var spec = program[tensor.weight]
      spec.name += ".gradient"
      spec.dtype = .f32
      spec.role = .gradient
      return program.add(spec)
    }
    let slotsOfTensor = Dictionary(grouping: trainedSlots) { $0.view.tensor }
    for (index, gradient) in zip(trained, gradients) {
      let id = tensors[index].weight
      let isFull = options.embeddingStatesAreFull && (index == embedding || index == head)
      let updates = options.optimizer.updates(
        of: program[id], id, slots: slotsOfTensor[id] ?? [], isFull: isFull)
      tensors[index].training = .init(
        gradient: gradient,
        updates: updates.map { update in
          .init(part: update.part, rule: update.rule, states: update.states.map { program.add($0) })
        })
    }
    clip = program.add(TensorSpec(name: "clip", dtype: .f64, rows: 1, columns: 1, role: .state))
  }

  /// Trained tensors whose gradients only ever accumulate: the embedding, the head, norms and biases. The matrices of the
  /// blocks and of adapters are set by an update's first micro-batch.
  var accumulated: [Int] {
    let set = Set(
      blocks.flatMap { [$0.qkv, $0.output, $0.gateUp, $0.down] } + adapters.values.flatMap { [$0.a, $0.b] })
    return tensors.indices.filter { tensors[$0].isTrained && !set.contains($0) }
  }

  /// The weights that are trained: all, or those of adapters.
  package var trainedSlots: [WeightSlot] { adapterOptions == nil ? slots : adapterSlots }

  /// Slots of the trained weights' gradients, under the weights' names; empty in programs that do not train.
  package var gradientSlots: [WeightSlot] {
    var twins: [TensorID: TensorID] = [:]
    for tensor in tensors { twins[tensor.weight] = tensor.training?.gradient }
    return trainedSlots.compactMap { slot in twins[slot.view.tensor].map { slot.moved(to: $0) } }
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
