import Basics
import CPUBackend
import Models
import Tensors
import Testing

@Suite struct `NF4` {
  private static func quantised(_ values: [Float], rows: Int, columns: Int, pieces: Int) throws -> NF4Quantiser.Contents
  {
    var quantiser = try NF4Quantiser(rows: rows, columns: columns)
    for start in stride(from: 0, to: values.count, by: pieces * columns) {
      let part = Array(values[start..<min(values.count, start + pieces * columns)])
      let result: Result<Void, ModelError> = unsafe part.withUnsafeBufferPointer { buffer in
        Result { () throws(ModelError) in unsafe try quantiser.add(buffer) }
      }
      try result.get()
    }
    return quantiser.contents()
  }

  private static func dequantised(_ contents: NF4Quantiser.Contents, rows: Int, columns: Int) throws -> [Float] {
    var program = Program()
    func add(_ name: String, _ dtype: DType, _ rows: Int, _ columns: Int) -> TensorID {
      program.add(TensorSpec(name: name, dtype: dtype, rows: rows, columns: columns, role: .input))
    }
    let codes = add("codes", .u8, rows, columns / 2)
    let scaleCodes = add("scale codes", .u8, 1, contents.scaleCodes.count)
    let maxima = add("maxima", .f32, 1, contents.scaleMaxima.count)
    let offset = add("offset", .f32, 1, 1)
    let out = add("out", .f32, rows, columns)
    let matrix = QuantisedMatrix(
      codes: program.view(codes), scaleCodes: program.view(scaleCodes), scaleMaxima: program.view(maxima),
      offset: program.view(offset))
    let view = program.view(out)
    program.instructions.append(Instruction(.dequantise(matrix, out: view), phase: .forward))
    let plan = MemoryPlan(program)
    let backend = CPUBackend(threads: 2)
    let loaded = try backend.load(program, plan: plan, in: backend.makeArena(bytes: plan.arenaBytes))
    loaded.write(contents.codes, to: codes)
    loaded.write(contents.scaleCodes, to: scaleCodes)
    loaded.write(contents.scaleMaxima, to: maxima)
    loaded.write([contents.offset], to: offset)
    try loaded.run(StepScalars())
    return loaded.read(out, as: Float.self, initial: 0)
  }

  @Test func `comes back as near as its levels allow, in about 4.127 bits a parameter`() throws {
    let rows = 96
    let columns = 320
    var generator = SeededGenerator(seed: 3)
    let values = (0..<rows * columns).map { _ in
      Float((0..<12).reduce(-6.0) { sum, _ in sum + generator.uniform() }) * 0.02
    }
    let contents = try Self.quantised(values, rows: rows, columns: columns, pieces: 7)
    #expect(try contents == Self.quantised(values, rows: rows, columns: columns, pieces: rows))
    let back = try Self.dequantised(contents, rows: rows, columns: columns)
    var error = 0.0
    for start in stride(from: 0, to: values.count, by: 64) {
      let scale = values[start..<start + 64].reduce(0) { max($0, abs($1)) }
      for index in start..<start + 64 {
        // Half the widest gap between levels, and what the scale's own code is off by.
        #expect(abs(back[index] - values[index]) <= scale * 0.1520 + scale * 0.05)
        error += Double((back[index] - values[index]) * (back[index] - values[index]))
      }
    }
    let deviation = (error / Double(values.count)).squareRoot()
    #expect(deviation < 0.02 * 0.11)
    let bytes = contents.codes.count + contents.scaleCodes.count + 4 * contents.scaleMaxima.count + 4
    #expect(Double(bytes * 8) / Double(values.count) < 4.13)
  }

  @Test func `takes the code of the nearest level`() throws {
    var values = [Float](repeating: 0, count: 64)
    for (place, level) in QuantisedMatrix.levels.enumerated() { values[place] = level * 0.5 }
    // A little above and below the middle between the levels 0 and 0.0796.
    values[20] = 0.5 * 0.0398
    values[21] = 0.5 * 0.0397
    let contents = try Self.quantised(values, rows: 1, columns: 64, pieces: 1)
    #expect(Array(contents.codes[0..<8]) == [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF])
    #expect(contents.codes[10] == 0x87 && contents.codes[11] == 0x77)
    #expect(contents.offset == 0.5)
    let back = try Self.dequantised(contents, rows: 1, columns: 64)
    for index in 0..<16 { #expect(back[index] == values[index]) }
  }

  @Test func `keeps blocks of zeros and refuses what has no code`() throws {
    let contents = try Self.quantised([Float](repeating: 0, count: 128), rows: 1, columns: 128, pieces: 1)
    #expect(try Self.dequantised(contents, rows: 1, columns: 128).allSatisfy { $0 == 0 })
    #expect(throws: ModelError.self) { try NF4Quantiser(rows: 1, columns: 65) }
    #expect(throws: ModelError.self) {
      try Self.quantised([.nan] + [Float](repeating: 0, count: 63), rows: 1, columns: 64, pieces: 1)
    }
  }
}
