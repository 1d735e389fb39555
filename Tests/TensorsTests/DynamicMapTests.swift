import Foundation
import Tensors
import Testing

@Suite struct `8-bit maps` {
  @Test func `have the values that bitsandbytes' rule gives`() {
    let positive = Self.middles { Int(pow(2, Double($0))) }
    let signed: [Double] = positive + positive.map { -$0 } + [0, 1]
    let unsigned: [Double] = Self.middles { Int(pow(2, Double($0 + 1))) } + [0, 1]
    #expect(DynamicMap.signed == signed.sorted().map { Float($0) })
    #expect(DynamicMap.unsigned == unsigned.sorted().map { Float($0) })
    #expect(DynamicMap.signed.count == 256 && DynamicMap.unsigned.count == 256)
  }

  /// Decade by decade the middles of equal bins of [0.1, 1].
  private static func middles(_ bins: (Int) -> Int) -> [Double] {
    var values: [Double] = []
    for i in 0...6 {
      let n = bins(i)
      let edges = (0...n).map { 0.1 + 0.9 * Double($0) / Double(n) }
      for bin in 0..<n { values.append((edges[bin] + edges[bin + 1]) / 2 * pow(10, Double(i - 6))) }
    }
    return values
  }

  /// Values that bitsandbytes prints, of `create_dynamic_map(signed=True)` and `(signed=False)`.
  @Test func `have the known landmarks`() {
    let signed = DynamicMap.signed
    #expect(signed[0] == -0.99296875 && signed[1] == -0.97890625 && signed[127] == 0 && signed[255] == 1)
    #expect(signed[254] == 0.99296875 && signed[128] == 5.5e-7 && signed[126] == -5.5e-7)
    #expect(signed[129] == 3.25e-6 && signed[130] == 7.75e-6 && signed[191] == 0.10703125)
    let unsigned = DynamicMap.unsigned
    #expect(unsigned[0] == 0 && unsigned[1] == 3.25e-7 && unsigned[2] == 7.75e-7 && unsigned[3] == 2.125e-6)
    #expect(unsigned[255] == 1 && unsigned[254] == 0.996484375 && unsigned[127] == 0.103515625)
  }

  @Test func `give every value its own code, and the nearest between`() {
    for map in [DynamicMap.signed, DynamicMap.unsigned] {
      for (code, value) in map.enumerated() {
        #expect(Int(DynamicMap.nearest(value, in: map)) == code)
        guard code > 0 else { continue }
        let middle = (map[code - 1] + value) / 2
        #expect(Int(DynamicMap.nearest(middle.nextUp.nextUp, in: map)) == code)
        #expect(Int(DynamicMap.nearest(middle.nextDown.nextDown, in: map)) == code - 1)
      }
      #expect(DynamicMap.nearest(-9, in: map) == 0 && DynamicMap.nearest(9, in: map) == 255)
    }
  }
}
