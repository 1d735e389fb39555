import Basics
import CCUDA
import Foundation
import Synchronization
import Tensors

/// Runs programs on an NVIDIA card: matrix products by cuBLASLt, everything else by kernels compiled at run time.
///
/// The same program on the same card with the same libraries gives the same bits, every run.
package final class CUDABackend: Backend {
  package let name: String
  private let device: CUDADevice

  /// The card of this number, of those that `CUDA_VISIBLE_DEVICES` shows.
  package init(_ libraries: CUDALibraries, device number: Int = 0) throws(TensorError) {
    device = try CUDADevice(libraries, number: number)
    name = "cuda:\(number)"
  }

  /// "NVIDIA H100 80GB HBM3".
  package var cardName: String { device.name }
  /// Free and all bytes of the card's memory, other programs' share counted as taken.
  package func memory() throws(TensorError) -> (free: Int, total: Int) { try device.memory() }

  /// What the card's memory will hold beside an arena: what is taken now, this program's context and libraries and other
  /// programs included, and what kernels and partial sums will take.
  package func outside() throws(TensorError) -> Int {
    let room = try device.memory()
    return room.total - room.free + CUDABackend.later
  }

  /// Machine code of kernels and partial sums of a large training; measured on an H100.
  private static let later = 72 << 20

  /// The most of the card's memory that was taken when a program had run, other programs' share counted.
  package var peakTaken: Int { device.peakTaken.withLock { $0 } }

  /// While on, seconds and counts are kept for each operation's name; runs wait for every instruction.
  package var isProfiling: Bool {
    get { device.profile.withLock { $0 != nil } }
    set { device.profile.withLock { $0 = newValue ? $0 ?? [:] : nil } }
  }

  /// What was measured, longest first.
  package var profile: [(name: String, seconds: Double, count: Int)] {
    device.profile.withLock { ($0 ?? [:]).map { ($0.key, $0.value.seconds, $0.value.count) } }
      .sorted { ($1.1, $0.0) < ($0.1, $1.0) }
  }

  package func clearProfile() { device.profile.withLock { if $0 != nil { $0 = [:] } } }

  package func makeArena(bytes: Int, pages: PageSpace?) throws(TensorError) -> any ArenaMemory {
    try CUDAArena(bytes: bytes, pageBytes: pages?.bytes ?? 0, device: device)
  }

  package func load(
    _ program: Program, plan: MemoryPlan, in arena: any ArenaMemory
  ) throws(TensorError) -> any LoadedProgram {
    guard let arena = arena as? CUDAArena, arena.device === device else {
      throw TensorError(Problem("the arena belongs to another backend"))
    }
    guard arena.bytes >= plan.arenaBytes, arena.pageBytes >= plan.pageBytes else {
      throw TensorError(
        Problem("the arena is smaller than the plan", value: "\(arena.bytes) of \(plan.arenaBytes) bytes"))
    }
    return try CUDAProgram(program, plan: plan, arena: arena, device: device)
  }
}

/// A card's memory for tensors, and pinned main memory below it.
@safe final class CUDAArena: ArenaMemory, @unchecked Sendable {
  let bytes: Int
  let pageBytes: Int
  let device: CUDADevice
  let address: cc_address
  /// `pageBytes` of pinned main memory.
  let pages: UnsafeMutableRawPointer?

  init(bytes: Int, pageBytes: Int, device: CUDADevice) throws(TensorError) {
    self.bytes = max(bytes, 1)
    self.pageBytes = pageBytes
    self.device = device
    let address = try device.allocate(self.bytes, for: "the tensors")
    self.address = address
    let driver = unsafe device.libraries.driver
    var pages: UnsafeMutableRawPointer?
    if pageBytes > 0 {
      let result = unsafe cc_host_allocate(driver, &pages, pageBytes)
      if result != 0 { device.free(address) }
      try device.check(result, "pin \(Quantity.describe(bytes: pageBytes)) of main memory for the page tier")
      if let pages = unsafe pages { unsafe memset(pages, 0, pageBytes) }
    }
    unsafe self.pages = pages
    unsafe try device.check(cc_fill(driver, address, 0, self.bytes, device.compute), "clear the arena")
    unsafe try device.check(cc_stream_synchronize(driver, device.compute), "clear the arena")
  }

  deinit {
    device.free(address)
    if let pages = unsafe pages { unsafe _ = cc_host_free(device.libraries.driver, pages) }
  }
}
