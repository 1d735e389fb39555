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
      Key("path", .paths, required: true, "A file or glob, or a list of them; archives are opened"),
      Key(
        "format",
        .choice(
          ["json", "jsonl", "json-values", "csv", "tsv", "text"],
          refused: ["parquet": Key.notYet, "txt": "it is called text here", "ndjson": "it is called jsonl here"]),
        "The format, where the content should not decide"),
      Key("encoding", .string, "The character encoding, where it should not be found out"),
      Key("fields", .table(fields), "Which field of the source holds which part, where the known shapes do not fit"),
      Key("text", .table(text), "How plain text becomes rows"),
    ],
    aliases: [
      "file": "path", "files": "path", "data_files": "path", "url": "path", "type": "format", "ds_type": "format",
      "columns": "fields", "field": "fields", "mapping": "fields", "charset": "encoding",
    ])

  /// One shape of rows: `messages`, `prompt` and `completion`, `user` and `assistant`, or `text`.
  private static let fields = KeyTable([
    Key("messages", .string, "The list of messages of a chat"),
    Key("role", .string, "In a message: who speaks"),
    Key("content", .string, "In a message: what is said"),
    Key("roles", .map(.choice(["system", "user", "assistant", "tool"])), "The source's names of the roles"),
    Key("tools", .string, "The tools of a chat"),
    Key("prompt", .string, "The prompt; the row becomes prompt and completion"),
    Key("completion", .string, "The completion"),
    Key("system", .string, "The system message of a chat"),
    Key("user", .string, "The question; the row becomes a chat"),
    Key("input", .string, "What follows the question after a blank line"),
    Key("assistant", .string, "The answer"),
    Key("text", .string, "The text; the row becomes plain text"),
  ])

  private static let text = KeyTable([
    Key(
      "per", .choice(["auto", "file", "line", "paragraph"]), default: "auto",
      "One row a file, line or paragraph; auto: paragraphs where blank lines part them, else lines")
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
      Key("unicode", .choice(["nfc", "nfkc", "none"]), default: "nfc", "The Unicode normal form to bring text to"),
      Key(
        "whitespace", .bool, default: true,
        "Line ends become LF, blanks at both ends go, at most two blank lines stay in a row"),
      Key(
        "control_characters", .choice(["remove", "keep"]), default: "remove",
        "Whether control characters and byte order marks inside texts go"),
    ],
    aliases: ["form": "unicode", "unicode_form": "unicode", "strip": "whitespace", "trim": "whitespace"])

  static let require = KeyTable([
    Key(
      "roles_alternate", .bool, default: true,
      "After a system message user and assistant take turns, and the assistant speaks last"),
    Key("non_empty", .bool, default: true, "No question, answer or text is empty or only white space"),
    Key(
      "no_placeholder", .bool, default: true,
      "No answer or text is a stand-in such as `TODO` or `N/A`, and no `{{name}}` is left unfilled"),
    Key("no_replacement_characters", .bool, default: false, "No U+FFFD, the mark of text that was decoded wrongly"),
    Key("no_control_tokens", .bool, default: false, "No text spells a model's control token such as `<|im_start|>`"),
    Key("max_turns", .integer(1...100_000), "Most user messages of a chat"),
  ])

  static let dropIf = KeyTable(
    [
      Key("chars_below", .integer(0...Int.max), "Fewer characters in all texts together"),
      Key("chars_above", .integer(0...Int.max), "More characters in all texts together"),
      Key("words_below", .integer(0...Int.max), "Fewer words in all texts together"),
      Key("words_above", .integer(0...Int.max), "More words in all texts together"),
      Key("answer_chars_below", .integer(0...Int.max), "Fewer characters in the last answer"),
      Key("answer_chars_above", .integer(0...Int.max), "More characters in the last answer"),
      Key("answer_words_below", .integer(0...Int.max), "Fewer words in the last answer"),
      Key("answer_words_above", .integer(0...Int.max), "More words in the last answer"),
      Key(
        "contains", .list(.string, count: 1...10_000),
        "Any of these texts stands in a row; upper and lower case alike for ASCII letters"),
      Key("non_ascii_ratio_above", .number(NumberRange(0, 1)), "A larger share of characters outside ASCII"),
      Key(
        "repeated_line_ratio_above", .number(NumberRange(0, 1)), "A larger share of lines that repeat an earlier one"),
    ],
    aliases: [
      "min_length": "chars_below", "min_chars": "chars_below", "max_length": "chars_above", "max_chars": "chars_above",
      "min_words": "words_below", "max_words": "words_above", "length_below": "chars_below",
      "length_above": "chars_above", "repetition_above": "repeated_line_ratio_above",
    ])

  private static let minhash = (key: "method", values: ["minhash"])

  static let dedup = KeyTable(
    [
      Key("method", .choice(["exact", "minhash"]), default: "exact", "Rows with the same words, or similar ones too"),
      Key(
        "threshold", .number(NumberRange(0.1, 1)), default: JSON(0.8), onlyWith: minhash,
        "The similarity from which rows are near duplicates; every candidate is verified"),
      Key("ngram", .integer(1...100), default: 5, onlyWith: minhash, "Words in a run"),
      Key("permutations", .integer(16...1024), default: 128, onlyWith: minhash, "Hash functions of a row's sketch"),
      Key("seed", .integer(0...Int.max), default: 1, onlyWith: minhash, "Seeds the hash functions"),
      Key("by", .choice(["all", "prompt"]), default: "all", "What is compared: all texts of a row, or what is asked"),
    ],
    aliases: [
      "similarity": "threshold", "jaccard": "threshold", "n": "ngram", "ngrams": "ngram", "ngram_size": "ngram",
      "num_perm": "permutations", "key": "by", "field": "by", "on": "by",
    ])

  static let decontaminate = KeyTable(
    [
      Key("against", .paths, required: true, "Files with the evaluation items, or globs of them"),
      Key("ngram", .integer(2...100), default: 13, "Words in a run that must not be shared"),
      Key("fields", .list(.string, count: 1...1000), "The items' fields that count; all texts when absent"),
    ], aliases: ["n": "ngram", "ngrams": "ngram", "with": "against", "eval": "against", "files": "against"])

  static let split = KeyTable(
    [
      Key(
        "validation", .number(NumberRange(0, 1e12, above: true)), required: true,
        "The share of rows to hold out, or from 1 on their number"),
      Key(
        "by", .choice(["cluster", "row"]), default: "cluster",
        "What is held out as a whole: clusters of near duplicates, so that no twin leaks, or single rows"),
      .seed("Seeds the choice"),
    ],
    aliases: [
      "val": "validation", "valid": "validation", "test": "validation", "test_size": "validation",
      "val_size": "validation", "val_set_size": "validation", "random_state": "seed", "group_by": "by",
    ])
}
