import Basics
import Foundation
import Tensors

/// A program whose operands are checked and resolved to memory.
final class CPUProgram: LoadedProgram, @unchecked Sendable {
  let program: Program
  private let arena: CPUArena
  private let machine: CPUMachine
  private let steps: [Step]
  private let offsets: [Int]

  init(_ program: Program, plan: MemoryPlan, arena: CPUArena, machine: CPUMachine) throws(TensorError) {
    var compiler = StepCompiler(
      resolver: try ViewResolver(program, plan: plan, arena: arena), pool: machine.pool, scratch: machine.scratch)
    var steps: [Step] = []
    steps.reserveCapacity(program.instructions.count)
    for (index, instruction) in program.instructions.enumerated() {
      let name = instruction.operation.name
      compiler.resolver.place = "instruction \(index) (\(name))"
      let body = try compiler.compile(instruction.operation)
      let phase = instruction.isRecomputation ? "recomputation" : instruction.phase.rawValue
      steps.append(Step(name: "\(name) \(phase)", body: body))
    }
    let needs = compiler
    machine.running.withLock { _ in machine.scratch.reserve(shared: needs.sharedBytes, perThread: needs.threadBytes) }
    guard machine.scratch.isReady else {
      throw TensorError(
        Problem("cannot allocate scratch memory", value: Quantity.describe(bytes: needs.sharedBytes)))
    }
    self.program = program
    self.arena = arena
    self.machine = machine
    self.steps = steps
    offsets = plan.offsets
  }

  func run(_ scalars: StepScalars) throws(TensorError) {
    let result: Result<Void, TensorError> = machine.running.withLock { _ in
      do throws(TensorError) {
        if machine.profile.isOn.load(ordering: .relaxed) { try runTimed(scalars) } else { try runPlainly(scalars) }
        try arena.transfers?.drain()
        return .success(())
      } catch {
        // Nothing may go on in memory that the caller may use again; the first fault is the one to tell.
        try? arena.transfers?.drain()
        return .failure(error)
      }
    }
    try result.get()
  }

  private func runPlainly(_ scalars: StepScalars) throws(TensorError) {
    for step in steps { try step.body(scalars) }
  }

  private func runTimed(_ scalars: StepScalars) throws(TensorError) {
    for step in steps {
      let start = OperationProfile.now()
      try step.body(scalars)
      machine.profile.add(step.name, seconds: OperationProfile.now() - start)
    }
  }

  func write(_ source: UnsafeRawBufferPointer, to tensor: TensorID, at offset: Int) {
    precondition(offset >= 0 && offset + source.count <= program[tensor].bytes, "write outside a tensor")
    guard let start = source.baseAddress else { return }
    unsafe memory(of: tensor, at: offset).copyMemory(from: start, byteCount: source.count)
  }

  func read(_ tensor: TensorID, at offset: Int, into destination: UnsafeMutableRawBufferPointer) {
    precondition(offset >= 0 && offset + destination.count <= program[tensor].bytes, "read outside a tensor")
    guard let start = destination.baseAddress else { return }
    unsafe start.copyMemory(from: memory(of: tensor, at: offset), byteCount: destination.count)
  }

  func clear(_ tensor: TensorID) {
    unsafe memset(memory(of: tensor, at: 0), 0, program[tensor].bytes)
  }

  private func memory(of tensor: TensorID, at offset: Int) -> UnsafeMutableRawPointer {
    precondition(program[tensor].tier == .memory, "a tensor of the page tier has no memory")
    return unsafe arena.memory.base + offsets[tensor.index] + offset
  }

  func writePages(_ source: UnsafeRawBufferPointer, to tensor: TensorID, at offset: Int) throws(TensorError) {
    unsafe try pages(tensor, offset, source.count).write(source, at: offsets[tensor.index] + offset)
  }

  func readPages(
    _ tensor: TensorID, at offset: Int, into destination: UnsafeMutableRawBufferPointer
  ) throws(TensorError) {
    unsafe try pages(tensor, offset, destination.count).read(offsets[tensor.index] + offset, into: destination)
  }

  private func pages(_ tensor: TensorID, _ offset: Int, _ count: Int) throws(TensorError) -> PageFile {
    precondition(offset >= 0 && offset + count <= program[tensor].bytes, "a transfer outside a tensor")
    guard program[tensor].tier == .page, let pages = arena.pages else {
      throw TensorError(Problem("the tensor is not in the page tier", value: program[tensor].name))
    }
    return pages
  }
}

/// One instruction ready to run.
struct Step {
  typealias Body = (StepScalars) throws(TensorError) -> Void

  /// Operation and phase, for profiles.
  let name: String
  let body: Body
}
