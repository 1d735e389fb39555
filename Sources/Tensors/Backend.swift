/// A machine that runs programs: holds an arena laid out by a plan and executes instructions in it.
package protocol Backend: AnyObject, Sendable {
  /// "cpu" or "cuda:0".
  var name: String { get }

  /// Makes memory for programs of up to `bytes` of arena; contents start as zeros.
  func makeArena(bytes: Int) throws(TensorError) -> any ArenaMemory

  /// Makes a program ready to run in an arena of at least `plan.arenaBytes`. Several programs may share one arena.
  func load(_ program: Program, plan: MemoryPlan, in arena: any ArenaMemory) throws(TensorError) -> any LoadedProgram
}

/// A backend's memory for tensors.
package protocol ArenaMemory: AnyObject, Sendable {
  var bytes: Int { get }
}

/// A program in its arena.
package protocol LoadedProgram: AnyObject, Sendable {
  var program: Program { get }

  /// Runs all instructions once.
  func run(_ scalars: StepScalars) throws(TensorError)

  /// Copies a tensor's bytes in from `source`, from byte `offset` of the tensor on.
  func write(_ source: UnsafeRawBufferPointer, to tensor: TensorID, at offset: Int)
  /// Copies a tensor's bytes out, from byte `offset` of the tensor on, filling `destination`.
  func read(_ tensor: TensorID, at offset: Int, into destination: UnsafeMutableRawBufferPointer)
  /// Sets a tensor's bytes to zero.
  func clear(_ tensor: TensorID)
}

extension LoadedProgram {
  /// Writes all elements of `values`, which must fill the tensor from its start.
  package func write<T: BitwiseCopyable>(_ values: [T], to tensor: TensorID) {
    precondition(values.count * MemoryLayout<T>.stride <= program[tensor].bytes)
    unsafe values.withUnsafeBytes { unsafe write($0, to: tensor, at: 0) }
  }

  /// The tensor's elements as `T`, which must have the tensor's element size.
  package func read<T: BitwiseCopyable>(_ tensor: TensorID, as type: T.Type, initial: T) -> [T] {
    precondition(MemoryLayout<T>.stride == program[tensor].dtype.size)
    var values = [T](repeating: initial, count: program[tensor].count)
    unsafe values.withUnsafeMutableBytes { unsafe read(tensor, at: 0, into: $0) }
    return values
  }
}
