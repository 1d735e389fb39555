import Basics
import CCUDA
import Foundation
import Tensors

/// A program whose operands are checked and whose kernels are compiled.
@safe final class CUDAProgram: LoadedProgram, @unchecked Sendable {
  let program: Program
  private let arena: CUDAArena
  private let device: CUDADevice
  private let offsets: [Int]
  private let steps: [(name: String, launches: [Launch])]
  private let indices: [Int: IndexColumns]
  private let numbers: [@Sendable (StepScalars) -> UpdateNumbers]
  private let hasTransfers: Bool
  /// On the card: `Scalars`, then the updates' numbers.
  private let parameters: cc_address
  /// The same in pinned memory, and behind it a word for the fault of a run.
  private let staging: UnsafeMutableRawPointer
  private let parameterBytes: Int
  /// Whether the card's memory was looked at after the first run, when the libraries have taken all they take.
  private var wasMeasured = false

  init(_ program: Program, plan: MemoryPlan, arena: CUDAArena, device: CUDADevice) throws(TensorError) {
    self.program = program
    self.arena = arena
    self.device = device
    offsets = plan.offsets
    let updates = program.instructions.count { if case .update = $0.operation { true } else { false } }
    parameterBytes = LaunchCompiler.scalarsBytes + updates * MemoryLayout<UpdateNumbers>.stride
    parameters = try device.allocate(parameterBytes, for: "a program's numbers")
    var pinned: UnsafeMutableRawPointer?
    let pinning = unsafe cc_host_allocate(device.libraries.driver, &pinned, parameterBytes + 8)
    guard pinning == 0, let pinned = unsafe pinned else {
      device.free(parameters)
      throw TensorError(Problem("the card fails to pin main memory"))
    }
    unsafe staging = pinned
    var compiled: (steps: [(name: String, launches: [Launch])], compiler: LaunchCompiler)?
    do throws(TensorError) {
      compiled = try CUDAProgram.compile(program, plan, arena, device, parameters)
    } catch {
      device.free(parameters)
      unsafe _ = cc_host_free(device.libraries.driver, pinned)
      throw error
    }
    steps = compiled?.steps ?? []
    indices = compiled?.compiler.indices ?? [:]
    numbers = compiled?.compiler.numbers ?? []
    hasTransfers = arena.pageBytes > 0
  }

  deinit {
    device.free(parameters)
    unsafe _ = cc_host_free(device.libraries.driver, staging)
  }

  private static func compile(
    _ program: Program, _ plan: MemoryPlan, _ arena: CUDAArena, _ device: CUDADevice, _ parameters: cc_address
  ) throws(TensorError) -> (steps: [(name: String, launches: [Launch])], compiler: LaunchCompiler) {
    var compiler = LaunchCompiler(
      device: device, arena: arena, resolver: try DeviceResolver(program, plan: plan, arena: arena),
      parameters: parameters)
    var steps: [(name: String, launches: [Launch])] = []
    steps.reserveCapacity(program.instructions.count)
    for (index, instruction) in program.instructions.enumerated() {
      let name = instruction.operation.title
      compiler.instruction = index
      compiler.resolver.place = "instruction \(index) (\(name))"
      let launches = try compiler.compile(instruction.operation)
      let phase = instruction.isRecomputation ? "recomputation" : instruction.phase.rawValue
      steps.append(("\(name) \(phase)", launches))
    }
    return (steps, compiler)
  }

  func run(_ scalars: StepScalars) throws(TensorError) {
    try device.running.withLock { _ throws(TensorError) in
      device.use()
      let driver = unsafe device.libraries.driver
      try begin(scalars)
      let isTimed = device.profile.withLock { $0 != nil }
      if isTimed {
        try runTimed()
      } else {
        for step in steps { for launch in step.launches { try launch() } }
      }
      let word = unsafe staging + parameterBytes
      unsafe try check(cc_copy_out(driver, word, device.faults, 8, device.compute))
      unsafe try check(cc_stream_synchronize(driver, device.compute))
      if hasTransfers {
        unsafe try check(cc_stream_synchronize(driver, device.copiesIn))
        unsafe try check(cc_stream_synchronize(driver, device.copiesOut))
      }
      if !wasMeasured {
        wasMeasured = true
        let room = try device.memory()
        device.peakTaken.withLock { $0 = max($0, room.total - room.free) }
      }
      let fault = unsafe word.load(as: UInt64.self)
      if fault != UInt64.max { throw describe(fault) }
    }
  }

  /// Sends the run's numbers and forgets old faults.
  private func begin(_ scalars: StepScalars) throws(TensorError) {
    let driver = unsafe device.libraries.driver
    unsafe staging.storeBytes(of: scalars.learningRate, toByteOffset: 0, as: Double.self)
    unsafe staging.storeBytes(of: scalars.inverseTargetCount, toByteOffset: 8, as: Double.self)
    unsafe staging.storeBytes(of: Int64(scalars.step), toByteOffset: 16, as: Int64.self)
    unsafe staging.storeBytes(of: scalars.seed, toByteOffset: 24, as: UInt64.self)
    for (index, numbers) in numbers.enumerated() {
      let place = LaunchCompiler.scalarsBytes + index * MemoryLayout<UpdateNumbers>.stride
      unsafe staging.storeBytes(of: numbers(scalars), toByteOffset: place, as: UpdateNumbers.self)
    }
    unsafe try check(cc_copy_in(driver, parameters, staging, parameterBytes, device.compute))
    unsafe try check(cc_fill(driver, device.faults, 0xFF, 8, device.compute))
  }

  private func runTimed() throws(TensorError) {
    let driver = unsafe device.libraries.driver
    for step in steps {
      let start = CUDAProgram.now()
      for launch in step.launches { try launch() }
      unsafe try check(cc_stream_synchronize(driver, device.compute))
      let seconds = CUDAProgram.now() - start
      device.profile.withLock {
        let old = $0?[step.name] ?? (0, 0)
        $0?[step.name] = (old.seconds + seconds, old.count + 1)
      }
    }
  }

  private static func now() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// Words for the first index out of range.
  private func describe(_ fault: UInt64) -> TensorError {
    let index = Int(fault >> 32)
    let row = Int(fault & 0xFFFF_FFFF)
    let name = program.instructions.indices.contains(index) ? program.instructions[index].operation.title : "?"
    let place = "instruction \(index) (\(name))"
    for column in indices[index]?.columns ?? [] {
      let value = self.value(column.view, row)
      if column.what == "segment" {
        if value < 0 || value > row {
          return TensorError(
            Problem("the segment of token \(row) must start in 0...\(row)", at: place, value: "\(value)"))
        }
      } else if value < 0 || value >= column.limit {
        return TensorError(
          Problem(
            "\(column.what) out of range in row \(row): must be below \(column.limit)", at: place, value: "\(value)"))
      }
    }
    return TensorError(Problem("an index is out of range in row \(row)", at: place))
  }

  private func value(_ view: TensorView, _ row: Int) -> Int {
    var value: Int32 = 0
    let offset = (view.offset + row * view.stride) * 4
    unsafe withUnsafeMutableBytes(of: &value) { unsafe read(view.tensor, at: offset, into: $0) }
    return Int(value)
  }

  func write(_ source: UnsafeRawBufferPointer, to tensor: TensorID, at offset: Int) {
    precondition(offset >= 0 && offset + source.count <= program[tensor].bytes, "write outside a tensor")
    guard let start = source.baseAddress else { return }
    device.use()
    let driver = unsafe device.libraries.driver
    unsafe _ = cc_copy_in(driver, address(of: tensor, at: offset), start, source.count, device.compute)
    unsafe _ = cc_stream_synchronize(driver, device.compute)
  }

  func read(_ tensor: TensorID, at offset: Int, into destination: UnsafeMutableRawBufferPointer) {
    precondition(offset >= 0 && offset + destination.count <= program[tensor].bytes, "read outside a tensor")
    guard let start = destination.baseAddress else { return }
    device.use()
    let driver = unsafe device.libraries.driver
    unsafe _ = cc_copy_out(driver, start, address(of: tensor, at: offset), destination.count, device.compute)
    unsafe _ = cc_stream_synchronize(driver, device.compute)
  }

  func clear(_ tensor: TensorID) {
    guard program[tensor].bytes > 0 else { return }
    device.use()
    let driver = unsafe device.libraries.driver
    unsafe _ = cc_fill(driver, address(of: tensor, at: 0), 0, program[tensor].bytes, device.compute)
    unsafe _ = cc_stream_synchronize(driver, device.compute)
  }

  func writePages(_ source: UnsafeRawBufferPointer, to tensor: TensorID, at offset: Int) throws(TensorError) {
    guard let start = source.baseAddress else { return }
    unsafe try page(tensor, at: offset, source.count).copyMemory(from: start, byteCount: source.count)
  }

  func readPages(
    _ tensor: TensorID, at offset: Int, into destination: UnsafeMutableRawBufferPointer
  ) throws(TensorError) {
    guard let start = destination.baseAddress else { return }
    unsafe start.copyMemory(from: try page(tensor, at: offset, destination.count), byteCount: destination.count)
  }

  private func page(_ tensor: TensorID, at offset: Int, _ count: Int) throws(TensorError) -> UnsafeMutableRawPointer {
    guard let base = unsafe arena.pages, program[tensor].tier == .page else {
      throw TensorError(Problem("tensor '\(program[tensor].name)' is not in the page tier"))
    }
    precondition(offset >= 0 && offset + count <= program[tensor].bytes, "outside a tensor")
    return unsafe base + offsets[tensor.index] + offset
  }

  private func address(of tensor: TensorID, at offset: Int) -> cc_address {
    arena.address + UInt64(offsets[tensor.index] + offset)
  }

  private func check(_ result: Int32) throws(TensorError) { try device.check(result, "run a program") }
}
