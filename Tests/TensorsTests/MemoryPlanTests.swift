import Tensors
import Testing

/// A chain of `length` copies between activations of `size` elements.
private func chain(_ length: Int, size: Int) -> Program {
  var program = Program()
  let input = program.add(TensorSpec(name: "input", rows: 1, columns: size, role: .input))
  var last = program.view(input)
  for index in 0..<length {
    let id = program.add(TensorSpec(name: "a\(index)", rows: 1, columns: size, role: .activation))
    let next = program.view(id)
    program.instructions.append(Instruction(.copy(x: last, out: next), phase: .forward))
    last = next
  }
  return program
}

@Suite struct MemoryPlanTests {
  @Test func `a chain of activations needs room for two at a time`() {
    let plan = MemoryPlan(chain(50, size: 1024))
    #expect(plan.arenaBytes == 3 * 4096)
  }

  @Test func `tensors alive at the same time never overlap`() {
    var program = chain(20, size: 777)
    // A long-lived tensor among short-lived ones of other sizes.
    let id = program.add(TensorSpec(name: "kept", rows: 3, columns: 333, role: .activation))
    let kept = program.view(id)
    program.instructions.insert(Instruction(.zero(kept), phase: .forward), at: 3)
    program.instructions.append(Instruction(.scale(kept, factor: 2), phase: .forward))
    let plan = MemoryPlan(program)
    for a in program.tensors.indices {
      for b in program.tensors.indices where b > a {
        let isShared = { (index: Int) in !program.tensors[index].role.isPersistent }
        let meet =
          !isShared(a) || !isShared(b)
          || plan.lifetimes[a].map { x in plan.lifetimes[b].map { x.overlaps($0) } ?? false }
            ?? false
        guard meet, plan.lifetimes[a] != nil || !isShared(a), plan.lifetimes[b] != nil || !isShared(b) else { continue }
        let endA = plan.offsets[a] + program.tensors[a].bytes
        let endB = plan.offsets[b] + program.tensors[b].bytes
        #expect(endA <= plan.offsets[b] || endB <= plan.offsets[a])
      }
    }
  }

  @Test func `programs that add the same weights agree on their places whatever else they hold`() {
    func program(inputs: Int) -> Program {
      var program = Program()
      _ = program.add(TensorSpec(name: "ids", dtype: .i32, rows: inputs, columns: 1, role: .input))
      _ = program.add(TensorSpec(name: "w1", rows: 7, columns: 5, role: .weight))
      _ = program.add(TensorSpec(name: "w2", rows: 3, columns: 9, role: .weight))
      return program
    }
    let small = MemoryPlan(program(inputs: 4))
    let large = MemoryPlan(program(inputs: 4000))
    #expect(small.offsets[1] == large.offsets[1])
    #expect(small.offsets[2] == large.offsets[2])
    #expect(small.offsets.allSatisfy { $0 % MemoryPlan.alignment == 0 })
  }

  @Test func `reads and writes of an accumulating product include what it accumulates into`() {
    var program = Program()
    let ids = ["a", "b", "c"].map {
      program.add(TensorSpec(name: $0, rows: 2, columns: 2, role: .activation))
    }
    let tensors = ids.map { program.view($0) }
    func product(_ accumulate: Bool) -> Operation {
      .gemm(
        a: tensors[0], transposeA: false, b: tensors[1], transposeB: false, c: tensors[2], accumulate: accumulate,
        bias: nil)
    }
    #expect(product(true).reads.contains(tensors[2]))
    #expect(!product(false).reads.contains(tensors[2]))
    #expect(product(false).writes == [tensors[2]])
  }
}
