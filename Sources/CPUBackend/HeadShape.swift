import Tensors

/// How attention's columns divide into heads, and which scores count.
struct HeadShape: Sendable {
  let heads: Int
  let keyValueHeads: Int
  let dimension: Int
  let scale: Float
  /// A token sees at most this many last tokens, itself included.
  let window: Int
  /// Scores become cap * tanh(score / cap); 0 for none.
  let softCap: Float

  /// Query heads that share a key-value head.
  var group: Int { heads / keyValueHeads }

  init(
    width: Int, heads: Int, keyValueHeads: Int, scale: Float, window: Int?, softCap: Float?, _ resolver: ViewResolver
  ) throws(TensorError) {
    try resolver.require(
      heads > 0 && keyValueHeads > 0 && heads % keyValueHeads == 0,
      "the number of query heads must be a multiple of the key-value heads", "\(heads) and \(keyValueHeads)")
    try resolver.require(
      width > 0 && width % heads == 0, "q must hold \(heads) heads", "\(width) columns")
    if let window { try resolver.require(window > 0, "the attention window must be at least 1", "\(window)") }
    if let softCap { try resolver.require(softCap > 0, "the soft cap must be above 0", "\(softCap)") }
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    dimension = width / heads
    self.scale = scale
    self.window = window ?? Int.max
    self.softCap = softCap ?? 0
  }

  /// The columns of query head `head`.
  func query(_ head: Int) -> Range<Int> { head * dimension..<(head + 1) * dimension }
}
