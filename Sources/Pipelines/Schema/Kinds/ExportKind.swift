import Basics

extension StageKind {
  package static let export = StageKind(
    name: "export", version: 1,
    doc: "Writes a model in a form that other tools load",
    with: KeyTable(
      [
        Key(
          "format", .choice(["huggingface"], refused: ["gguf": Key.notYet, "hf": "write huggingface"]),
          default: "huggingface", "The form: a Hugging Face folder with configuration, weights and tokenizer"),
        Key(
          "dtype",
          .choice(
            ["float32", "float16", "bfloat16"],
            refused: [
              "f32": "write float32", "f16": "write float16", "fp16": "write float16", "bf16": "write bfloat16",
            ]),
          default: "float32", "The type of the weights in the files"),
        Key(
          "merge", .bool,
          "Of a model with an adapter: add the adapter to the weights (as when absent), or write it alone, as PEFT has "
            + "it"),
        Key("max_shard_size", .size(1 << 20...1 << 50), default: 5_000_000_000, "Largest size of one weight file"),
      ],
      aliases: sharedAliases.merging(
        [
          "type": "format", "torch_dtype": "dtype", "precision": "dtype", "shard_size": "max_shard_size",
          "merge_adapter": "merge", "merge_and_unload": "merge", "merge_lora": "merge",
        ],
        uniquingKeysWith: { first, _ in first })),
    inputs: [
      Input(name: "model", kind: .model, required: true, takesReferences: true, doc: "The model to write")
    ],
    outputs: [Output(name: "files", kind: .files, doc: "The folder")])
}
