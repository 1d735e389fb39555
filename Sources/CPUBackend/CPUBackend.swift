import Basics
import Foundation
import Synchronization
import Tensors

/// Runs programs on the processor: matrix products by OpenBLAS on fixed slabs, everything else by `CKernels`, all on
/// one pool of threads.
///
/// The same program on the same machine with the same number of threads gives the same bits, every run.
package final class CPUBackend: Backend {
  package let name = "cpu"
  private let machine: CPUMachine

  /// A backend of `threads` threads, the calling one included.
  package init(threads: Int = CPUBackend.availableCores) {
    machine = CPUMachine(threads: min(max(1, threads), 1024))
  }

  /// Processors that this process may use: those it may run on, less where a container's quota allows fewer.
  package static var availableCores: Int {
    let cores = max(1, ProcessInfo.processInfo.activeProcessorCount)
    guard let quota = ProcessorQuota.current() else { return cores }
    return max(1, min(cores, Int(quota.rounded(.up))))
  }

  package var threads: Int { machine.pool.threads }

  /// The kernels that products run on, as OpenBLAS names them: "OpenBLAS Haswell", "OpenBLAS SkylakeX".
  package static var productKernels: String { "OpenBLAS \(BLASKernels.chosen.name)" }

  /// While on, seconds and counts are kept for each operation's name.
  package var isProfiling: Bool {
    get { machine.profile.isOn.load(ordering: .relaxed) }
    set { machine.profile.isOn.store(newValue, ordering: .relaxed) }
  }

  /// What was measured since the last `clearProfile`, longest first.
  package var profile: [OperationTime] { machine.profile.entries }

  package func clearProfile() { machine.profile.clear() }

  package func makeArena(bytes: Int, pages: PageSpace?) throws(TensorError) -> any ArenaMemory {
    let arena = try CPUArena(bytes: bytes, pages: pages)
    // Large pages make products 1 to 3 % faster; small arenas are not worth the rounding. Only advice: no error.
    if bytes >= CPUBackend.largePagesFrom {
      unsafe madvise(arena.memory.base, arena.memory.bytes, MADV_HUGEPAGE)
    }
    return arena
  }

  private static let largePagesFrom = 64 << 20

  package func load(
    _ program: Program, plan: MemoryPlan, in arena: any ArenaMemory
  ) throws(TensorError) -> any LoadedProgram {
    guard let arena = arena as? CPUArena else {
      throw TensorError(Problem("the arena belongs to another backend"))
    }
    guard arena.bytes >= plan.arenaBytes else {
      throw TensorError(
        Problem("the arena is smaller than the plan", value: "\(arena.bytes) of \(plan.arenaBytes) bytes"))
    }
    guard arena.pageBytes >= plan.pageBytes else {
      throw TensorError(
        Problem("the page tier is smaller than the plan", value: "\(arena.pageBytes) of \(plan.pageBytes) bytes"))
    }
    return try CPUProgram(program, plan: plan, arena: arena, machine: machine)
  }
}

/// What the programs of one backend share. One program runs at a time.
final class CPUMachine: Sendable {
  let pool: WorkerPool
  let scratch: Scratch
  let profile = OperationProfile()
  let running = Mutex(())

  init(threads: Int) {
    _ = BLASKernels.chosen
    pool = WorkerPool(threads: threads)
    scratch = Scratch(threads: pool.threads)
  }
}
