import BackendConformance
import CPUBackend
import Tensors
import Testing

@Suite struct `The same program gives the same bits` {
  /// A little of everything that sums: products, norms, attention, loss, norm of gradients, update.
  private static func bench() -> Workbench {
    var bench = Workbench(.strided)
    bench.scalars = StepScalars(learningRate: 0.01, step: 2, inverseTargetCount: 1.0 / 150)
    let tokens = 150
    let ids = bench.column("ids", (0..<tokens).map { Int32($0 % 7) })
    let segments = bench.column("segments", (0..<tokens).map { $0 < 90 ? 0 : 90 })
    let targets = bench.column("targets", (0..<tokens).map { $0 % 5 == 0 ? -100 : Int32($0 * 3 % 99) })
    let x = bench.matrix("x", .random(tokens, 96, seed: 1))
    let w = bench.matrix("w", .random(96, 96, seed: 2))
    let y = bench.output("y", tokens, 96)
    let norm = bench.matrix("norm", .random(1, 96, seed: 3))
    let inverse = bench.output("inverse", tokens, 1)
    let normGradient = bench.matrix("normGradient", Grid(1, 96))
    let n = bench.output("n", tokens, 96)
    let o = AttentionOperands(
      q: y, k: n.columns(0..<32), v: n.columns(32..<64), out: bench.output("out", tokens, 96),
      logSumExp: bench.output("logs", tokens, 6), segments: segments, heads: 6, keyValueHeads: 2, headDimension: 16,
      scale: 0.25)
    let dq = bench.output("dq", tokens, 96)
    let head = bench.matrix("head", .random(99, 96, seed: 4))
    let dHead = bench.matrix("dHead", Grid(99, 96))
    let dOut = bench.output("dOut", tokens, 96)
    let squares = bench.doubles("squares", [0])
    let length = bench.doubles("length", [0])
    let clip = bench.doubles("clip", [0])
    bench.add(.gemm(a: x, transposeA: false, b: w, transposeB: true, c: y, accumulate: false, bias: nil))
    bench.add(.rmsNorm(x: y, weight: norm, out: n, inverse: inverse, epsilon: 1e-5))
    bench.add(.attention(o))
    bench.add(
      .linearCrossEntropy(
        CrossEntropyOperands(
          hidden: o.out, weight: head, targets: targets, loss: bench.doubles("loss", [0]),
          logits: bench.output("logits", 32, 99), gathered: bench.output("gathered", 32, 96), hiddenGradient: dOut,
          weightGradient: dHead)))
    bench.add(
      .attentionBackward(
        o, outGradient: dOut, qGradient: dq, kGradient: bench.output("dk", tokens, 32),
        vGradient: bench.output("dv", tokens, 32), delta: bench.output("delta", tokens, 6)))
    bench.add(
      .rmsNormBackward(
        x: y, weight: norm, inverse: inverse, outGradient: dq, xGradient: dOut, weightGradient: normGradient,
        accumulate: true))
    bench.add(.embedBackward(ids: ids, outGradient: dOut, tableGradient: dHead))
    bench.add(.gemm(a: dOut, transposeA: true, b: x, transposeB: false, c: w, accumulate: true, bias: nil))
    bench.add(.sumOfSquares(x: dHead, out: squares, accumulate: false))
    bench.add(.clipFactor(squares: squares, norm: length, clip: clip, maximum: 0.1))
    bench.add(
      .update(
        UpdateOperands(
          rule: .adamW, weight: head, gradient: dHead,
          states: [bench.matrix("m", Grid(99, 96)), bench.matrix("v", Grid(99, 96))], clip: clip,
          parameters: UpdateParameters(beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1))))
    return bench
  }

  @Test(arguments: [1, 2, 3, 5])
  func `every time, on a fixed number of threads`(_ threads: Int) throws {
    let bench = Self.bench()
    let first = try bench.run(on: CPUBackend(threads: threads)).bits
    let backend = CPUBackend(threads: threads)
    for _ in 0..<10 { #expect(try bench.run(on: backend).bits == first) }
  }

  @Test func `also when a loaded program runs again`() throws {
    let bench = Self.bench()
    let backend = CPUBackend(threads: 2)
    let loaded = try bench.load(on: backend)
    try loaded.run(bench.scalars)
    let first = (0..<bench.program.tensors.count).map { index in Self.bytes(loaded, TensorID(index: index)) }
    bench.fill(loaded)
    try loaded.run(bench.scalars)
    let second = (0..<bench.program.tensors.count).map { index in Self.bytes(loaded, TensorID(index: index)) }
    #expect(first == second)
  }

  private static func bytes(_ loaded: any LoadedProgram, _ id: TensorID) -> [UInt64] {
    loaded.program[id].dtype == .f64
      ? loaded.read(id, as: UInt64.self, initial: 0) : loaded.read(id, as: UInt32.self, initial: 0).map { UInt64($0) }
  }
}
