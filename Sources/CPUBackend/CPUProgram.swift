import Basics
import Foundation
import Tensors

/// A program whose operands are checked and resolved to memory.
final class CPUProgram: LoadedProgram, @unchecked Sendable {
  let program: Program
  private let arena: Arena
  private let machine: CPUMachine
  private let steps: [Step]
  private let offsets: [Int]

  init(_ program: Program, plan: MemoryPlan, arena: Arena, machine: CPUMachine) throws(TensorError) {
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
        return .success(())
      } catch {
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
    unsafe arena.base + offsets[tensor.index] + offset
  }
}

/// One instruction ready to run.
struct Step {
  typealias Body = (StepScalars) throws(TensorError) -> Void

  /// Operation and phase, for profiles.
  let name: String
  let body: Body
}
