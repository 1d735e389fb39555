import Basics
import Models
import Tensors

/// What a training's memory is for, group by group: the bytes add up to the predicted peak.
package struct MemoryTable: Sendable, Equatable {
  package struct Row: Sendable, Equatable {
    /// "weights", "gradients", …
    package let group: String
    package let bytes: Int
    /// Where the bytes lie: "ram", or "page file".
    package let tier: String
    /// How long they are held: "run", "step", "micro-batch".
    package let lifetime: String

    package init(group: String, bytes: Int, tier: String = MemoryTable.ram, lifetime: String) {
      self.group = group
      self.bytes = bytes
      self.tier = tier
      self.lifetime = lifetime
    }
  }

  package private(set) var rows: [Row]

  package init(rows: [Row]) { self.rows = rows }

  /// The peak: all groups in main memory together.
  package var total: Int { rows.reduce(0) { $1.tier == MemoryTable.ram ? $0 + $1.bytes : $0 } }

  package static let ram = "ram"
  package static let pageFile = "page file"

  package var json: JSON {
    .array(
      rows.map { row in
        ["group": JSON(row.group), "bytes": JSON(row.bytes), "tier": JSON(row.tier), "lifetime": JSON(row.lifetime)]
      })
  }
}

extension MemoryTable {
  /// The table of an arena that `plan` lays out for `program`, with what the process needs beside it.
  init(_ program: Program, plan: MemoryPlan, arenaBytes: Int, overhead: MemoryOverhead) {
    var rows: [Row] = []
    var persistent = 0
    let groups: [(String, [TensorRole], String)] = [
      ("weights", [.weight], "run"), ("gradients", [.gradient], "step"), ("optimizer states", [.state], "run"),
      ("constants, inputs, outputs", [.constant, .cache, .input, .output], "run"),
    ]
    let byRole = Dictionary(uniqueKeysWithValues: plan.bytesByRole(program).map { ($0.role, $0.bytes) })
    for (group, roles, lifetime) in groups {
      let bytes = roles.reduce(0) { $0 + byRole[$1, default: 0] }
      persistent += bytes
      if roles == [.weight] {
        rows += MemoryTable.weightRows(program, bytes: bytes)
      } else {
        rows.append(Row(group: group, bytes: bytes, lifetime: lifetime))
      }
    }
    rows.append(Row(group: "activations and workspace", bytes: arenaBytes - persistent, lifetime: "micro-batch"))
    rows.append(Row(group: "backend workspace", bytes: overhead.backend, lifetime: "run"))
    rows.append(Row(group: "tokens and programs", bytes: overhead.data, lifetime: "run"))
    rows.append(Row(group: "checkpoint buffers", bytes: overhead.checkpoint, lifetime: "save"))
    rows.append(Row(group: "program and runtime", bytes: overhead.process, lifetime: "run"))
    for (role, bytes) in plan.pageBytesByRole(program) {
      let (group, lifetime) = MemoryTable.paged(role)
      rows.append(Row(group: group, bytes: bytes, tier: MemoryTable.pageFile, lifetime: lifetime))
    }
    self.init(rows: rows)
  }

  private static func paged(_ role: TensorRole) -> (group: String, lifetime: String) {
    switch role {
    case .weight: ("weights", "run")
    case .gradient: ("gradients", "step")
    case .state: ("optimizer states", "run")
    default: ("activations", "step")
    }
  }

  /// The rows of `bytes` of weights: one, or adapters apart from what is frozen.
  private static func weightRows(_ program: Program, bytes: Int) -> [Row] {
    let weights = program.tensors.filter { $0.role == .weight && $0.tier == .memory }
    let adapters = weights.filter { $0.name.contains(".lora_") }.reduce(0) { $0 + MemoryPlan.room(for: $1) }
    guard adapters > 0 else { return [Row(group: "weights", bytes: bytes, lifetime: "run")] }
    let isQuantised = weights.contains { $0.dtype == .u8 }
    return [
      Row(group: isQuantised ? "frozen weights in NF4" : "frozen weights", bytes: bytes - adapters, lifetime: "run"),
      Row(group: "adapters", bytes: adapters, lifetime: "run"),
    ]
  }
}

/// What a training process holds beside its arena, in bytes; measured on x86-64 Linux.
package struct MemoryOverhead: Sendable, Equatable {
  /// Code, libraries and the runtime's heap before anything is planned.
  package var process = 40 << 20
  /// Packing buffers of the matrix products and per-thread scratch, as far as a large model touches them.
  package var backend = 2 * MemoryOverhead.threadBytes
  /// Examples' tables; a plan adds the examples' tokens and its programs.
  package var data = 2 << 20
  /// Pieces of a checkpoint or a model file on their way to disk.
  package var checkpoint = 2 * WeightPieces.bytes

  private var threads = 2
  private static let threadBytes = 18 << 20
  /// Whether `process` was measured in this process.
  private(set) var isMeasured = false

  package init() {}

  /// With what this process holds now, tokenizers and tables included; buffers are each thread's own.
  package static func ofThisProcess(threads: Int = 2) -> MemoryOverhead {
    var overhead = MemoryOverhead()
    overhead.threads = max(1, threads)
    overhead.backend = overhead.threads * MemoryOverhead.threadBytes
    ProcessMemory.returnFree()
    overhead.process = max(8 << 20, ProcessMemory.current)
    overhead.isMeasured = true
    return overhead
  }

  /// The same for a model whose tensors may be too small to fill the buffers.
  func fitted(to config: ModelConfig) -> MemoryOverhead {
    var result = self
    let block = 2 * config.hiddenSize * config.intermediateSize * MemoryLayout<Float>.stride
    result.backend = min(backend, threads * ((7 << 19) + block * 7 / 4))
    let largest = max(block, config.vocabularySize * config.hiddenSize * MemoryLayout<Float>.stride)
    result.checkpoint = min(checkpoint, 2 * largest)
    return result
  }

  /// What a program takes beside the tensors it names, ready to run.
  static func program(_ program: Program) -> Int { program.instructions.count * 1000 + program.tensors.count * 200 }

  /// What quantising the largest matrix of the blocks takes while a training begins: its codes, its scales, and a copy.
  static func quantising(_ config: ModelConfig) -> Int {
    let largest = config.layerParameters(0).map(\.count).max() ?? 0
    return largest / 2 + largest / 64 * 2 * (MemoryLayout<Float>.stride + 1)
  }

  package var total: Int { process + backend + data + checkpoint }
}
