import Basics
import Models
import Tensors

/// What a training's memory is for, group by group: the bytes add up to the predicted peak.
package struct MemoryTable: Sendable, Equatable {
  package struct Row: Sendable, Equatable {
    /// "weights", "gradients", …
    package let group: String
    package let bytes: Int
    /// Where the bytes lie: "ram".
    package let tier: String
    /// How long they are held: "run", "step", "micro-batch".
    package let lifetime: String

    package init(group: String, bytes: Int, tier: String = "ram", lifetime: String) {
      self.group = group
      self.bytes = bytes
      self.tier = tier
      self.lifetime = lifetime
    }
  }

  package private(set) var rows: [Row]

  package init(rows: [Row]) { self.rows = rows }

  /// The peak: all groups together.
  package var total: Int { rows.reduce(0) { $0 + $1.bytes } }

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
      rows.append(Row(group: group, bytes: bytes, lifetime: lifetime))
    }
    rows.append(Row(group: "activations and workspace", bytes: arenaBytes - persistent, lifetime: "micro-batch"))
    rows.append(Row(group: "backend workspace", bytes: overhead.backend, lifetime: "run"))
    rows.append(Row(group: "tokens and programs", bytes: overhead.data, lifetime: "run"))
    rows.append(Row(group: "checkpoint buffers", bytes: overhead.checkpoint, lifetime: "save"))
    rows.append(Row(group: "program and runtime", bytes: overhead.process, lifetime: "run"))
    self.init(rows: rows)
  }
}

/// What a training process holds beside its arena, in bytes; measured on x86-64 Linux.
package struct MemoryOverhead: Sendable, Equatable {
  /// Code, libraries and the runtime's heap.
  package var process = 40 << 20
  /// Packing buffers of the matrix products and per-thread scratch.
  package var backend = 56 << 20
  /// Examples' tables and loaded programs; a plan adds the examples' tokens.
  package var data = 16 << 20
  /// Pieces of a checkpoint or a model file on their way to disk.
  package var checkpoint = 2 * WeightPieces.bytes

  package init() {}

  /// With what this process holds now, tokenizers and tables included, and some room to grow.
  package static func ofThisProcess() -> MemoryOverhead {
    var overhead = MemoryOverhead()
    overhead.process = max(overhead.process, ProcessMemory.current + (8 << 20))
    return overhead
  }

  package var total: Int { process + backend + data + checkpoint }
}
