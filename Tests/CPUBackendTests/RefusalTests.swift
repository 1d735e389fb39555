import BackendConformance
import Basics
import CPUBackend
import Tensors
import Testing

/// A program that must be refused, and a word of the message.
struct Refusal: Sendable, CustomTestStringConvertible {
  let id: String
  let words: [String]
  let build: @Sendable (inout Workbench) -> Void

  init(_ id: String, _ words: String..., build: @escaping @Sendable (inout Workbench) -> Void) {
    self.id = id
    self.words = words
    self.build = build
  }

  var testDescription: String { id }
}

@Suite struct `What does not fit is refused` {
  private static let backend = CPUBackend(threads: 2)

  static let atLoad: [Refusal] = [
    Refusal("shapes of a product", "gemm", "b 'b'", "must be 4 x 5") { bench in
      bench.add(
        .gemm(
          a: bench.matrix("a", Grid(3, 4)), transposeA: false, b: bench.matrix("b", Grid(5, 5)), transposeB: false,
          c: bench.output("c", 3, 5), accumulate: false, bias: nil))
    },
    Refusal("a product into its operand", "overlaps", "'a'") { bench in
      let a = bench.matrix("a", Grid(4, 4))
      bench.add(.gemm(a: a, transposeA: false, b: a, transposeB: false, c: a, accumulate: false, bias: nil))
    },
    Refusal("a view beyond its tensor", "view outside 'x'") { bench in
      var x = bench.matrix("x", Grid(3, 4))
      x.rows = 4
      bench.add(.zero(x))
    },
    Refusal("a view whose size overflows", "view outside 'x'") { bench in
      var x = bench.matrix("x", Grid(3, 4))
      x.offset = Int.max
      bench.add(.zero(x))
    },
    Refusal("a view before its tensor", "view outside 'x'") { bench in
      var x = bench.matrix("x", Grid(3, 4))
      x.offset = -1
      bench.add(.scale(x, factor: 2))
    },
    Refusal("overlapping rows", "view outside 'x'") { bench in
      var x = bench.matrix("x", Grid(3, 4))
      x.stride = 2
      bench.add(.scale(x, factor: 2))
    },
    Refusal("another type", "must be i32", "f32") { bench in
      let x = bench.matrix("x", Grid(3, 1))
      bench.add(.embed(ids: x, table: bench.matrix("t", Grid(2, 2)), out: bench.output("o", 3, 2)))
    },
    Refusal("heads that do not share", "multiple", "3 and 2") { bench in
      let q = bench.matrix("q", Grid(2, 6))
      let k = bench.matrix("k", Grid(2, 4))
      bench.add(
        .attention(
          AttentionOperands(
            q: q, k: k, v: bench.matrix("v", Grid(2, 4)), out: bench.output("o", 2, 6),
            logSumExp: bench.output("l", 2, 3), segments: bench.column("s", [0, 0]), heads: 3, keyValueHeads: 2,
            headDimension: 2, scale: 1)))
    },
    Refusal("an odd head dimension", "even dimension") { bench in
      let table = bench.matrix("cosine", Grid(2, 1))
      bench.add(
        .rope(
          x: bench.matrix("x", Grid(1, 3)), positions: bench.column("p", [0]), cosine: table, sine: table, heads: 1,
          inverse: false))
    },
    Refusal("a cache of broken slots", "whole slots") { bench in
      let k = bench.matrix("k", Grid(1, 2))
      bench.add(
        .appendToCache(
          k: k, v: k, keyCache: bench.matrix("kc", Grid(7, 2)), valueCache: bench.matrix("vc", Grid(7, 2)),
          slots: bench.column("s", [0]), positions: bench.column("p", [0]), length: 3))
    },
    Refusal("a window of nothing", "window") { bench in
      let q = bench.matrix("q", Grid(1, 2))
      bench.add(
        .attention(
          AttentionOperands(
            q: q, k: bench.matrix("k", Grid(1, 2)), v: bench.matrix("v", Grid(1, 2)), out: bench.output("o", 1, 2),
            logSumExp: bench.output("l", 1, 1), segments: bench.column("s", [0]), heads: 1, keyValueHeads: 1,
            headDimension: 2, scale: 1, window: 0)))
    },
  ]

  @Test(arguments: atLoad)
  func `when it is loaded`(_ refusal: Refusal) {
    var bench = Workbench()
    refusal.build(&bench)
    let ready = bench
    let error = #expect(throws: TensorError.self) { _ = try ready.load(on: Self.backend) }
    for word in refusal.words { #expect(error?.description.contains(word) == true, "\(error?.description ?? "")") }
  }

  static let atRun: [Refusal] = [
    Refusal("a token id above the table", "embed", "row 1", "5") { bench in
      bench.add(
        .embed(
          ids: bench.column("ids", [0, 5]), table: bench.matrix("t", Grid(5, 2)), out: bench.output("o", 2, 2)))
    },
    Refusal("a negative token id", "embedBackward", "-1") { bench in
      bench.add(
        .embedBackward(
          ids: bench.column("ids", [-1]), outGradient: bench.matrix("g", Grid(1, 2)),
          tableGradient: bench.matrix("t", Grid(5, 2))))
    },
    Refusal("a row above the matrix", "gatherRows", "3") { bench in
      bench.add(
        .gatherRows(x: bench.matrix("x", Grid(3, 2)), rows: bench.column("r", [3]), out: bench.output("o", 1, 2)))
    },
    Refusal("a position above the tables", "rope", "2") { bench in
      let table = bench.matrix("cosine", Grid(2, 1))
      bench.add(
        .rope(
          x: bench.matrix("x", Grid(1, 2)), positions: bench.column("p", [2]), cosine: table, sine: table, heads: 1,
          inverse: false))
    },
    Refusal("a target above the vocabulary", "linearCrossEntropy", "3") { bench in bench.add(head(&bench, 3)) },
    Refusal("a target that is neither id nor label", "linearCrossEntropy", "-5") { bench in
      bench.add(head(&bench, -5))
    },
    Refusal("a scored target above the vocabulary", "scoreTargets", "9") { bench in
      bench.add(
        .scoreTargets(
          logits: bench.matrix("l", Grid(1, 3)), targets: bench.column("t", [9]),
          logProbability: bench.doubles("p", [0]), best: bench.column("b", [0])))
    },
    Refusal("a segment that starts later", "attention", "token 1") { bench in bench.add(attention(&bench, [0, 2])) },
    Refusal("a segment before the first", "attention", "token 0") { bench in bench.add(attention(&bench, [-1, 0])) },
    Refusal("a slot above the cache", "appendToCache", "2") { bench in bench.add(append(&bench, slot: 2, position: 0))
    },
    Refusal("a slot below padding", "appendToCache", "-2") { bench in bench.add(append(&bench, slot: -2, position: 0))
    },
    Refusal("a position beyond its slot", "appendToCache", "3") { bench in
      bench.add(append(&bench, slot: 0, position: 3))
    },
    Refusal("a position before its slot", "attentionOverCache", "-1") { bench in
      bench.add(
        .attentionOverCache(
          q: bench.matrix("q", Grid(1, 2)), keyCache: bench.matrix("k", Grid(3, 2)),
          valueCache: bench.matrix("v", Grid(3, 2)), slots: bench.column("s", [0]), positions: bench.column("p", [-1]),
          out: bench.output("o", 1, 2), heads: 1, keyValueHeads: 1, length: 3, scale: 1, window: nil, softCap: nil))
    },
  ]

  @Test(arguments: atRun)
  func `when it is run`(_ refusal: Refusal) throws {
    var bench = Workbench()
    refusal.build(&bench)
    let loaded = try bench.load(on: Self.backend)
    let scalars = bench.scalars
    let error = #expect(throws: TensorError.self) { try loaded.run(scalars) }
    for word in refusal.words { #expect(error?.description.contains(word) == true, "\(error?.description ?? "")") }
  }

  @Test func `an arena smaller than the plan`() throws {
    var bench = Workbench()
    bench.add(.zero(bench.matrix("x", Grid(1000, 10))))
    let arena = try Self.backend.makeArena(bytes: 100)
    let program = bench.program
    #expect(throws: TensorError.self) { _ = try Self.backend.load(program, plan: MemoryPlan(program), in: arena) }
  }

  @Test func `an operand that the program does not have`() throws {
    var program = Program()
    let id = program.add(TensorSpec(name: "x", rows: 1, columns: 1, role: .input))
    let plan = MemoryPlan(program)
    let view = TensorView(tensor: TensorID(index: id.index + 1), rows: 1, columns: 1)
    program.instructions.append(Instruction(.scale(view, factor: 2), phase: .forward))
    let arena = try Self.backend.makeArena(bytes: plan.arenaBytes)
    let changed = program
    #expect(throws: TensorError.self) { _ = try Self.backend.load(changed, plan: plan, in: arena) }
  }

  @Test func `the plan of another program`() throws {
    var bench = Workbench()
    bench.add(.zero(bench.matrix("x", Grid(10, 10))))
    let arena = try Self.backend.makeArena(bytes: 10_000)
    let program = bench.program
    let other = MemoryPlan(Program())
    #expect(throws: TensorError.self) { _ = try Self.backend.load(program, plan: other, in: arena) }
  }

  private static func head(_ bench: inout Workbench, _ target: Int32) -> Tensors.Operation {
    .linearCrossEntropy(
      CrossEntropyOperands(
        hidden: bench.matrix("h", Grid(1, 2)), weight: bench.matrix("w", Grid(3, 2)),
        targets: bench.column("t", [target]), loss: bench.doubles("loss", [0]), logits: bench.output("l", 1, 3),
        gathered: bench.output("g", 1, 2)))
  }

  private static func attention(_ bench: inout Workbench, _ segments: [Int32]) -> Tensors.Operation {
    .attention(
      AttentionOperands(
        q: bench.matrix("q", Grid(2, 2)), k: bench.matrix("k", Grid(2, 2)), v: bench.matrix("v", Grid(2, 2)),
        out: bench.output("o", 2, 2), logSumExp: bench.output("l", 2, 1), segments: bench.column("s", segments),
        heads: 1, keyValueHeads: 1, headDimension: 2, scale: 1))
  }

  private static func append(_ bench: inout Workbench, slot: Int32, position: Int32) -> Tensors.Operation {
    .appendToCache(
      k: bench.matrix("k", Grid(1, 2)), v: bench.matrix("v", Grid(1, 2)), keyCache: bench.matrix("kc", Grid(6, 2)),
      valueCache: bench.matrix("vc", Grid(6, 2)), slots: bench.column("s", [slot]),
      positions: bench.column("p", [position]), length: 3)
  }
}
