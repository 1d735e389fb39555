import Basics
import Tensors

/// How fast a machine does what a training step is made of; measured on small programs, in a fraction of a second.
package struct MachineRates: Sendable, Equatable {
  /// Arithmetic operations of matrix products a second.
  package var products: Double
  /// Bytes a second that elementwise instructions read and write.
  package var memory: Double
  /// Bytes a second from and to the page tier, both ways at once; 0 where there can be none.
  package var reads: Double
  package var writes: Double

  package init(products: Double, memory: Double, reads: Double, writes: Double) {
    self.products = products
    self.memory = memory
    self.reads = reads
    self.writes = writes
  }

  /// Two slow cores and a plain disk: for plans of a machine that is not there to be measured.
  package static let assumed = MachineRates(products: 8e10, memory: 8e9, reads: 6e8, writes: 3e8)

  /// Measures `backend`; the page tier only where `pageFolder` is given.
  package static func measure(_ backend: any Backend, pageFolder: FilePath?) throws(TrainingError) -> MachineRates {
    try rethrowing {
      var rates = MachineRates.assumed
      let product = try timed(backend, product, repeats: 5)
      rates.products = 2 * Double(rows * width * wide) / product
      let elements = try timed(backend, elementwise, repeats: 5)
      rates.memory = Double(3 * addedElements * 4) / elements
      if let pageFolder {
        // Without a page tier there are plans all the same.
        let seconds = try? timed(backend, transfers, repeats: 1, pageFolder: pageFolder)
        rates.reads = seconds.map { Double(transferBytes * transferCount) / $0 } ?? 0
        rates.writes = rates.reads
      }
      return rates
    }
  }

  // Small enough that measuring takes less memory than any training.
  private static let rows = 256
  private static let width = 576
  private static let wide = 1536
  private static let addedElements = 1 << 20
  private static let transferBytes = 1 << 20
  private static let transferCount = 64

  /// Seconds of the program's fastest run after one to warm up.
  private static func timed(
    _ backend: any Backend, _ program: Program, repeats: Int, pageFolder: FilePath? = nil
  ) throws -> Double {
    let plan = MemoryPlan(program)
    let pages = pageFolder.map { PageSpace(bytes: plan.pageBytes, folder: $0) }
    let loaded = try backend.load(program, plan: plan, in: backend.makeArena(bytes: plan.arenaBytes, pages: pages))
    let clock = ContinuousClock()
    try loaded.run(StepScalars())
    var best = Double.infinity
    for _ in 0..<repeats {
      let start = clock.now
      try loaded.run(StepScalars())
      best = min(best, (clock.now - start).inSeconds)
    }
    return max(best, 1e-6)
  }

  private static var product: Program {
    var program = Program()
    func matrix(_ name: String, _ rows: Int, _ columns: Int) -> TensorView {
      let id = program.add(TensorSpec(name: name, rows: rows, columns: columns, role: .input))
      return program.view(id)
    }
    let x = matrix("x", rows, width)
    let weight = matrix("weight", wide, width)
    let out = matrix("out", rows, wide)
    program.instructions = [
      Instruction(
        .gemm(a: x, transposeA: false, b: weight, transposeB: true, c: out, accumulate: false, bias: nil),
        phase: .forward)
    ]
    return program
  }

  private static var elementwise: Program {
    var program = Program()
    let ids = ["a", "b", "sum"].map {
      program.add(TensorSpec(name: $0, rows: 1, columns: addedElements, role: .input))
    }
    let views = ids.map { program.view($0) }
    program.instructions = [Instruction(.add(a: views[0], b: views[1], out: views[2]), phase: .forward)]
    return program
  }

  /// As many fetches as evictions, two of each on their way.
  private static var transfers: Program {
    var program = Program()
    let count = transferBytes / MemoryLayout<Float>.stride
    let homes = (0..<2 * transferCount).map {
      program.add(TensorSpec(name: "page\($0)", rows: 1, columns: count, role: .state, tier: .page))
    }
    let windows = (0..<4).map {
      program.add(TensorSpec(name: "window\($0)", rows: 1, columns: count, role: .window))
    }
    for step in 0..<transferCount {
      let into = program.view(windows[step % 2])
      let from = program.view(windows[2 + step % 2])
      if step >= 2 {
        program.instructions.append(Instruction(.wait(transfer: 2 * step - 4, view: into), phase: .forward))
        program.instructions.append(Instruction(.wait(transfer: 2 * step - 3, view: from), phase: .forward))
      }
      let source = program.view(homes[step])
      let target = program.view(homes[transferCount + step])
      program.instructions.append(
        Instruction(.fetch(from: source, into: into, transfer: 2 * step), phase: .forward))
      program.instructions.append(
        Instruction(.evict(from: from, into: target, transfer: 2 * step + 1), phase: .forward))
    }
    return program
  }
}
