import Tensors

/// The adapters of one layer, whose weight may hold several Hugging Face weights.
package struct LayerAdapter: Sendable {
  /// Indices into `DecoderParameters.tensors`: A of all parts below each other (n·r, M), B likewise (rows of all
  /// adapted parts, r).
  let a: Int
  let b: Int
  /// Columns of the layer's output that each part adds to.
  let parts: [Range<Int>]
  /// The layer's place among those with adapters.
  let index: Int

  /// Rows of B that belong to each part.
  var rowsOfB: [Range<Int>] {
    var start = 0
    return parts.map { part in
      defer { start += part.count }
      return start..<start + part.count
    }
  }
}

/// Names what an adapter keeps of a forward pass.
struct AdapterPlace: Hashable {
  let microBatch: Int?
  let layer: Int
}

extension DecoderEmitter {
  /// out (T,N) += scale · (dropout(x)·Aᵀ)·Bᵀ where the layer of `weight` has an adapter.
  mutating func adapt(_ x: TensorView, _ weight: Int, out: TensorView) {
    guard let adapter = parameters.adapters[weight], let options = parameters.adapterOptions else { return }
    let name = adapterName(adapter)
    let hidden = tensor(name + ".hidden", x.rows, adapter.parts.count * options.rank)
    let input = dropped(x, adapter, name: name + ".dropped")
    emit(
      .gemm(
        a: input, transposeA: false, b: self.weight(adapter.a), transposeB: true, c: hidden, accumulate: false,
        bias: nil))
    if options.scale != 1 { emit(.scale(hidden, factor: Float(options.scale))) }
    for (part, (columns, rows)) in zip(adapter.parts, adapter.rowsOfB).enumerated() {
      emit(
        .gemm(
          a: hidden.columns(ranks(part, options)), transposeA: false, b: self.weight(adapter.b).rows(rows),
          transposeB: true, c: out.columns(columns), accumulate: true, bias: nil))
    }
    adapterHidden[AdapterPlace(microBatch: microBatch, layer: weight)] = hidden
  }

  /// Gradients of `adapt`: those of A and B are set by the first micro-batch and grow with the others; that of x is
  /// added to xGradient, which nil leaves out.
  ///
  /// The dropped input is made again instead of kept.
  mutating func adaptBackward(_ x: TensorView, _ weight: Int, outGradient: TensorView, xGradient: TensorView?) {
    guard let adapter = parameters.adapters[weight], let options = parameters.adapterOptions,
      let hidden = adapterHidden[AdapterPlace(microBatch: microBatch, layer: weight)],
      let aGradient = gradient(adapter.a), let bGradient = gradient(adapter.b)
    else { return }
    let name = adapterName(adapter)
    let hiddenGradient = tensor(name + ".hidden.gradient", x.rows, hidden.columns, role: .activationGradient)
    for (part, (columns, rows)) in zip(adapter.parts, adapter.rowsOfB).enumerated() {
      let slope = outGradient.columns(columns)
      let ranks = ranks(part, options)
      emit(
        .gemm(
          a: slope, transposeA: true, b: hidden.columns(ranks), transposeB: false, c: bGradient.rows(rows),
          accumulate: microBatch != 0, bias: nil))
      emit(
        .gemm(
          a: slope, transposeA: false, b: self.weight(adapter.b).rows(rows), transposeB: false,
          c: hiddenGradient.columns(ranks), accumulate: false, bias: nil))
    }
    if options.scale != 1 { emit(.scale(hiddenGradient, factor: Float(options.scale))) }
    let input = dropped(x, adapter, name: name + ".dropped.again")
    emit(
      .gemm(
        a: hiddenGradient, transposeA: true, b: input, transposeB: false, c: aGradient, accumulate: microBatch != 0,
        bias: nil))
    guard let xGradient else { return }
    guard dropsOut, options.dropout > 0 else {
      return emit(
        .gemm(
          a: hiddenGradient, transposeA: false, b: self.weight(adapter.a), transposeB: false, c: xGradient,
          accumulate: true, bias: nil))
    }
    let through = tensor(name + ".dropped.gradient", x.rows, x.columns, role: .activationGradient)
    emit(
      .gemm(
        a: hiddenGradient, transposeA: false, b: self.weight(adapter.a), transposeB: false, c: through,
        accumulate: false, bias: nil))
    emit(.dropout(x: through, out: through, rate: options.dropout, stream: dropoutStream(adapter)))
    emit(.add(a: xGradient, b: through, out: xGradient))
  }

  /// x as the adapter takes it: with elements left out in training.
  private mutating func dropped(_ x: TensorView, _ adapter: LayerAdapter, name: String) -> TensorView {
    guard dropsOut, let rate = parameters.adapterOptions?.dropout, rate > 0 else { return x }
    let out = tensor(name, x.rows, x.columns)
    emit(.dropout(x: x, out: out, rate: rate, stream: dropoutStream(adapter)))
    return out
  }

  /// Every layer of every micro-batch has random numbers of its own.
  private func dropoutStream(_ adapter: LayerAdapter) -> Int {
    (microBatch ?? 0) * parameters.adapters.count + adapter.index
  }

  private func ranks(_ part: Int, _ options: AdapterOptions) -> Range<Int> {
    part * options.rank..<(part + 1) * options.rank
  }

  private func adapterName(_ adapter: LayerAdapter) -> String { "adapter\(adapter.index)" }
}
