import CCUDA
import Tensors

/// How attention's columns divide into heads, and which scores count.
struct HeadCounts {
  let heads: Int
  let keyValueHeads: Int
  let dimension: Int
  let scale: Float
  /// A token sees at most this many last tokens, itself included; 0 for all.
  let window: Int
  /// Scores become cap * tanh(score / cap); 0 for none.
  let softCap: Float

  /// Query heads that share a key-value head.
  var group: Int { heads / keyValueHeads }

  init(
    width: Int, heads: Int, keyValueHeads: Int, scale: Float, window: Int?, softCap: Float?, _ resolver: DeviceResolver
  ) throws(TensorError) {
    try resolver.require(
      heads > 0 && keyValueHeads > 0 && heads % keyValueHeads == 0,
      "the number of query heads must be a multiple of the key-value heads", "\(heads) and \(keyValueHeads)")
    try resolver.require(width > 0 && width % heads == 0, "q must hold \(heads) heads", "\(width) columns")
    if let window { try resolver.require(window > 0, "the attention window must be at least 1", "\(window)") }
    if let softCap { try resolver.require(softCap > 0, "the soft cap must be above 0", "\(softCap)") }
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    dimension = width / heads
    self.scale = scale
    self.window = min(window ?? 0, Int(Int32.max))
    self.softCap = softCap ?? 0
  }
}

/// Attention over packed segments, forward and backward.
extension LaunchCompiler {
  mutating func attention(_ o: AttentionOperands) throws(TensorError) -> [Launch] {
    let parts = try AttentionMatrices(o, resolver)
    guard parts.q.count > 0 else { return [] }
    if isFlash(parts, []) { return try flash(parts, o.segments) }
    let dimension = parts.shape.dimension
    var arguments = Arguments()
    for matrix in [parts.q, parts.k, parts.v, parts.out, parts.logSumExp, parts.segments] { arguments.add(matrix) }
    addHeads(&arguments, parts)
    addFaults(&arguments, IndexColumns("segment", o.segments, below: 0))
    return [
      try kernel(
        "attention.cu", "attention", attentionMacros(parts), grid: ((parts.tokens + 7) / 8, parts.shape.heads),
        shared: (8 * dimension + 64 * (dimension | 1)) * 4, arguments)
    ]
  }

  mutating func attentionBackward(
    _ o: AttentionOperands, _ outGradient: TensorView, _ qGradient: TensorView, _ kGradient: TensorView,
    _ vGradient: TensorView, _ delta: TensorView
  ) throws(TensorError) -> [Launch] {
    let parts = try AttentionMatrices(o, resolver)
    let (q, k, shape) = (parts.q, parts.k, parts.shape)
    let slope = try resolver.floats(outGradient, "outGradient", rows: q.rows, columns: q.columns, like: q)
    let dq = try resolver.floats(qGradient, "qGradient", rows: q.rows, columns: q.columns, like: q)
    let dk = try resolver.floats(kGradient, "kGradient", rows: k.rows, columns: k.columns, like: q)
    let dv = try resolver.floats(vGradient, "vGradient", rows: k.rows, columns: k.columns, like: q)
    let sums = try resolver.matrix(delta, "delta", [.f32], rows: q.rows, columns: shape.heads)
    guard q.count > 0 else { return [] }
    if isFlash(parts, [slope, dq, dk, dv]) {
      return try flashBackward(parts, o.segments, slope: slope, dq: dq, dk: dk, dv: dv, delta: sums)
    }
    let macros = attentionMacros(parts)
    var first = Arguments()
    for matrix in [parts.out, slope, sums] { first.add(matrix) }
    first.add(Int32(parts.tokens))
    first.add(Int32(shape.heads))
    var second = Arguments()
    var third = Arguments()
    for matrix in [q, k, parts.v, parts.logSumExp, parts.segments, slope, sums] {
      second.add(matrix)
      third.add(matrix)
    }
    second.add(dq)
    third.add(dk)
    third.add(dv)
    addHeads(&second, parts)
    addHeads(&third, parts)
    addFaults(&second, IndexColumns("segment", o.segments, below: 0))
    addFaults(&third, IndexColumns("segment", o.segments, below: 0))
    let shared = (16 * shape.dimension + 64 * (shape.dimension | 1)) * 4
    let blocks = (parts.tokens + 7) / 8
    return [
      try kernel(
        "attention.cu", "attention_delta", macros, grid: ((parts.tokens * shape.heads + 7) / 8, 1), first),
      try kernel("attention.cu", "attention_q_backward", macros, grid: (blocks, shape.heads), shared: shared, second),
      try kernel(
        "attention.cu", "attention_kv_backward", macros, grid: (blocks, shape.keyValueHeads), shared: shared, third),
    ]
  }

  private func attentionMacros(_ parts: AttentionMatrices) -> [String] {
    [Self.type("X", parts.q.dtype), "D=\(parts.shape.dimension)", "VEC=1"]
  }

  /// The kernels' `Heads`.
  func addHeads(_ arguments: inout Arguments, _ parts: AttentionMatrices) {
    arguments.add(Int32(parts.tokens))
    arguments.add(Int32(parts.shape.group))
    arguments.add(Int32(parts.shape.window))
    arguments.add(parts.shape.scale)
    arguments.add(parts.shape.softCap)
  }
}

/// The operands of attention, checked.
struct AttentionMatrices {
  let q: DeviceMatrix
  let k: DeviceMatrix
  let v: DeviceMatrix
  let out: DeviceMatrix
  let logSumExp: DeviceMatrix
  let segments: DeviceMatrix
  let shape: HeadCounts

  init(_ o: AttentionOperands, _ resolver: DeviceResolver) throws(TensorError) {
    q = try resolver.floats(o.q, "q")
    shape = try HeadCounts(
      width: q.columns, heads: o.heads, keyValueHeads: o.keyValueHeads, scale: o.scale, window: o.window,
      softCap: o.softCap, resolver)
    try resolver.require(
      shape.dimension == o.headDimension, "q's columns must be heads x head dimension", "\(q.columns)")
    let width = o.keyValueHeads * o.headDimension
    k = try resolver.floats(o.k, "k", rows: q.rows, columns: width, like: q)
    v = try resolver.floats(o.v, "v", rows: q.rows, columns: width, like: q)
    out = try resolver.floats(o.out, "out", rows: q.rows, columns: q.columns, like: q)
    logSumExp = try resolver.matrix(o.logSumExp, "logSumExp", [.f32], rows: q.rows, columns: o.heads)
    segments = try resolver.integers(o.segments, "segments", rows: q.rows)
  }

  var tokens: Int { q.rows }
}
