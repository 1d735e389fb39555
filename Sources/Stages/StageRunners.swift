import Basics
import Models
import Pipelines

/// The code of every stage kind by name.
package enum StageRunners {
  package static func runner(_ kind: String) -> (any StageRunner)? {
    switch kind {
    case "clean": CleanStage()
    case "tokenize": TokenizeStage()
    case "dry-run": DryRunStage()
    case "finetune": FinetuneStage()
    case "evaluate": EvaluateStage()
    case "export": ExportStage()
    case "command": CommandStage()
    default: nil
    }
  }
}

/// What the runner asks about models, task files and devices.
package enum StageHooks {
  package static func hooks(root: FilePath) -> RunHooks {
    RunHooks(
      model: { .name($0) },
      furtherFiles: { cell, references, root in
        guard cell.kind.name == "evaluate" else { return [] }
        let tasks = references.filter { $0.place.first == .key("tasks") }.flatMap(\.paths)
        return try tasks.flatMap { try TaskFile.dataFiles(of: root.appending($0)) }
      },
      device: { cell in ["finetune", "evaluate"].contains(cell.kind.name) ? "cpu" : nil })
  }
}
