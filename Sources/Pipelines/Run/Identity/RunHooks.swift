import Basics
import Store

/// What the runner must ask the rooms above it: what a model's name stands for, what files a stage reads beyond those
/// its keys name, which machine and device it runs on.
package struct RunHooks: Sendable {
  /// What a model that is no local path is identified by.
  package enum ModelIdentity: Sendable {
    /// Its name says all: a preset, a pinned revision, a digest in it.
    case name(String)
    /// A local copy whose content counts.
    case path(FilePath)
  }

  /// The identity of `hf:…`, `pypi:…` or `preset:…`; must not download.
  package var model: @Sendable (String) throws -> ModelIdentity
  /// Fetches a model whose name does not say all, so that its content can identify it; leaves others alone. A run asks
  /// for it before it looks at identities, a plan never does.
  package var fetch: @Sendable (String, @escaping ProgressHandler) throws -> Void
  /// Files that a cell reads through the files it names (the data of a task file), absolute or relative to the root.
  package var furtherFiles: @Sendable (StageCell, [AttemptSpec.ReferencedFiles], _ root: FilePath) throws -> [FilePath]
  /// The kind of device a cell computes on, where that is part of its identity.
  package var device: @Sendable (StageCell) -> String?
  /// What a dry run's measurements hold for.
  package var machine: @Sendable () -> String

  package init(
    model: @escaping @Sendable (String) throws -> ModelIdentity = { .name($0) },
    fetch: @escaping @Sendable (String, @escaping ProgressHandler) throws -> Void = { _, _ in },
    furtherFiles:
      @escaping @Sendable (StageCell, [AttemptSpec.ReferencedFiles], FilePath) throws -> [FilePath] = { _, _, _ in [] },
    device: @escaping @Sendable (StageCell) -> String? = { _ in nil },
    machine: @escaping @Sendable () -> String = { Machine.description }
  ) {
    self.model = model
    self.fetch = fetch
    self.furtherFiles = furtherFiles
    self.device = device
    self.machine = machine
  }
}
