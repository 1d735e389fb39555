import Basics

extension StageKind {
  package static let dryRun = StageKind(
    name: "dry-run", version: 1,
    doc: "Climbs from small and short to the real size, and forecasts memory and hours of a finetune stage",
    with: KeyTable(
      [
        Key("ladder", .list(.table(rung), count: 1...100), required: true, "What to try, smallest first"),
        Key(
          "forecast", .stage(kind: "finetune"), required: true, identity: false,
          "The stage whose memory and hours are forecast; its settings count, not its name"),
        Key(
          "require", .table(limits), identity: false,
          "What the forecast must keep to; judged again without measuring again"),
        .seed("Seeds the weights of presets and the choice of batches"), .device, .threads,
      ],
      aliases: sharedAliases.merging(
        ["steps": "ladder", "rungs": "ladder", "for": "forecast", "target": "forecast", "limits": "require"],
        uniquingKeysWith: { first, _ in first })),
    inputs: [
      Input(name: "tokens", kind: .tokens, required: true, takesReferences: false, doc: "The tokens to rehearse on")
    ],
    outputs: [Output(name: "forecast", kind: .forecast, doc: "What was measured, and the forecast made of it")])

  private static let rung = KeyTable(
    [
      Key("model", .model(.model), required: true, "The model of this rung"),
      Key("max_seq_length", .integer(2...1 << 24), "Longest sequence of this rung; as tokenized when absent"),
      Key("steps", .integer(1...10_000), default: 3, "Optimizer steps to run, each of one micro-batch"),
      Key(
        "batches", .choice(["first", "longest"]), default: "first",
        "Which sequences to take: in the data's order, or the longest"),
    ],
    aliases: [
      "max_steps": "steps", "sequence_len": "max_seq_length", "max_length": "max_seq_length",
      "length": "max_seq_length",
      "base_model": "model",
    ])

  private static let limits = KeyTable(
    [
      Key("peak_memory", .size(1 << 20...1 << 50), identity: false, "Most memory the stage may need"),
      Key("hours", .number(NumberRange(0, 1e6, above: true)), identity: false, "Most hours the stage may take"),
    ], aliases: ["memory": "peak_memory", "max_memory": "peak_memory", "time": "hours", "max_hours": "hours"])
}
