import Basics
import CPUBackend
import Pipelines
import Stages
import Training

extension Command {
  static let bench = Command(
    name: "bench", abstract: "Measures full fine-tuning of a model on given token ids", positionals: [],
    options: [
      .value("model", "M", "a model folder, a .gguf file, hf:…, pypi:… or preset:NAME"),
      .value("ids", "FILE", "a JSON array of token ids, or an object with 'token_ids' (default: seeded ids)"),
      .value("sequence", "N", "tokens of an update (default: 512)"),
      .value("steps", "N", "updates that are measured (default: 5)"),
      .value("warmup", "N", "updates before them (default: 2)"),
      .value("threads", "N", "threads to use (default: all cores)"),
      .flag("gradient-checkpointing", "recompute every block"),
      .flag("profile", "also seconds and calls by operation"),
    ], isHidden: true,
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let model = try OpenedModel(try invocation.required("model"), root: try Project(invocation).root)
      let backend = try Device.cpu(try invocation.whole("threads", in: 1...1024))
      backend.isProfiling = invocation.has("profile")
      let report = try TrainingBenchmark.run(
        config: model.files.config, weights: model.files.weights,
        ids: try ids(invocation, vocabularySize: model.files.config.vocabularySize),
        sequence: try invocation.whole("sequence", in: 2...1 << 20) ?? 512,
        steps: try invocation.whole("steps", in: 1...1_000_000) ?? 5,
        warmup: try invocation.whole("warmup", in: 0...1_000_000) ?? 2,
        recompute: invocation.has("gradient-checkpointing") ? .on : .off, backend: backend)
      terminal.print(report)
      if invocation.has("profile") {
        for entry in backend.profile.sorted(by: { $0.seconds > $1.seconds }) {
          terminal.print("\(Quantity.fixed(entry.seconds, 3)) s  \(entry.count) x \(entry.name)")
        }
      }
      return .done
    })

  private static func ids(_ invocation: Invocation, vocabularySize: Int) throws -> [Int32] {
    guard let path = invocation.path("ids") else {
      var random = SeededGenerator(seed: 1)
      return (0..<16384).map { _ in Int32(random.below(vocabularySize)) }
    }
    let json = try JSONParser.parse(try Files.read(path, limit: 1 << 30))
    return try tokenIDs(json["token_ids"] ?? json)
  }
}
