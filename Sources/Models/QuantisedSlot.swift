import Tensors

/// Where one Hugging Face matrix lies in NF4: parts of the tensors that its fused layer's codes and scales fill.
package struct QuantisedSlot: Sendable {
  /// "model.layers.0.self_attn.q_proj.weight".
  package let name: String
  /// (rows, columns).
  package let shape: [Int]
  package let matrix: QuantisedMatrix

  /// Adds the tensors of a fused layer whose `parts` have so many rows each, and returns that of the codes.
  ///
  /// Every part has scales and an offset of its own, as it would alone.
  static func add(
    _ name: String, parts: [(name: String, rows: Int)], columns: Int, to program: inout Program
  ) -> (codes: TensorID, slots: [QuantisedSlot]) {
    let counts = parts.map { NF4Quantiser.counts(rows: $0.rows, columns: columns) }
    func tensor(_ suffix: String, _ dtype: DType, _ rows: Int, _ columns: Int) -> TensorView {
      let id = program.add(
        TensorSpec(name: name + suffix, dtype: dtype, rows: rows, columns: columns, role: .weight))
      return program.view(id)
    }
    let codes = tensor("", .u8, parts.reduce(0) { $0 + $1.rows }, columns / 2)
    let scaleCodes = tensor(".scales", .u8, 1, counts.reduce(0) { $0 + $1.scaleCodes })
    let maxima = tensor(".scale_maxima", .f32, 1, counts.reduce(0) { $0 + $1.scaleMaxima })
    let offsets = tensor(".scale_offsets", .f32, 1, parts.count)
    var start = (rows: 0, scales: 0, maxima: 0)
    var slots: [QuantisedSlot] = []
    for (index, (part, count)) in zip(parts, counts).enumerated() {
      slots.append(
        QuantisedSlot(
          name: part.name, shape: [part.rows, columns],
          matrix: QuantisedMatrix(
            codes: codes.rows(start.rows..<start.rows + part.rows),
            scaleCodes: scaleCodes.columns(start.scales..<start.scales + count.scaleCodes),
            scaleMaxima: maxima.columns(start.maxima..<start.maxima + count.scaleMaxima),
            offset: offsets.columns(index..<index + 1))))
      start.rows += part.rows
      start.scales += count.scaleCodes
      start.maxima += count.scaleMaxima
    }
    return (codes.tensor, slots)
  }

  /// The matrix's tensors, codes first.
  package var tensors: [TensorID] { matrix.views.map(\.tensor) }
}

extension NF4Quantiser {
  /// The quantised contents of a matrix of `source`, read in pieces.
  package static func contents(
    of name: String, shape: [Int], from source: any WeightSource
  ) throws(ModelError) -> Contents {
    guard shape.count == 2 else { throw ModelError("only matrices are quantised", value: name) }
    var quantiser = try NF4Quantiser(rows: shape[0], columns: shape[1])
    let step = max(1, WeightPieces.bytes / max(1, shape[1] * MemoryLayout<Float>.stride))
    let piece = UnsafeMutableBufferPointer<Float>.allocate(capacity: min(step, shape[0]) * shape[1])
    defer { unsafe piece.deallocate() }
    for start in stride(from: 0, to: shape[0], by: step) {
      let rows = start..<min(start + step, shape[0])
      let part = unsafe UnsafeMutableBufferPointer(rebasing: piece[..<(rows.count * shape[1])])
      unsafe try source.read(name, rows: rows, into: part)
      unsafe try quantiser.add(UnsafeBufferPointer(part))
    }
    return quantiser.contents()
  }
}

extension LoadedProgram {
  /// Quantises the matrices of `source` into their slots, one at a time.
  package func loadQuantised(from source: any WeightSource, into slots: [QuantisedSlot]) throws(ModelError) {
    for slot in slots {
      guard let shape = source.shape(of: slot.name), shape == slot.shape else {
        throw ModelError(
          "the model's files lack the weight \(slot.name) of shape \(slot.shape)",
          remedy: "check that the files are complete and belong to the configuration")
      }
      let contents: NF4Quantiser.Contents
      do {
        contents = try NF4Quantiser.contents(of: slot.name, shape: shape, from: source)
      } catch {
        var problem = error.problem
        problem.place = problem.place ?? slot.name
        throw ModelError(problem)
      }
      try copy(contents.codes, to: slot.matrix.codes)
      try copy(contents.scaleCodes, to: slot.matrix.scaleCodes)
      try copy(contents.scaleMaxima, to: slot.matrix.scaleMaxima)
      try copy([contents.offset], to: slot.matrix.offset)
    }
  }

  /// Fills a contiguous view.
  private func copy<T: BitwiseCopyable>(_ values: [T], to view: TensorView) throws(ModelError) {
    let result: Result<Void, TensorError> = unsafe values.withUnsafeBytes { bytes in
      Result { () throws(TensorError) in
        unsafe try copyIn(bytes, to: view.tensor, at: view.offset * MemoryLayout<T>.stride)
      }
    }
    do { try result.get() } catch { throw ModelError(error.problem) }
  }
}
