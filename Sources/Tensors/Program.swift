/// Names a tensor of a `Program`.
package struct TensorID: Hashable, Sendable {
  package let index: Int
  package init(index: Int) { self.index = index }
}

/// What a tensor is for: decides its lifetime, and its line in the memory table.
package enum TensorRole: String, Sendable, CaseIterable {
  /// Trained or frozen parameters; live as long as the arena.
  case weight
  /// Accumulated over all micro-batches of a step; live as long as the arena.
  case gradient
  /// Optimizer states; live as long as the arena.
  case state
  /// Constants such as rotary tables; live as long as the arena.
  case constant
  /// Keys and values kept between runs of a generation program. Live as long as the arena.
  case cache
  /// Written from outside before each run: token ids, targets, segments. Live as long as the arena.
  case input
  /// Read from outside after a run: losses, norms. Live as long as the arena.
  case output
  /// Produced and consumed within one run; shares memory with tensors whose lives do not overlap.
  case activation
  /// Gradient of an activation, likewise shared.
  case activationGradient
  /// Scratch space of one instruction.
  case workspace
  /// Holds a part of a tensor of the page tier while it is used.
  case window

  /// Whether the tensor keeps its bytes between runs.
  package var isPersistent: Bool {
    switch self {
    case .weight, .gradient, .state, .constant, .cache, .input, .output: true
    case .activation, .activationGradient, .workspace, .window: false
    }
  }
}

/// Where a tensor's bytes are at home.
package enum Tier: String, Sendable {
  /// The arena: main memory, or a card's.
  case memory
  /// Below it: a file for the processor, pinned main memory for a card. Only transfers reach such tensors.
  case page
}

/// A tensor of a program: row-major, contiguous, at most two dimensions (leading ones are folded into rows).
package struct TensorSpec: Sendable, Equatable {
  /// Unique within the program. Weights have their Hugging Face name, or for fused ones the first part's
  /// (`model.layers.0.self_attn.qkv_proj.weight`).
  package var name: String
  package var dtype: DType
  package var rows: Int
  package var columns: Int
  package var role: TensorRole
  package var tier: Tier

  package init(
    name: String, dtype: DType = .f32, rows: Int, columns: Int, role: TensorRole, tier: Tier = .memory
  ) {
    self.name = name
    self.dtype = dtype
    self.rows = rows
    self.columns = columns
    self.role = role
    self.tier = tier
  }

  package var count: Int { rows * columns }
  package var bytes: Int { count * dtype.size }
}

/// A two-dimensional window into a tensor: what instructions read and write.
///
/// Element (r, c) lies at `offset + r * stride + c` elements from the tensor's start.
package struct TensorView: Hashable, Sendable {
  package var tensor: TensorID
  package var offset: Int
  package var rows: Int
  package var columns: Int
  package var stride: Int

  package init(tensor: TensorID, offset: Int = 0, rows: Int, columns: Int, stride: Int? = nil) {
    self.tensor = tensor
    self.offset = offset
    self.rows = rows
    self.columns = columns
    self.stride = stride ?? columns
  }

  /// Rows `range` of this view.
  package func rows(_ range: Range<Int>) -> TensorView {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    return TensorView(
      tensor: tensor, offset: offset + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
  }

  /// Columns `range` of this view.
  package func columns(_ range: Range<Int>) -> TensorView {
    precondition(range.lowerBound >= 0 && range.upperBound <= columns)
    return TensorView(
      tensor: tensor, offset: offset + range.lowerBound, rows: rows, columns: range.count, stride: stride)
  }

  package var isContiguous: Bool { stride == columns || rows == 1 }
  package var count: Int { rows * columns }
}

/// One operation with where it stands in the step, for passes, profiles and messages.
package struct Instruction: Sendable {
  package enum Phase: String, Sendable { case forward, loss, backward, update }

  package var operation: Operation
  package var phase: Phase
  /// Micro-batch of the accumulation, from 0; nil for once-a-step work.
  package var microBatch: Int?
  /// Decoder block, from 0; nil outside the blocks.
  package var block: Int?
  /// Set on instructions that `RecomputePass` added: they repeat forward work inside the backward pass.
  package var isRecomputation: Bool

  package init(
    _ operation: Operation, phase: Phase, microBatch: Int? = nil, block: Int? = nil, isRecomputation: Bool = false
  ) {
    self.operation = operation
    self.phase = phase
    self.microBatch = microBatch
    self.block = block
    self.isRecomputation = isRecomputation
  }
}

/// A flat list of instructions over named tensors: a whole optimizer step, a scoring pass, or one generation step.
///
/// Built once from a model's configuration and a batch shape, changed by passes, planned by `MemoryPlan`, and run
/// any number of times by a `Backend`.
package struct Program: Sendable {
  package private(set) var tensors: [TensorSpec] = []
  package var instructions: [Instruction] = []

  package init() {}

  /// Adds a tensor; its name must be new (a programming error otherwise).
  package mutating func add(_ spec: TensorSpec) -> TensorID {
    tensors.append(spec)
    return TensorID(index: tensors.count - 1)
  }

  package subscript(id: TensorID) -> TensorSpec {
    get { tensors[id.index] }
    set { tensors[id.index] = newValue }
  }

  /// The whole of a tensor as a view.
  package func view(_ id: TensorID) -> TensorView {
    TensorView(tensor: id, rows: self[id].rows, columns: self[id].columns)
  }
}
