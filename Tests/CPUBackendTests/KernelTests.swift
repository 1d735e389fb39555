import BackendConformance
import CKernels
import Foundation
import Testing

@Suite struct `Vector kernels agree with plain arithmetic` {
  @Test func `exp is right to 2e-7 and 0 far below`() {
    let inputs = stride(from: Float(-87.3), through: 88.3, by: 0.0371).map { $0 } + [0, 1e-20, -1e-20, 1, -1]
    var values = inputs
    unsafe ck_exp(values.count, &values)
    for (x, y) in zip(inputs, values) {
      let exact = exp(Double(x))
      #expect(abs(Double(y) - exact) <= 2e-7 * exact, "exp(\(x))")
    }
    var edges: [Float] = [-.infinity, -100, -87.4, .nan]
    unsafe ck_exp(edges.count, &edges)
    #expect(edges[0] == 0 && edges[1] == 0 && edges[2] == 0 && edges[3].isNaN)
  }

  @Test func `tanh is right to 2e-7 and odd`() {
    let inputs = stride(from: Float(-12), through: 12, by: 0.0113).map { $0 } + [0, 1e-10, 0.6249999, 0.625, 50, -50]
    var values = inputs
    unsafe ck_tanh(values.count, &values)
    for (x, y) in zip(inputs, values) { #expect(abs(Double(y) - tanh(Double(x))) <= 2e-7, "tanh(\(x))") }
    var pair: [Float] = [0.3, -0.3, 4, -4]
    unsafe ck_tanh(4, &pair)
    #expect(pair[0] == -pair[1] && pair[2] == -pair[3])
  }

  @Test(arguments: [1, 3, 15, 16, 17, 31, 64, 257])
  func `sums over odd lengths`(_ n: Int) {
    let a = Grid.random(1, n, seed: 1)
    let b = Grid.random(1, n, seed: 2)
    let left = a.values.map { Float($0) }
    let right = b.values.map { Float($0) }
    #expect(abs(Double(unsafe ck_dot(n, left, right)) - a.dot(b)) < 1e-5)
    #expect(abs((unsafe ck_sum_of_squares(n, left)) - a.dot(a)) < 1e-12)
  }

  @Test(arguments: [(1, 1), (3, 17), (16, 16), (17, 33), (64, 64), (70, 5)])
  func `transposition`(_ rows: Int, _ columns: Int) {
    let grid = Grid.random(rows, columns, seed: 1)
    let values = grid.values.map { Float($0) }
    var out = [Float](repeating: 0, count: rows * columns)
    unsafe ck_transpose(rows, columns, values, columns, &out, rows)
    #expect(out.map { Double($0) } == grid.transposed.values)
  }

  @Test(arguments: [1, 2, 3, 4, 5, 8, 11], [1, 3, 4, 17, 70])
  func `products of few rows`(_ m: Int, _ n: Int) {
    for k in [0, 1, 17, 64, 257] {
      let a = Grid.random(m, k, seed: 1)
      let b = Grid.random(n, k, seed: 2)
      let c = Grid.random(m, n, seed: 3)
      for accumulate in [false, true] {
        var out = c.values.map { Float($0) }
        unsafe ck_product_nt(
          m, n, k, 0.5, a.values.map { Float($0) }, k, b.values.map { Float($0) }, k, &out, n, accumulate)
        let expected = 0.5 * (a * b.transposed) + (accumulate ? c : Grid(m, n))
        #expect(Mismatch.compare("c", Grid(m, n, out.map { Double($0) }), expected).isEmpty)
      }
    }
  }

  @Test func `cross-entropy of large logits stays finite`() {
    var logits: [Float] = [1000, 0, -1000]
    let loss = unsafe ck_cross_entropy(3, &logits, 0, 1, true)
    #expect(loss == 0)
    #expect(logits == [0, 0, 0])
    var other: [Float] = [1000, 0, -1000]
    #expect(unsafe ck_cross_entropy(3, &other, 1, 1, true) == 1000)
    #expect(other == [1, -1, 0])
  }
}
