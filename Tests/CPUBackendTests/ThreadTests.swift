import BackendConformance
import CPUBackend
import Tensors
import Testing

@Suite struct `Threads` {
  @Test func `many small programs run on many backends at once`() async throws {
    let failures = await withTaskGroup(of: Int.self) { group in
      for threads in 1...4 {
        group.addTask {
          let backend = CPUBackend(threads: threads)
          var wrong = 0
          for seed in 0..<50 {
            var bench = Workbench()
            let a = Grid.random(70, 40, seed: UInt64(seed))
            let out = bench.output("out", 70, 70)
            let x = bench.matrix("a", a)
            bench.add(.gemm(a: x, transposeA: false, b: x, transposeB: true, c: out, accumulate: false, bias: nil))
            bench.add(.scale(out, factor: 2))
            let got = try? bench.run(on: backend).grid(out)
            if got.map({ Mismatch.compare("out", $0, 2 * (a * a.transposed)).isEmpty }) != true { wrong += 1 }
          }
          return wrong
        }
      }
      return await group.reduce(0, +)
    }
    #expect(failures == 0)
  }

  @Test func `one backend serves several callers in turn`() async throws {
    let backend = CPUBackend(threads: 3)
    let failures = await withTaskGroup(of: Int.self) { group in
      for seed in 0..<8 {
        group.addTask {
          var bench = Workbench()
          let x = Grid.random(300, 300, seed: UInt64(seed))
          let view = bench.matrix("x", x)
          for _ in 0..<20 { bench.add(.scale(view, factor: -1)) }
          let got = try? bench.run(on: backend).grid(view)
          return got == x ? 0 : 1
        }
      }
      return await group.reduce(0, +)
    }
    #expect(failures == 0)
  }

  @Test func `a profile counts operations while it is on`() throws {
    let backend = CPUBackend(threads: 1)
    var bench = Workbench()
    let x = bench.matrix("x", .random(3, 3, seed: 1))
    bench.add(.scale(x, factor: 2))
    bench.add(.scale(x, factor: 2))
    _ = try bench.run(on: backend)
    #expect(backend.profile.isEmpty)
    backend.isProfiling = true
    _ = try bench.run(on: backend)
    #expect(backend.profile.map(\.name) == ["scale forward"])
    #expect(backend.profile.map(\.count) == [2])
    backend.clearProfile()
    #expect(backend.profile.isEmpty)
  }

  @Test(
    arguments: [
      ("200000 100000\n", 2.0), ("150000 100000", 1.5), ("max 100000\n", nil), ("-1\n 100000\n", nil), ("", nil),
      ("1 0", nil), ("words here", nil), ("1 2 3", nil),
    ] as [(String, Double?)])
  func `a container's quota counts processors`(_ text: String, _ expected: Double?) {
    #expect(ProcessorQuota.parse(maximum: text) == expected)
  }
}
