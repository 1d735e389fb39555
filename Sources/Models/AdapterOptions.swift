import Basics

/// Low-rank adapters (Hu et al., "LoRA", 2021): beside a frozen matrix W (N,M) stand the trained A (r,M) and B (N,r), and
/// the layer gives x·Wᵀ + scale · (dropout(x)·Aᵀ)·Bᵀ.
///
/// The parts of one fused layer (q, k and v; gate and up) have adapters of their own, but share one dropout of their
/// common input.
package struct AdapterOptions: Sendable, Equatable {
  /// A layer that can have an adapter, by the last part of its Hugging Face name.
  package enum Module: String, Sendable, CaseIterable {
    case query = "q_proj"
    case key = "k_proj"
    case value = "v_proj"
    case output = "o_proj"
    case gate = "gate_proj"
    case up = "up_proj"
    case down = "down_proj"

    /// The layer's name in a block: "self_attn.q_proj".
    var path: String {
      switch self {
      case .query, .key, .value, .output: "self_attn." + rawValue
      case .gate, .up, .down: "mlp." + rawValue
      }
    }
  }

  /// `lora_r`: rows of A.
  package var rank: Int
  /// `lora_alpha`.
  package var alpha: Double
  /// `lora_dropout`: share of the adapter's input that is left out in training.
  package var dropout: Double
  /// `lora_target_modules`, in the order of `Module`.
  package private(set) var modules: [Module]
  /// `use_rslora`: scale by alpha / sqrt(r) (Kalajdzievski, 2023) instead of alpha / r.
  package var isRankStabilised: Bool

  package init(
    rank: Int, alpha: Double, dropout: Double = 0, modules: Set<Module> = Set(Module.allCases),
    isRankStabilised: Bool = false
  ) {
    self.rank = rank
    self.alpha = alpha
    self.dropout = dropout
    self.modules = Module.allCases.filter { modules.contains($0) }
    self.isRankStabilised = isRankStabilised
  }

  /// The factor on an adapter's output.
  package var scale: Double { alpha / (isRankStabilised ? Double(rank).squareRoot() : Double(rank)) }
}

extension ModelConfig {
  /// The weights of adapters, block by block in the order of `parameters`, A before B.
  package func adapterParameters(_ options: AdapterOptions) -> [Parameter] {
    let modules = options.modules.map { ($0, "." + $0.path + ".weight") }
    return parameters.flatMap { parameter -> [Parameter] in
      guard modules.contains(where: { parameter.name.hasSuffix($0.1) }) else { return [] }
      return [
        Parameter(AdapterName.a(of: parameter.name), [options.rank, parameter.columns]),
        Parameter(AdapterName.b(of: parameter.name), [parameter.rows, options.rank]),
      ]
    }
  }
}

/// How the weights of adapters are called here; files put `base_model.model.` in front, as PEFT does.
enum AdapterName {
  /// "model.layers.0.self_attn.q_proj.lora_A.weight" of "model.layers.0.self_attn.q_proj.weight".
  static func a(of weight: String) -> String { layer(weight) + ".lora_A.weight" }
  static func b(of weight: String) -> String { layer(weight) + ".lora_B.weight" }

  private static func layer(_ weight: String) -> String { String(weight.dropLast(".weight".utf8.count)) }
}

/// What adapters are before the first update, as PEFT has it: A uniform in ±1/sqrt(columns) (He et al.'s initialisation
/// with a = sqrt 5), B zero. Number i of a weight is a pure function of seed, name and i.
package struct InitialAdapters: WeightSource {
  private let shapes: [String: [Int]]
  private let seed: UInt64
  package let names: [String]

  package init(config: ModelConfig, options: AdapterOptions, seed: UInt64) {
    let parameters = config.adapterParameters(options)
    names = parameters.map(\.name)
    shapes = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.shape) })
    self.seed = seed
  }

  package func shape(of name: String) -> [Int]? { shapes[name] }

  package func read(
    _ name: String, rows: Range<Int>?, into target: UnsafeMutableBufferPointer<Float>
  ) throws(ModelError) {
    let request = try WeightReading.rows(name, shape: shapes[name], rows: rows, count: target.count)
    guard name.hasSuffix(".lora_A.weight") else { return unsafe target.update(repeating: 0) }
    let bound = 1 / Double(max(request.columns, 1)).squareRoot()
    let stream = UInt64(Digest(of: name).hex.prefix(16), radix: 16) ?? 0
    let philox = Philox(seed: seed)
    let first = request.rows.lowerBound * request.columns
    for index in target.indices {
      let words = philox.words(stream: stream, counter: UInt64((first + index) / 4))
      let uniform = (Double(words[(first + index) % 4]) + 0.5) * 0x1p-32
      unsafe target[index] = Float((2 * uniform - 1) * bound)
    }
  }
}
