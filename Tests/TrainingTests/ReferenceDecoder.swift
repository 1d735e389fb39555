import Foundation
import Models
import Training

/// A decoder's loss in double precision, written as plainly as possible: the oracle for gradients.
struct ReferenceDecoder {
  let config: ModelConfig
  private var weights: [String: [Double]] = [:]
  private let adapter: AdapterOptions?

  /// With an `adapter` its weights come from `adapters`.
  init(
    _ config: ModelConfig, _ source: some WeightSource, adapter: AdapterOptions? = nil,
    adapters: (any WeightSource)? = nil
  ) {
    self.config = config
    self.adapter = adapter
    for parameter in config.parameters { read(parameter, from: source) }
    if let adapter, let adapters {
      for parameter in config.adapterParameters(adapter) { read(parameter, from: adapters) }
    }
  }

  private mutating func read(_ parameter: ModelConfig.Parameter, from source: any WeightSource) {
    var values = [Float](repeating: 0, count: parameter.count)
    unsafe values.withUnsafeMutableBufferPointer { unsafe try? source.read(parameter.name, rows: nil, into: $0) }
    weights[parameter.name] = values.map(Double.init)
  }

  /// The central difference of the loss in one number of one weight.
  mutating func slope(of name: String, at index: Int, _ examples: [TrainingExample]) -> Double {
    let step = 1e-4
    let value = weights[name]?[index] ?? 0
    weights[name]?[index] = value + step
    let above = loss(examples)
    weights[name]?[index] = value - step
    let below = loss(examples)
    weights[name]?[index] = value
    return (above - below) / (2 * step)
  }

  /// Mean loss over all targets of single-segment examples.
  func loss(_ examples: [TrainingExample]) -> Double {
    var sum = 0.0
    var count = 0
    for example in examples {
      let logits = forward(example.ids.map(Int.init))
      for place in 1..<example.ids.count where example.isTarget[place] {
        let row = logits[place - 1]
        let peak = row.max() ?? 0
        sum += log(row.reduce(0) { $0 + exp($1 - peak) }) + peak - row[Int(example.ids[place])]
        count += 1
      }
    }
    return sum / Double(count)
  }

  private func weight(_ name: String) -> [Double] { weights[name] ?? [] }

  private func linear(_ x: [[Double]], _ name: String) -> [[Double]] {
    let plain = product(x, name)
    guard let adapter, weights[name + ".lora_A.weight"] != nil else { return plain }
    let added = product(product(x, name + ".lora_A"), name + ".lora_B")
    return zip(plain, added).map { zip($0, $1).map { $0 + adapter.scale * $1 } }
  }

  private func product(_ x: [[Double]], _ name: String) -> [[Double]] {
    let matrix = weight(name + ".weight")
    let bias = weights[name + ".bias"]
    return x.map { row in
      (0..<matrix.count / row.count).map { out in
        var sum = bias?[out] ?? 0
        for (column, value) in row.enumerated() { sum += matrix[out * row.count + column] * value }
        return sum
      }
    }
  }

  private func norm(_ x: [[Double]], _ name: String) -> [[Double]] {
    let scale = weight(name + ".weight")
    return x.map { row in
      let inverse = 1 / (row.reduce(0) { $0 + $1 * $1 } / Double(row.count) + config.rmsNormEpsilon).squareRoot()
      return zip(row, scale).map { $0 * inverse * $1 }
    }
  }

  private func rotated(_ x: [[Double]], heads: Int) -> [[Double]] {
    let half = config.headDimension / 2
    let frequencies = config.rotaryFrequencies().frequencies
    return x.enumerated().map { position, row in
      var result = row
      for head in 0..<heads {
        for pair in 0..<half {
          let (a, b) = (head * 2 * half + pair, head * 2 * half + half + pair)
          let angle = Double(position) * frequencies[pair]
          result[a] = row[a] * cos(angle) - row[b] * sin(angle)
          result[b] = row[b] * cos(angle) + row[a] * sin(angle)
        }
      }
      return result
    }
  }

  private func attention(_ q: [[Double]], _ k: [[Double]], _ v: [[Double]]) -> [[Double]] {
    let width = config.headDimension
    let group = config.headCount / config.keyValueHeadCount
    return q.indices.map { token in
      let first = config.slidingWindow.map { max(0, token - $0 + 1) } ?? 0
      return (0..<config.headCount).flatMap { head -> [Double] in
        let shared = head / group * width
        let scores = (first...token).map { other in
          (0..<width).reduce(0.0) { $0 + q[token][head * width + $1] * k[other][shared + $1] }
            / Double(width).squareRoot()
        }
        let peak = scores.max() ?? 0
        let shares = scores.map { exp($0 - peak) }
        let total = shares.reduce(0, +)
        return (0..<width).map { column in
          zip(first...token, shares).reduce(0.0) { $0 + v[$1.0][shared + column] * $1.1 } / total
        }
      }
    }
  }

  private func forward(_ ids: [Int]) -> [[Double]] {
    let table = weight("model.embed_tokens.weight")
    let width = config.hiddenSize
    var x = ids.map { Array(table[$0 * width..<($0 + 1) * width]) }
    func added(_ a: [[Double]], _ b: [[Double]]) -> [[Double]] { zip(a, b).map { zip($0, $1).map(+) } }
    for layer in 0..<config.layerCount {
      let prefix = "model.layers.\(layer)."
      let n = norm(x, prefix + "input_layernorm")
      let q = rotated(linear(n, prefix + "self_attn.q_proj"), heads: config.headCount)
      let k = rotated(linear(n, prefix + "self_attn.k_proj"), heads: config.keyValueHeadCount)
      let v = linear(n, prefix + "self_attn.v_proj")
      x = added(x, linear(attention(q, k, v), prefix + "self_attn.o_proj"))
      let m = norm(x, prefix + "post_attention_layernorm")
      let gate = linear(m, prefix + "mlp.gate_proj")
      let up = linear(m, prefix + "mlp.up_proj")
      let activated = zip(gate, up).map { zip($0, $1).map { $0 / (1 + exp(-$0)) * $1 } }
      x = added(x, linear(activated, prefix + "mlp.down_proj"))
    }
    let last = norm(x, "model.norm")
    return linear(last, config.tieWordEmbeddings ? "model.embed_tokens" : "lm_head")
  }
}
