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
      model: { name in
        guard let model = unpinned(name), let manifest = model.cachedManifest(cache: ModelCache.folder) else {
          return .name(name)
        }
        return .path(manifest)
      },
      fetch: { name, progress in
        guard let model = unpinned(name), model.cachedManifest(cache: ModelCache.folder) == nil else { return }
        _ = try ModelReference.hub(model).resolve(cache: ModelCache.folder, progress: progress)
      },
      furtherFiles: { cell, references, root in
        if cell.kind.name == "command" { return CommandScripts.files(in: cell.with["run"]?.string ?? "", root: root) }
        let bases = try baseFiles(cell, references, root)
        guard cell.kind.name == "evaluate" else { return bases }
        let tasks = references.filter { $0.place.first == .key("tasks") }.flatMap(\.paths)
        return try bases + tasks.flatMap { try TaskFile.dataFiles(of: root.appending($0)) }
      },
      device: { cell in ["finetune", "evaluate"].contains(cell.kind.name) ? Device(cell.with).kind : nil })
  }

  /// The files of the base models of adapters that a stage names by their folders: they are part of what it reads.
  private static func baseFiles(
    _ cell: StageCell, _ references: [AttemptSpec.ReferencedFiles], _ root: FilePath
  ) throws -> [FilePath] {
    var folders = references.map { FilePath($0.text) }
    for input in cell.inputs {
      if case .file(let path) = input.source { folders.append(FilePath(path)) }
    }
    return try folders.filter { AdapterFiles.isAdapter(root.appending($0)) }.flatMap { folder -> [FilePath] in
      let base = try ModelReference.base(of: try AdapterFiles(root.appending(folder)), root: root)
      guard case .path(let path) = base else { return [] }
      return try ModelFiles.open(root.appending(path)).contentFiles
    }
  }

  /// The model at the hub that a reference means, where its revision is a branch or tag and may move.
  private static func unpinned(_ name: String) -> ModelReference.HubModel? {
    guard case .hub(let model)? = try? ModelReference.parse(name), !model.isPinned else { return nil }
    return model
  }
}
