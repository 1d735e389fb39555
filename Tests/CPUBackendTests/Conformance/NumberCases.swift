import Basics
import Foundation
import Tensors

extension ConformanceCase {
  static let numberCases: [ConformanceCase] =
    [(1, 1), (3, 17), (70, 257), (0, 5)].flatMap { rows, columns in
      Workbench.Layout.allCases.flatMap { layout in
        [
          ConformanceCase("cast-\(rows)x\(columns)-\(layout.rawValue)") { try cast($0, rows, columns, layout) },
          ConformanceCase("dropout-\(rows)x\(columns)-\(layout.rawValue)") { try dropout($0, rows, columns, layout) },
          ConformanceCase("embed-bf16-\(rows)x\(columns)-\(layout.rawValue)") {
            try embedHalves($0, rows, columns, layout)
          },
        ]
      }
    } + [
      ConformanceCase("cast-special", castSpecial),
      ConformanceCase("dequantise-1x64") { try dequantise($0, 1, 64, .contiguous) },
      ConformanceCase("dequantise-67x320") { try dequantise($0, 67, 320, .contiguous) },
      ConformanceCase("dequantise-67x320-strided") { try dequantise($0, 67, 320, .strided) },
    ]

  private static func cast(
    _ backend: any Backend, _ rows: Int, _ columns: Int, _ layout: Workbench.Layout
  ) throws -> [Mismatch] {
    var bench = Workbench(layout)
    let values = Grid.random(rows, columns, seed: 1, in: -3...3)
    let x = bench.matrix("x", values)
    let half = bench.halves("half", Grid(rows, columns) { _, _ in 1 })
    let back = bench.output("back", rows, columns)
    bench.add(.cast(x: x, out: half))
    bench.add(.cast(x: half, out: back))
    let outcome = try bench.run(on: backend)
    let nearest = values.map(Oracle.nearestHalf)
    return Mismatch.compare("half", outcome.grid(half), nearest, tolerance: 0)
      + Mismatch.compare("back", outcome.grid(back), nearest, tolerance: 0) + outcome.untouched(except: half, back)
  }

  /// Ties to even, values that round to infinity, infinities.
  @Sendable private static func castSpecial(_ backend: any Backend) throws -> [Mismatch] {
    var bench = Workbench()
    let values = [1 + 0x1p-8, 1 + 0x3p-8, -1 - 0x1p-8, 0x1.FFFFp127, 0x1.FEp127, Double.infinity, 0, 0x1p-149, 1e-40]
    let expected = [1, 1 + 0x1p-6, -1, Double.infinity, 0x1.FEp127, Double.infinity, 0, 0, 0x1p-133]
    let x = bench.matrix("x", Grid(1, values.count, values))
    let half = bench.halves("half", Grid(1, values.count))
    bench.add(.cast(x: x, out: half))
    let found = try bench.run(on: backend).grid(half).values
    return Mismatch.equal("half", found, expected)
  }

  private static func embedHalves(
    _ backend: any Backend, _ rows: Int, _ columns: Int, _ layout: Workbench.Layout
  ) throws -> [Mismatch] {
    var bench = Workbench(layout)
    let values = Grid.random(5, columns, seed: 1).map(Oracle.nearestHalf)
    let ids = (0..<rows).map { Int32($0 * 3 % 5) }
    let out = bench.output("out", rows, columns)
    bench.add(.embed(ids: bench.column("ids", ids), table: bench.halves("table", values), out: out))
    let outcome = try bench.run(on: backend)
    return Mismatch.compare(
      "out", outcome.grid(out), Grid(rows, columns) { values[Int(ids[$0]), $1] }, tolerance: 0)
      + outcome.untouched(except: out)
  }

  private static func dropout(
    _ backend: any Backend, _ rows: Int, _ columns: Int, _ layout: Workbench.Layout
  ) throws -> [Mismatch] {
    var bench = Workbench(layout)
    bench.scalars = StepScalars(step: 7, seed: 0x1234_5678_9ABC)
    let values = Grid.random(rows, columns, seed: 1)
    let x = bench.matrix("x", values)
    let inPlace = bench.matrix("in place", values)
    let out = bench.output("out", rows, columns)
    bench.add(.dropout(x: x, out: out, rate: 0.3, stream: 5))
    bench.add(.dropout(x: inPlace, out: inPlace, rate: 0.3, stream: 5))
    let outcome = try bench.run(on: backend)
    let expected = Grid(rows, columns) { row, column in
      let index = row * columns + column
      let words = Oracle.random(scalars: bench.scalars, purpose: 1, stream: 5, counter: index / 64 * 16 + index % 16)
      return words[index % 64 / 16] < UInt32(0.3 * 0x1p32) ? 0 : values[row, column] / 0.7
    }
    return Mismatch.compare("out", outcome.grid(out), expected, tolerance: 1e-6)
      + Mismatch.compare("in place", outcome.grid(inPlace), expected, tolerance: 1e-6)
      + outcome.untouched(except: out, inPlace)
  }

  private static func dequantise(
    _ backend: any Backend, _ rows: Int, _ columns: Int, _ layout: Workbench.Layout
  ) throws -> [Mismatch] {
    var bench = Workbench(layout)
    let scales = rows * columns / 64
    let codes = Grid.random(rows, columns / 2, seed: 1, in: 0...255.99).map { $0.rounded(.down) }
    let scaleCodes = Grid.random(1, scales, seed: 2, in: 0...255.99).map { $0.rounded(.down) }
    let maxima = Grid.random(1, (scales + 255) / 256, seed: 3, in: 0.1...1)
    let out = bench.output("out", rows, columns)
    bench.add(
      .dequantise(
        QuantisedMatrix(
          codes: bench.bytes("codes", codes), scaleCodes: bench.bytes("scale codes", scaleCodes),
          scaleMaxima: bench.matrix("scale maxima", maxima), offset: bench.matrix("offset", Grid(1, 1, [0.625]))),
        out: out))
    let outcome = try bench.run(on: backend)
    let expected = Grid(rows, columns) { row, column in
      let byte = Int(codes[row, column / 2])
      let scale = (row * columns + column) / 64
      let size = 0.625 + Double(DynamicMap.signed[Int(scaleCodes.values[scale])]) * maxima.values[scale / 256]
      return Oracle.levels[column % 2 == 0 ? byte / 16 : byte % 16] * size
    }
    return Mismatch.compare("out", outcome.grid(out), expected, tolerance: 1e-6) + outcome.untouched(except: out)
  }
}

extension Oracle {
  /// The bf16 nearest to a number that f32 holds; of two equally near the one with an even last place.
  static func nearestHalf(_ x: Double) -> Double {
    guard x != 0 else { return 0 }
    let place = scalbn(1, max(Int(x.exponent), -126) - 7)
    return (x / place).rounded(.toNearestOrEven) * place
  }

  /// Philox' four words for a purpose and a tensor's stream in a step.
  static func random(scalars: StepScalars, purpose: UInt64, stream: UInt64, counter: Int) -> SIMD4<UInt32> {
    Philox(seed: scalars.seed).words(
      stream: purpose << 32 | stream, counter: UInt64(scalars.step) << 32 | UInt64(counter))
  }

  /// NF4's levels, to the eight places that are published.
  static let levels: [Double] = [
    -1, -0.69619280, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0, 0.07958030, 0.16093020,
    0.24611230, 0.33791524, 0.44070983, 0.56261700, 0.72295684, 1,
  ]
}
