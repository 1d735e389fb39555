import Basics
import Foundation

/// What a machine has, or a stage takes of it.
package struct Resources: Sendable, Equatable {
  package var cpus: Int
  /// Bytes.
  package var memory: Int
  package var gpus: Int

  package init(cpus: Int, memory: Int, gpus: Int) {
    self.cpus = cpus
    self.memory = memory
    self.gpus = gpus
  }

  /// Whether all of it is there in `other`.
  package func fits(in other: Resources) -> Bool {
    cpus <= other.cpus && memory <= other.memory && gpus <= other.gpus
  }

  static func - (a: Resources, b: Resources) -> Resources {
    Resources(cpus: a.cpus - b.cpus, memory: a.memory - b.memory, gpus: a.gpus - b.gpus)
  }

  static func + (a: Resources, b: Resources) -> Resources {
    Resources(cpus: a.cpus + b.cpus, memory: a.memory + b.memory, gpus: a.gpus + b.gpus)
  }

  /// Cores this process may use, the memory of the machine or of the group it is confined to, NVIDIA cards.
  package static let machine = Resources(
    cpus: max(1, ProcessInfo.processInfo.activeProcessorCount), memory: machineMemory(), gpus: cards())

  private static func machineMemory() -> Int {
    let physical = Int(sysconf(Int32(_SC_PHYS_PAGES))) * Int(sysconf(Int32(_SC_PAGESIZE)))
    // The limit of a container; "max" where there is none.
    let text = try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8)
    return min(physical, text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? physical)
  }

  private static func cards() -> Int { ((try? Files.list("/proc/driver/nvidia/gpus")) ?? []).count }
}

extension StageCell {
  /// Kinds whose work is done by one core unless the stage says otherwise.
  private var usesOneCore: Bool { kind.declaresOwn || kind.name == StageKind.export.name }

  /// What the cell takes of a machine: as declared, else by its kind, never more than there is.
  package func takes(of machine: Resources) -> Resources {
    let cpus = resources["cpus"]?.int ?? with["threads"]?.int ?? (usesOneCore ? 1 : machine.cpus)
    let memory = resources["memory"]?.int ?? with["memory_budget"]?.int ?? 0
    return Resources(
      cpus: min(cpus, machine.cpus), memory: min(memory, machine.memory), gpus: resources["gpus"]?.int ?? 0)
  }

  /// What it declares beyond what the machine has; nil when there is nothing.
  package func excess(over machine: Resources) -> Problem? {
    var words: [String] = []
    if let cpus = resources["cpus"]?.int, cpus > machine.cpus {
      words.append("\(cpus) cpus, and there are \(machine.cpus)")
    }
    if let memory = resources["memory"]?.int, memory > machine.memory {
      let shown = (Quantity.describe(bytes: memory), Quantity.describe(bytes: machine.memory))
      words.append("\(shown.0) of memory, and there are \(shown.1)")
    }
    if let gpus = resources["gpus"]?.int, gpus > machine.gpus {
      words.append("\(gpus) gpus, and there are \(machine.gpus == 0 ? "none" : "\(machine.gpus)")")
    }
    guard !words.isEmpty else { return nil }
    return Problem(
      "asks for more than there is: \(words.joined(separator: "; "))", at: "\(id), line \(position.line)",
      remedy: "lower its 'resources'")
  }
}
