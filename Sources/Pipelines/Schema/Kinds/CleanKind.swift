import Basics

extension StageKind {
  package static let clean = StageKind(
    name: "clean", version: 1,
    doc: "Reads data sets, cleans and splits their rows, and keeps every dropped or edited row with its reason",
    with: KeyTable(
      [
        Key("sources", .list(.table(CleanKeys.source)), required: true, "What to read, in this order"),
        Key(
          "steps", .list(.one(CleanKeys.steps), count: 0...1000), default: [], "What to do with the rows, in this order"
        ),
        Key("split", .table(CleanKeys.split), "How many rows to hold out; without it there is no `validation`"),
        .seed("Seeds the split and the sketches of near duplicates"),
        Key("expect", .expectations, identity: false, "Limits on the stage's metrics, as beside `with`"),
      ],
      aliases: sharedAliases.merging(
        [
          "source": "sources", "data": "sources", "datasets": "sources", "dataset": "sources", "inputs": "sources",
          "files": "sources", "step": "steps", "filters": "steps", "transforms": "steps", "val_size": "split",
          "val_set_size": "split", "test_size": "split", "validation_split": "split", "dataset_path": "sources",
        ], uniquingKeysWith: { first, _ in first })),
    inputs: [],
    outputs: [
      Output(name: "train", kind: .rows, doc: "The kept rows, less what is held out"),
      Output(name: "validation", kind: .rows, doc: "The rows held out by `split`", needsKey: "split"),
      Output(name: "ledger", kind: .ledger, doc: "Every dropped or edited row: step, reason, source, before and after"),
    ])
}

/// The keys inside `clean`.
enum CleanKeys {
  static let source = KeyTable(
    [
      Key("path", .paths, required: true, "A file, folder or glob, or a list of them; archives are opened"),
      Key(
        "format",
        .choice(["json", "jsonl", "csv", "tsv", "txt"], refused: ["parquet": Key.notYet, "text": "write txt"]),
        "The format; found by content when absent"),
      Key(
        "fields", .map(.string), "Which field of the source holds which part: `{prompt: question, completion: answer}`"),
      Key("encoding", .string, "The text encoding; found by content when absent"),
      Key("limit", .integer(1...Int.max), "Read at most so many rows"),
    ],
    aliases: [
      "file": "path", "files": "path", "data_files": "path", "url": "path", "type": "format", "ds_type": "format",
      "columns": "fields", "field": "fields", "mapping": "fields", "max_rows": "limit", "max_samples": "limit",
    ])

  static let steps = KeyTable(
    [
      Key("normalize", .table(normalize), "Rewrites text without changing what it says"),
      Key("require", .table(require), "Drops rows that are not what they should be"),
      Key("drop_if", .table(dropIf), "Drops rows by measure or content"),
      Key("dedup", .table(dedup), "Keeps one of each set of equal or nearly equal rows"),
      Key("decontaminate", .table(decontaminate), "Drops rows that repeat evaluation items"),
    ],
    aliases: [
      "normalise": "normalize", "filter": "require", "drop": "drop_if", "remove_if": "drop_if",
      "deduplicate": "dedup", "deduplication": "dedup", "decontamination": "decontaminate",
    ])

  static let normalize = KeyTable(
    [
      Key("unicode", .choice(["none", "nfc", "nfkc"]), default: "nfc", "The Unicode normal form to bring text to"),
      Key(
        "whitespace", .bool, default: false,
        "Unify line ends, trim ends of lines and texts, and shorten runs of blank lines"),
      Key("control", .bool, default: false, "Remove control and zero-width characters"),
    ],
    aliases: ["form": "unicode", "unicode_form": "unicode", "strip": "whitespace", "trim": "whitespace"])

  static let require = KeyTable([
    Key("roles_alternate", .bool, default: false, "User and assistant take turns, the assistant speaks last"),
    Key("non_empty", .bool, default: false, "No message, prompt, completion or text is empty or white space"),
    Key("no_placeholder", .bool, default: false, "No answer is a stand-in such as `TODO`, `N/A` or `<answer>`"),
    Key("no_control_tokens", .bool, default: false, "No text holds a model's control token such as `<|im_end|>`"),
    Key("language", .list(.string, count: 1...100), "The languages a row may be in, by code"),
  ])

  static let dropIf = KeyTable(
    [
      Key("chars_below", .integer(1...Int.max), "Fewer characters than this in the whole row"),
      Key("chars_above", .integer(1...Int.max), "More characters than this in the whole row"),
      Key("words_below", .integer(1...Int.max), "Fewer words than this in the whole row"),
      Key("words_above", .integer(1...Int.max), "More words than this in the whole row"),
      Key("turns_below", .integer(1...Int.max), "Fewer messages than this"),
      Key("turns_above", .integer(1...Int.max), "More messages than this"),
      Key(
        "repetition_above", .number(NumberRange(0, 1)), "A larger share of repeated lines or words than this"),
      Key("contains", .list(.string, count: 1...10_000), "Any of these texts, compared by bytes"),
    ],
    aliases: [
      "min_length": "chars_below", "min_chars": "chars_below", "max_length": "chars_above", "max_chars": "chars_above",
      "min_words": "words_below", "max_words": "words_above", "length_below": "chars_below",
    ])

  static let dedup = KeyTable(
    [
      Key("method", .choice(["exact", "minhash"]), default: "exact", "Equal rows only, or nearly equal ones too"),
      Key(
        "threshold", .number(NumberRange(0, 1, above: true)), default: JSON(0.8),
        "For minhash: the share of common n-grams from which two rows are one"),
      Key("ngram", .integer(1...100), default: 5, "For minhash: words in an n-gram"),
      Key("permutations", .integer(16...4096), default: 128, "For minhash: size of a row's sketch"),
      Key("on", .choice(["row", "prompt", "completion"]), default: "row", "The part of a row that is compared"),
    ],
    aliases: [
      "similarity": "threshold", "jaccard": "threshold", "n": "ngram", "ngrams": "ngram", "ngram_size": "ngram",
      "num_perm": "permutations", "key": "on", "field": "on",
    ])

  static let decontaminate = KeyTable(
    [
      Key("against", .paths, required: true, "Files with the evaluation items, or globs of them"),
      Key("ngram", .integer(1...100), default: 13, "Words in a row that, when shared, give a row away"),
    ], aliases: ["n": "ngram", "ngrams": "ngram", "with": "against", "eval": "against", "files": "against"])

  static let split = KeyTable(
    [
      Key(
        "validation", .number(NumberRange(0, 1, above: true, below: true)), required: true,
        "The share of rows to hold out"),
      Key(
        "by", .choice(["row", "cluster"]), default: "cluster",
        "What is held out as a whole: single rows, or clusters of near duplicates, so that no twin leaks"),
      .seed("Seeds the choice"),
    ],
    aliases: [
      "val": "validation", "valid": "validation", "test": "validation", "test_size": "validation",
      "val_size": "validation", "val_set_size": "validation", "random_state": "seed", "group_by": "by",
    ])
}
