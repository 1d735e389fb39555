import Tensors

/// Where one Hugging Face weight lies in a program's tensors: the bridge between weight files and fused tensors.
package struct WeightSlot: Sendable, Equatable {
  /// The Hugging Face name: "model.layers.0.self_attn.q_proj.weight".
  package let name: String
  /// The shape as Hugging Face states it: two dimensions for matrices, one for norms and biases.
  package let shape: [Int]
  /// The weight's rows in its tensor; always contiguous, so row r begins at `view.offset + r * view.columns`.
  package let view: TensorView

  package init(name: String, shape: [Int], view: TensorView) {
    self.name = name
    self.shape = shape
    self.view = view
  }

  /// Bytes of the weight as f32.
  package var bytes: Int { view.count * MemoryLayout<Float>.stride }

  /// The same place in another tensor of the same shape: the weight's gradient or a state of it.
  package func moved(to tensor: TensorID) -> WeightSlot {
    var view = view
    view.tensor = tensor
    return WeightSlot(name: name, shape: shape, view: view)
  }
}

extension LoadedProgram {
  /// Fills every slot from `source`, in pieces of a few megabytes.
  ///
  /// Throws when the source lacks a weight or has it in another shape.
  package func loadWeights(
    from source: any WeightSource, into slots: [WeightSlot], progress: (Int, Int) -> Void = { _, _ in }
  ) throws(ModelError) {
    for slot in slots {
      guard let shape = source.shape(of: slot.name) else {
        throw ModelError("the model's files lack the weight \(slot.name)", remedy: "check that the files are complete")
      }
      guard shape == slot.shape else {
        throw ModelError(
          "the weight \(slot.name) has the shape \(shape), its configuration asks for \(slot.shape)",
          remedy: "use the config.json that belongs to these weights")
      }
    }
    var buffer = [Float](repeating: 0, count: slots.map { WeightPieces.largest($0) }.max() ?? 0)
    for (done, slot) in slots.enumerated() {
      for rows in WeightPieces.rows(slot) {
        let count = rows.count * slot.view.columns
        let result: Result<Void, ModelError> = unsafe buffer.withUnsafeMutableBufferPointer { whole in
          let piece = unsafe UnsafeMutableBufferPointer(rebasing: whole[..<count])
          return Result { () throws(ModelError) -> Void in
            unsafe try source.read(slot.name, rows: slot.shape.count == 2 ? rows : nil, into: piece)
            do throws(TensorError) {
              unsafe try self.writeRows(rows, of: slot, from: piece)
            } catch {
              throw ModelError(error.problem)
            }
          }
        }
        try result.get()
      }
      progress(done + 1, slots.count)
    }
  }

  /// Copies rows of a weight in, rounded to nearest even where the tensor is bf16.
  private func writeRows(
    _ rows: Range<Int>, of slot: WeightSlot, from source: UnsafeMutableBufferPointer<Float>
  ) throws(TensorError) {
    let dtype = program[slot.view.tensor].dtype
    let place = slot.byteOffset(row: rows.lowerBound, dtype)
    guard dtype == .bf16 else {
      return unsafe try copyIn(UnsafeRawBufferPointer(source), to: slot.view.tensor, at: place)
    }
    let halves = unsafe source.map { NumberFormat.bf16($0) }
    let outcome: Result<Void, TensorError> = unsafe halves.withUnsafeBytes { bytes in
      Result { () throws(TensorError) in unsafe try copyIn(bytes, to: slot.view.tensor, at: place) }
    }
    try outcome.get()
  }

  /// Copies rows of a weight (or of its gradient or state) out as f32; `destination` holds `rows.count` times the
  /// columns.
  package func readRows(
    _ rows: Range<Int>, of slot: WeightSlot, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(TensorError) {
    precondition(destination.count == rows.count * slot.view.columns && rows.upperBound <= slot.view.rows)
    let dtype = program[slot.view.tensor].dtype
    let place = slot.byteOffset(row: rows.lowerBound, dtype)
    guard dtype == .bf16 else {
      return unsafe try copyOut(slot.view.tensor, at: place, into: UnsafeMutableRawBufferPointer(destination))
    }
    var halves = [UInt16](repeating: 0, count: destination.count)
    let outcome: Result<Void, TensorError> = unsafe halves.withUnsafeMutableBytes { bytes in
      Result { () throws(TensorError) in unsafe try copyOut(slot.view.tensor, at: place, into: bytes) }
    }
    try outcome.get()
    for index in halves.indices {
      unsafe destination[index] = Float(bitPattern: UInt32(halves[index]) << 16)
    }
  }

  /// All values of a weight or its gradient.
  package func values(of slot: WeightSlot) throws(TensorError) -> [Float] {
    var result = [Float](repeating: 0, count: slot.view.count)
    let outcome: Result<Void, TensorError> = unsafe result.withUnsafeMutableBufferPointer { buffer in
      Result { () throws(TensorError) in unsafe try readRows(0..<slot.view.rows, of: slot, into: buffer) }
    }
    try outcome.get()
    return result
  }
}

extension WeightSlot {
  /// Byte offset of a row in the slot's tensor, of elements of `dtype`.
  package func byteOffset(row: Int, _ dtype: DType = .f32) -> Int {
    (view.offset + row * view.stride) * dtype.size
  }
}

/// Cuts weights into pieces of rows that are copied at a time.
package enum WeightPieces {
  /// Bytes of a piece, at most, unless a single row is larger.
  package static let bytes = 4 << 20

  /// The row ranges of a slot's pieces, in order.
  package static func rows(_ slot: WeightSlot) -> [Range<Int>] {
    let step = rowsOfPiece(slot)
    return stride(from: 0, to: slot.view.rows, by: step).map { $0..<min($0 + step, slot.view.rows) }
  }

  /// Elements of the slot's largest piece.
  package static func largest(_ slot: WeightSlot) -> Int {
    min(rowsOfPiece(slot), slot.view.rows) * slot.view.columns
  }

  private static func rowsOfPiece(_ slot: WeightSlot) -> Int {
    max(1, bytes / max(1, slot.view.columns * MemoryLayout<Float>.stride))
  }
}
