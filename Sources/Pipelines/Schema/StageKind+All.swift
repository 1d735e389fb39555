extension StageKind {
  /// Every kind, in the order of a pipeline.
  package static let all: [StageKind] = [clean, tokenize, dryRun, finetune, evaluate, export, command]

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { (Array($0.name.utf8), $0) })

  /// The kind of exactly this name.
  package static func named(_ name: String) -> StageKind? { byName[Array(name.utf8)] }

  /// What other tools call the kinds.
  static let aliases = [
    "train": "finetune", "sft": "finetune", "fine-tune": "finetune", "training": "finetune", "eval": "evaluate",
    "evaluation": "evaluate", "test": "evaluate", "cleaning": "clean", "filter": "clean", "preprocess": "clean",
    "prepare": "clean", "tokenise": "tokenize", "tokenization": "tokenize", "dryrun": "dry-run", "dry_run": "dry-run",
    "rehearse": "dry-run", "run": "command", "shell": "command", "script": "command", "cmd": "command",
  ]

  /// The input of this name.
  package func input(_ name: String) -> Input? { inputs.first { $0.name == name } }
  /// The output of this name.
  package func output(_ name: String) -> Output? { outputs.first { $0.name == name } }
}
