import Basics
import Models

extension WeightSource {
  /// A whole tensor, or some of its rows.
  func values(_ name: String, rows: Range<Int>? = nil) throws -> [Float] {
    guard let shape = self.shape(of: name) else { throw ModelError("no tensor", value: name) }
    let columns = shape.count == 2 ? shape[1] : shape[0]
    let count = (rows?.count ?? (shape.count == 2 ? shape[0] : 1)) * columns
    var result = [Float](repeating: .nan, count: count)
    let done: Result<Void, ModelError> = unsafe result.withUnsafeMutableBufferPointer { buffer in
      Result { () throws(ModelError) -> Void in unsafe try self.read(name, rows: rows, into: buffer) }
    }
    try done.get()
    return result
  }
}

/// The bits of numbers, so that NaN and the sign of zero count.
func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

/// What an action throws, in words; "" when it throws nothing.
func problem(_ action: () throws -> Void) -> String {
  do {
    try action()
    return ""
  } catch { return "\(error)" }
}
