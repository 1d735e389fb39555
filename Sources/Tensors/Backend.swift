import Basics

/// A machine that runs programs: holds an arena laid out by a plan and executes instructions in it.
package protocol Backend: AnyObject, Sendable {
  /// "cpu" or "cuda:0".
  var name: String { get }

  /// Makes memory for programs of up to `bytes` of arena, with a page tier below it where `pages` asks for one;
  /// contents start as zeros.
  func makeArena(bytes: Int, pages: PageSpace?) throws(TensorError) -> any ArenaMemory

  /// Makes a program ready to run in an arena of at least `plan.arenaBytes`. Several programs may share one arena.
  func load(_ program: Program, plan: MemoryPlan, in arena: any ArenaMemory) throws(TensorError) -> any LoadedProgram
}

extension Backend {
  /// An arena without a page tier.
  package func makeArena(bytes: Int) throws(TensorError) -> any ArenaMemory {
    try makeArena(bytes: bytes, pages: nil)
  }
}

/// A page tier to be made.
package struct PageSpace: Sendable {
  package var bytes: Int
  /// A folder on a real disk for the file that pages lie in, for backends that keep them in one.
  package var folder: FilePath

  package init(bytes: Int, folder: FilePath) {
    self.bytes = bytes
    self.folder = folder
  }
}

/// A backend's memory for tensors.
package protocol ArenaMemory: AnyObject, Sendable {
  var bytes: Int { get }
  /// Bytes of the page tier; 0 without one.
  var pageBytes: Int { get }
}

/// A program in its arena.
package protocol LoadedProgram: AnyObject, Sendable {
  var program: Program { get }

  /// Runs all instructions once.
  func run(_ scalars: StepScalars) throws(TensorError)

  /// Copies the bytes of a tensor in memory in from `source`, from byte `offset` of the tensor on.
  func write(_ source: UnsafeRawBufferPointer, to tensor: TensorID, at offset: Int)
  /// Copies the bytes of a tensor in memory out, from byte `offset` of the tensor on, filling `destination`.
  func read(_ tensor: TensorID, at offset: Int, into destination: UnsafeMutableRawBufferPointer)
  /// Sets the bytes of a tensor in memory to zero.
  func clear(_ tensor: TensorID)

  /// `write` for a tensor in the page tier.
  func writePages(_ source: UnsafeRawBufferPointer, to tensor: TensorID, at offset: Int) throws(TensorError)
  /// `read` for a tensor in the page tier.
  func readPages(_ tensor: TensorID, at offset: Int, into destination: UnsafeMutableRawBufferPointer)
    throws(TensorError)
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

  /// Copies a tensor's bytes in, whatever its tier.
  package func copyIn(
    _ source: UnsafeRawBufferPointer, to tensor: TensorID, at offset: Int
  ) throws(TensorError) {
    switch program[tensor].tier {
    case .memory: unsafe write(source, to: tensor, at: offset)
    case .page: unsafe try writePages(source, to: tensor, at: offset)
    }
  }

  /// Copies a tensor's bytes out, whatever its tier.
  package func copyOut(
    _ tensor: TensorID, at offset: Int, into destination: UnsafeMutableRawBufferPointer
  ) throws(TensorError) {
    switch program[tensor].tier {
    case .memory: unsafe read(tensor, at: offset, into: destination)
    case .page: unsafe try readPages(tensor, at: offset, into: destination)
    }
  }

  /// Sets a tensor's bytes to zero, whatever its tier.
  package func zero(_ tensor: TensorID) throws(TensorError) {
    guard program[tensor].tier == .page else { return clear(tensor) }
    let bytes = program[tensor].bytes
    let zeros = [UInt8](repeating: 0, count: min(bytes, 4 << 20))
    var offset = 0
    while offset < bytes {
      let count = min(zeros.count, bytes - offset)
      let result: Result<Void, TensorError> = unsafe zeros.withUnsafeBytes { all in
        Result { () throws(TensorError) in
          unsafe try writePages(UnsafeRawBufferPointer(rebasing: all[..<count]), to: tensor, at: offset)
        }
      }
      try result.get()
      offset += count
    }
  }
}
