import Basics

/// Where a model's weights come from, under their Hugging Face names and in Hugging Face's layout.
///
/// Whatever the file holds, values are given as f32, dequantised exactly. Reads go through the file in pieces, so that
/// a source costs no more memory than its tables and one piece.
package protocol WeightSource: Sendable {
  /// Every tensor's name, in the order of `ModelConfig.parameters` where the source knows it.
  var names: [String] { get }

  /// (rows, columns) of a matrix, (length) of a vector; nil for a name the source does not have.
  func shape(of name: String) -> [Int]?

  /// Fills `into` with the rows `rows` (nil: all) of the tensor; a vector is one row.
  ///
  /// `into.count` must be the number of rows times the number of columns.
  func read(_ name: String, rows: Range<Int>?, into: UnsafeMutableBufferPointer<Float>) throws(ModelError)
}
