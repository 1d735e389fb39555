import Basics

extension StageKind {
  package static let tokenize = StageKind(
    name: "tokenize", version: 1,
    doc: "Turns rows into token shards with loss masks, packed to a sequence length",
    with: KeyTable(
      [
        Key(
          "tokenizer", .model(.tokenizer), required: true, "The tokenizer: a model, a tokenizer's folder, or `bytes`"),
        .chatTemplate,
        Key("max_seq_length", .integer(2...1 << 24), default: 1024, "Most tokens in a sequence"),
        Key("packing", .bool, default: false, "Put several examples into one sequence; they never see each other"),
        Key(
          "train_on", .choice(["assistant", "all", "completion"]), default: "assistant",
          "Whose words are trained: the assistant's and its end of turn, all tokens, or the last answer only"),
        Key(
          "overlong", .choice(["drop", "cut"]), default: "drop",
          "What happens to an example longer than `max_seq_length`; dropped ones are counted"),
      ],
      aliases: sharedAliases.merging(
        [
          "sequence_len": "max_seq_length", "sequence_length": "max_seq_length", "max_length": "max_seq_length",
          "cutoff_len": "max_seq_length", "block_size": "max_seq_length", "seq_len": "max_seq_length",
          "seq_length": "max_seq_length", "max_seq_len": "max_seq_length", "context_length": "max_seq_length",
          "sample_packing": "packing", "pack": "packing", "pack_sequences": "packing", "group_texts": "packing",
          "tokenizer_name": "tokenizer", "tokenizer_name_or_path": "tokenizer", "model": "tokenizer",
          "train_on_inputs": "train_on", "assistant_only_loss": "train_on", "completion_only_loss": "train_on",
          "mask_prompt": "train_on", "train_on_prompt": "train_on", "truncation": "overlong", "truncate": "overlong",
        ], uniquingKeysWith: { first, _ in first })),
    inputs: [
      Input(name: "rows", kind: .rows, required: true, takesReferences: false, doc: "The rows to train on"),
      Input(name: "validation", kind: .rows, required: false, takesReferences: false, doc: "The rows held out"),
    ],
    outputs: [
      Output(name: "train", kind: .tokens, doc: "Token shards of `rows`"),
      Output(name: "validation", kind: .tokens, doc: "Token shards of `validation`", needsInput: "validation"),
    ])
}
