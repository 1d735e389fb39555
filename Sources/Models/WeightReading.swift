import Basics

/// The shared part of sources that keep tensors in files: checked requests, pieces, decoding.
enum WeightReading {
  /// Bytes read from a file at once.
  static let pieceBytes = 1 << 22

  /// Checks a request against a tensor's shape and gives the rows it means.
  static func rows(
    _ name: String, shape: [Int]?, rows: Range<Int>?, count: Int
  ) throws(ModelError) -> (rows: Range<Int>, columns: Int) {
    guard let shape else { throw ModelError("the model has no tensor of this name", value: name) }
    let (all, columns) = shape.count == 2 ? (shape[0], shape[1]) : (1, shape.first ?? 1)
    let wanted = rows ?? 0..<all
    guard wanted.lowerBound >= 0, wanted.upperBound <= all, wanted.count * columns == count else {
      throw ModelError(
        "a read of tensor \(name) does not fit its shape", value: "rows \(wanted), \(count) numbers, shape \(shape)")
    }
    return (wanted, columns)
  }

  /// Decodes `target.count` numbers that begin at byte `offset` of the file, a piece at a time.
  static func read(
    _ file: File, at offset: Int, format: NumberFormat, into target: UnsafeMutableBufferPointer<Float>, name: String
  ) throws(ModelError) {
    if format == .f32 {
      return unsafe try fill(file, at: offset, UnsafeMutableRawBufferPointer(target), name: name)
    }
    let block = format.block
    let elements = max(1, pieceBytes / block.bytes) * block.elements
    let size = min(format.byteCount(of: target.count), elements / block.elements * block.bytes)
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: max(size, 1), alignment: 64)
    defer { unsafe piece.deallocate() }
    var done = 0
    while done < target.count {
      let count = min(elements, target.count - done)
      let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: piece[..<format.byteCount(of: count)])
      unsafe try fill(file, at: offset + format.byteCount(of: done), bytes, name: name)
      let out = unsafe UnsafeMutableBufferPointer(rebasing: target[done..<done + count])
      unsafe format.decode(UnsafeRawBufferPointer(bytes), into: out)
      done += count
    }
  }

  /// Reads exactly `target.count` bytes at `offset`.
  static func fill(
    _ file: File, at offset: Int, _ target: UnsafeMutableRawBufferPointer, name: String
  ) throws(ModelError) {
    let count: Int
    do { count = unsafe try file.read(into: target, at: offset) } catch { throw ModelError(error.problem) }
    guard count == target.count else {
      throw ModelError(
        "the file is shorter than when it was opened: tensor \(name) needs \(target.count) bytes at \(offset)",
        at: file.path.display, value: "\(count) bytes read")
    }
  }
}

/// A table that compares what a file holds with what its configuration asks for.
enum WeightTable {
  /// Throws an error that names every missing, unexpected and misshapen tensor (the first few of each).
  ///
  /// `found` are the file's tensors under canonical names; `spelled` gives the name in the file.
  static func check(
    found: [(name: String, shape: [Int])], expected: [ModelConfig.Parameter], place: String,
    spelled: (String) -> String = { $0 }
  ) throws(ModelError) {
    let shapes = Dictionary(found.map { ($0.name, $0.shape) }) { first, _ in first }
    let wanted = Dictionary(expected.map { ($0.name, $0.shape) }) { first, _ in first }
    var missing: [String] = []
    var misshapen: [String] = []
    for parameter in expected {
      guard let shape = shapes[parameter.name] else {
        missing.append(spelled(parameter.name))
        continue
      }
      if shape != parameter.shape {
        misshapen.append("\(spelled(parameter.name)) is \(shape), the configuration says \(parameter.shape)")
      }
    }
    let extra = found.filter { wanted[$0.name] == nil }.map { spelled($0.name) }
    var faults: [String] = []
    for (what, names) in [("missing", missing), ("unexpected", extra), ("wrong shape", misshapen)] where !names.isEmpty
    {
      let more = names.count > 4 ? " and \(names.count - 4) more" : ""
      faults.append("\(what): \(names.prefix(4).map { Problem.shortened($0) }.joined(separator: ", "))\(more)")
    }
    guard faults.isEmpty else {
      throw ModelError(
        "the weights do not fit the configuration: " + faults.joined(separator: "; "), at: place,
        remedy: "check that the configuration and the weights are of the same model")
    }
  }
}
