import Basics

/// Keys that several stage kinds have.
extension Key {
  /// The seed of a stage; the file's own unless given.
  static func seed(_ doc: String) -> Key {
    Key("seed", .integer(0...Int.max), default: "${seed}", doc)
  }

  static let device = Key(
    "device", .choice(["auto", "cpu", "cuda"], refused: ["gpu": "say cuda", "mps": "Fettle runs on Linux"]),
    default: "auto", "Where to compute; `auto` takes an NVIDIA card where one can be used, else the processor")

  static let threads = Key(
    "threads", .integer(1...1024), "Threads to compute with; all cores when absent")

  static let memoryBudget = Key(
    "memory_budget", .size(1 << 20...1 << 50), identity: false,
    "Most memory the stage may use, all of it counted; the plan fits into it or the stage is refused before it starts")

  static let chatTemplate = Key(
    "chat_template", .model(.template),
    "`chatml`, a Jinja file, or a model whose template is taken; the model's own when absent")

  /// Why a word that later versions know is refused.
  static let notYet = "it is not available in this version"
}

/// Names in other tools for keys that several stage kinds have.
let sharedAliases = [
  "random_seed": "seed", "num_threads": "threads", "n_threads": "threads", "num_workers": "threads",
  "memory": "memory_budget", "max_memory": "memory_budget", "memory_limit": "memory_budget",
  "template": "chat_template", "prompt_template": "chat_template", "chat_template_path": "chat_template",
]
