import Basics
import Foundation
import Store

/// Computes fingerprints: a cell's settings and the content of all it reads, but no name, time or path.
final class Fingerprinter {
  /// Where an output of a cell comes from: its content's digest, and where that lies.
  typealias OutputFinder = (_ cell: String, _ output: String) throws(RunError) -> Digest

  private let pipeline: Pipeline
  private let project: Project
  private let hooks: RunHooks
  private let cache: FileDigestCache
  private let objects: ObjectStore?
  /// Contents read so far, while one snapshot is taken.
  private var snapshot: [FilePath: Content]?

  init(pipeline: Pipeline, project: Project, hooks: RunHooks, cache: FileDigestCache, objects: ObjectStore?) {
    self.pipeline = pipeline
    self.project = project
    self.hooks = hooks
    self.cache = cache
    self.objects = objects
  }

  /// Computes many fingerprints of one moment: what several cells read is looked at once.
  func withSnapshot<T>(_ body: () throws(RunError) -> T) throws(RunError) -> T {
    snapshot = [:]
    defer { snapshot = nil }
    return try body()
  }

  /// The fingerprint of a cell whose upstream outputs are all known.
  func fingerprint(of cell: StageCell, outputs: OutputFinder) throws(RunError) -> Fingerprint {
    var builder = Builder()
    builder.add("stage", cell.kind.name)
    builder.add("stage version", String(cell.kind.version))
    if !cell.kind.declaresOwn { builder.add("seed", String(cell.seed)) }
    if let device = hooks.device(cell) { builder.add("device", device) }
    try addSettings(cell, cell.identity, prefix: "with", to: &builder, outputs)
    for input in cell.inputs {
      let content = try content(of: input.source, outputs, &builder)
      builder.add("input \(input.name)", content.text(sortedKeys: true))
    }
    for output in cell.outputs {
      builder.add("output \(output.name)", output.kind.rawValue)
    }
    addEnvironment(cell.environment, to: &builder)
    let further = try running { try hooks.furtherFiles(cell, builder.references, project.root) }
    if !further.isEmpty {
      var contents: [JSON] = []
      for path in further { contents.append(JSON(try read(path, &builder).hex)) }
      builder.add(cell.kind.declaresOwn ? "scripts it runs" : "files named by its files", JSON.array(contents).text())
    }
    if let id = cell.forecast, let target = pipeline[id] {
      builder.add("machine", hooks.machine())
      // What is no identity of the forecast stage still decides its memory and speed.
      try addSettings(target, .object(target.with), prefix: "forecast.with", to: &builder, outputs, isForecast: true)
      if let device = hooks.device(target) { builder.add("forecast.device", device) }
      if let input = target.inputs.first(where: { $0.name == "validation" }) {
        try addForecast(input, to: &builder, outputs)
      }
    }
    return Fingerprint(
      kind: cell.kind.name, parts: builder.parts, witnesses: builder.witnesses, references: builder.references)
  }

  /// Declared variables with their values; of secrets only that they are seen.
  private func addEnvironment(_ environment: DeclaredEnvironment, to builder: inout Builder) {
    for name in environment.names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
      let value = unsafe getenv(name).map { unsafe String(cString: $0) }
      builder.add("environment \(name)", value.map { JSON($0).text() } ?? "unset")
    }
    for name in environment.secrets.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
      builder.add("secret \(name)", "seen")
    }
  }

  private struct Builder {
    var parts: [FingerprintRecord.Part] = []
    var witnesses: [Fingerprint.Witness] = []
    var references: [AttemptSpec.ReferencedFiles] = []

    mutating func add(_ name: String, _ value: String) {
      parts.append(FingerprintRecord.Part(name: name, value: value))
    }
  }

  /// Adds one part for each key of `settings`, references replaced by the digests of their content.
  private func addSettings(
    _ cell: StageCell, _ settings: JSON, prefix: String, to builder: inout Builder, _ outputs: OutputFinder,
    isForecast: Bool = false
  ) throws(RunError) {
    var settings = settings
    for reference in cell.references {
      guard settings.value(at: reference.place) != nil else {
        if !isForecast { builder.references.append(AttemptSpec.ReferencedFiles(reference, paths: [])) }
        continue
      }
      let content: JSON
      do {
        content = try self.content(of: reference, outputs, &builder, isForecast: isForecast)
      } catch {
        throw placed(error, cell, reference)
      }
      settings = settings.replacing(at: reference.place, with: content)
    }
    let members = (settings.object?.members ?? []).sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    for (key, value) in members { builder.add("\(prefix).\(key)", value.text(sortedKeys: true)) }
  }

  /// Adds an input of the stage that is forecast: its content, or that it was not known before the dry run.
  private func addForecast(
    _ input: CellInput, to builder: inout Builder, _ outputs: OutputFinder
  ) throws(RunError) {
    var known = true
    if case .output(let cell, let output) = input.source {
      do { _ = try outputs(cell, output) } catch { known = false }
    }
    let content: JSON = known ? try content(of: input.source, outputs, &builder) : ["output": JSON(input.name)]
    builder.add("forecast.input \(input.name)", content.text(sortedKeys: true))
  }

  private func placed(_ error: RunError, _ cell: StageCell, _ reference: Reference) -> RunError {
    var error = error
    let line = "line \(reference.position.line), column \(reference.position.column)"
    error.problem.place = "\(cell.id), \(line)" + (error.problem.place.map { ": \($0)" } ?? "")
    return error
  }

  /// What stands for a reference in the fingerprint; remembers which files it led to.
  private func content(
    of reference: Reference, _ outputs: OutputFinder, _ builder: inout Builder, isForecast: Bool
  ) throws(RunError) -> JSON {
    var paths: [FilePath] = []
    let content: JSON
    switch reference.target {
    case .path(let text):
      paths = [FilePath(text)]
      content = try literal(FilePath(text), isData: reference.role == nil, &builder)
    case .glob(let pattern):
      let pattern = FilePath(pattern)
      if try running({ try Glob.isLiteral(pattern, in: project.root) }) {
        // A file whose name looks like a pattern.
        paths = [pattern]
        content = try literal(pattern, isData: reference.role == nil, &builder)
      } else {
        paths = try running { try Glob.files(pattern, in: project.root) }
        guard !paths.isEmpty else {
          throw RunError(
            "no file matches the pattern", value: pattern.display, remedy: "check the pattern and the folder")
        }
        content = ["contents": try contents(of: paths, &builder)]
      }
    case .model(let name):
      content = try model(name, &builder)
    case .builtIn(let name):
      content = ["built_in": JSON(name)]
    case .output(let cell, let output):
      let digest: Digest
      do {
        digest = try outputs(cell, output)
      } catch {
        // What comes after the dry run can not be known to it.
        guard isForecast else { throw error }
        return ["output": JSON(output)]
      }
      if let path = objects?.path(digest) { paths = [project.relative(path)] }
      content = ["content": JSON(digest.hex)]
    }
    if !isForecast { builder.references.append(AttemptSpec.ReferencedFiles(reference, paths: paths)) }
    return content
  }

  /// A file or folder by its content; the name of a data file also tells its format.
  private func literal(_ path: FilePath, isData: Bool, _ builder: inout Builder) throws(RunError) -> JSON {
    let digest = JSON(try read(path, &builder).hex)
    return isData ? ["content": digest, "format": JSON(Fingerprinter.formatHint(path))] : ["content": digest]
  }

  /// The files that a pattern matches, in an order that names do not decide: renaming them changes no result.
  private func contents(of paths: [FilePath], _ builder: inout Builder) throws(RunError) -> JSON {
    var files: [String] = []
    for path in paths { files.append("\(try read(path, &builder).hex) \(Fingerprinter.formatHint(path))") }
    return .array(files.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { JSON($0) })
  }

  /// The ending of a file's name, small, with the one before it where the first tells how the file is packed.
  static func formatHint(_ path: FilePath) -> String {
    let ending = path.fileExtension
    guard ["gz", "bz2", "xz", "zst", "lz4", "lzma", "z"].contains(ending) else { return ending }
    let inner = FilePath(bytes: Array(path.bytes.dropLast(ending.utf8.count + 1))).fileExtension
    return inner.isEmpty ? ending : "\(inner).\(ending)"
  }

  private func content(
    of source: CellInput.Source, _ outputs: OutputFinder, _ builder: inout Builder
  ) throws(RunError) -> JSON {
    switch source {
    case .output(let cell, let output): ["content": JSON(try outputs(cell, output).hex)]
    case .file(let path): ["content": JSON(try read(FilePath(path), &builder).hex)]
    case .model(let name): try model(name, &builder)
    }
  }

  private func model(_ name: String, _ builder: inout Builder) throws(RunError) -> JSON {
    switch try running({ try hooks.model(name) }) {
    case .name(let identity): ["model": JSON(identity)]
    case .path(let path): ["content": JSON(try read(path, &builder).hex)]
    }
  }

  private func read(_ path: FilePath, _ builder: inout Builder) throws(RunError) -> Digest {
    let place = project.root.appending(path)
    let content: Content
    if let known = snapshot?[place] {
      content = known
    } else {
      content = try running { try Content.read(place, cache: cache) }
      snapshot?[place] = content
    }
    for entry in content.entries where entry.digest != nil {
      let file = entry.path.bytes.isEmpty ? place : place.appending(entry.path)
      builder.witnesses.append(Fingerprint.Witness(path: file, status: entry.status))
    }
    return content.digest
  }
}

extension AttemptSpec.ReferencedFiles {
  init(_ reference: Reference, paths: [FilePath]) {
    self.init(place: reference.place, text: reference.text, paths: paths)
  }
}
