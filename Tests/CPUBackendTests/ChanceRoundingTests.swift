import CPUBackend
import Tensors
import Testing

/// 1,000 updates far below bf16's last place, of weights of 1.
@Suite struct `Rounding by chance` {
  private static let count = 1 << 14

  /// The weights after 1,000 updates at a rate of 1e-5, with gradients of `gradient` and this decay.
  private static func weights(
    _ dtype: DType, _ rule: UpdateRule, gradient: Float, decay: Double, toNearest: Bool = false
  ) throws -> [Double] {
    var program = Program()
    func add(_ name: String, _ dtype: DType, _ count: Int, _ role: TensorRole) -> TensorID {
      program.add(TensorSpec(name: name, dtype: dtype, rows: 1, columns: count, role: role))
    }
    let weight = add("weight", dtype, count, .weight)
    let slope = add("gradient", .f32, count, .gradient)
    let clip = add("clip", .f64, 1, .state)
    let states = rule == .adamW ? ["m", "v"].map { add($0, .f32, count, .state) } : []
    let wide = add("wide", .f32, count, .activation)
    let target = program.view(toNearest ? wide : weight)
    let stored = program.view(weight)
    if toNearest { program.instructions.append(Instruction(.cast(x: stored, out: target), phase: .update)) }
    program.instructions.append(
      Instruction(
        .update(
          UpdateOperands(
            rule: rule, weight: target, gradient: program.view(slope), states: states.map { program.view($0) },
            clip: program.view(clip),
            parameters: UpdateParameters(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: decay), stream: 3)),
        phase: .update))
    if toNearest { program.instructions.append(Instruction(.cast(x: target, out: stored), phase: .update)) }
    let plan = MemoryPlan(program)
    let backend = CPUBackend(threads: 2)
    let loaded = try backend.load(program, plan: plan, in: backend.makeArena(bytes: plan.arenaBytes))
    if dtype == .bf16 {
      loaded.write([UInt16](repeating: 0x3F80, count: count), to: weight)
    } else {
      loaded.write([Float](repeating: 1, count: count), to: weight)
    }
    loaded.write([Float](repeating: gradient, count: count), to: slope)
    loaded.write([1.0], to: clip)
    for state in states { loaded.write([Float](repeating: 0, count: count), to: state) }
    for step in 1...1000 { try loaded.run(StepScalars(learningRate: 1e-5, step: step, seed: 7)) }
    return dtype == .bf16
      ? loaded.read(weight, as: UInt16.self, initial: 0).map { Double(Float(bitPattern: UInt32($0) << 16)) }
      : loaded.read(weight, as: Float.self, initial: 0).map { Double($0) }
  }

  private static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

  /// The mean is f32's within three standard errors, and it has moved.
  private static func compare(_ rule: UpdateRule, gradient: Float, decay: Double) throws {
    let full = mean(try weights(.f32, rule, gradient: gradient, decay: decay))
    let values = try weights(.bf16, rule, gradient: gradient, decay: decay)
    let found = mean(values)
    let variance = mean(values.map { ($0 - found) * ($0 - found) })
    let error = (variance / Double(count)).squareRoot()
    #expect(abs(full - 1) > 0.009)
    #expect(error > 0 && abs(found - full) <= 3 * error, "\(found), not \(full) ± \(error)")
  }

  @Test func `moves the mean down and up as f32 does`() throws {
    try Self.compare(.sgd, gradient: 1, decay: 0)
    try Self.compare(.sgd, gradient: -1, decay: 0)
    try Self.compare(.adamW, gradient: 1, decay: 0)
  }

  @Test func `decays the mean as f32 does`() throws {
    try Self.compare(.sgd, gradient: 0, decay: 1)
    try Self.compare(.adamW, gradient: 0, decay: 1)
  }

  @Test func `to nearest nothing moves`() throws {
    #expect(try Self.weights(.bf16, .sgd, gradient: 1, decay: 0, toNearest: true).allSatisfy { $0 == 1 })
    #expect(try Self.weights(.bf16, .adamW, gradient: 0, decay: 1, toNearest: true).allSatisfy { $0 == 1 })
  }
}
