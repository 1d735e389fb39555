import Basics
import Foundation

extension ModelReference.HubModel {
  /// The longest that one file may take, and how long a transfer may stand still.
  private static let seconds = 24 * 3600.0

  private static let manifest = "fettle-manifest.json"
  /// Files a model may do without.
  private static let optional = [
    "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
    "special_tokens_map.json",
  ]

  var text: String { "hf:\(organisation)/\(name)@\(revision)" }

  /// The model's folder in the cache. A folder that was fetched whole is used without the network as long as its bytes
  /// are those that were fetched; a broken transfer goes on where it stopped.
  func resolve(cache root: FilePath, progress: ProgressHandler?) throws(ModelError) -> FilePath {
    let folder = folder(in: root)
    do {
      if try isWhole(folder) { return folder }
      try Files.makeFolder(folder)
      // One process fetches, others wait; the lock dies with its process.
      let lock = try File(folder.appending(".lock"), flags: O_RDWR | O_CREAT)
      while flock(lock.descriptor, LOCK_EX) != 0, errno == EINTR {}
      if try isWhole(folder) { return folder }
      try fetch(into: folder, progress: progress)
    } catch let error as ModelError { throw error } catch let error as any FettleError {
      throw ModelError(error.problem)
    } catch { throw ModelError("\(error)") }
    return folder
  }

  private func folder(in root: FilePath) -> FilePath {
    let escaped = revision.split(separator: "/").joined(separator: "%2F")
    return root.appending("hf").appending(organisation).appending(name).appending(escaped)
  }

  // MARK: What is there

  /// Whether the revision is a commit and not a branch or tag, which may come to mean something else.
  package var isPinned: Bool { revision.utf8.count == 40 && revision.allSatisfy { $0.isASCII && $0.isHexDigit } }

  /// The list of the fetched files with their digests, which stands for their content; nil while they are not fetched.
  package func cachedManifest(cache root: FilePath) -> FilePath? {
    let path = folder(in: root).appending(Self.manifest)
    return Files.exists(path) ? path : nil
  }

  /// Whether the manifest is there and every file has the size and the digest it says; a wrong file is removed.
  private func isWhole(_ folder: FilePath) throws -> Bool {
    let path = folder.appending(Self.manifest)
    guard Files.exists(path) else { return false }
    var whole = true
    for (name, entry) in try ModelFiles.json(path).object?.members ?? [] {
      let file = folder.appending(name)
      let status = try Files.status(file)
      if status?.size == entry["size"]?.int, try Files.digest(file).hex == entry["sha256"]?.string { continue }
      try Files.remove(file)
      whole = false
    }
    if !whole { try Files.remove(path) }
    return whole
  }

  private func fetch(into folder: FilePath, progress: ProgressHandler?) throws {
    try fetchRequired("config.json", into: folder, progress: progress)
    for name in Self.optional { _ = try fetchFile(name, into: folder, progress: progress) }
    var names = ["config.json"] + Self.optional.filter { Files.exists(folder.appending($0)) }
    if try fetchFile("model.safetensors", into: folder, progress: progress) {
      names.append("model.safetensors")
    } else {
      let index = "model.safetensors.index.json"
      try fetchRequired(index, into: folder, progress: progress)
      names.append(index)
      for shard in try shards(of: folder.appending(index)) {
        try fetchRequired(shard, into: folder, progress: progress)
        names.append(shard)
      }
    }
    var members: [(key: String, value: JSON)] = []
    for name in names {
      let path = folder.appending(name)
      let size = try Files.status(path)?.size ?? 0
      members.append((name, ["size": JSON(size), "sha256": JSON(try Files.digest(path).hex)]))
    }
    try Files.writeAtomically(
      JSON.object(JSON.Object(members)).encoded(pretty: true), to: folder.appending(Self.manifest))
  }

  private func shards(of index: FilePath) throws(ModelError) -> [String] {
    let map = try ModelFiles.json(index)["weight_map"]?.object?.members ?? []
    let names = Set(map.compactMap(\.value.string)).sorted()
    guard !names.isEmpty, names.count <= 4096,
      names.allSatisfy({ $0.hasSuffix(".safetensors") && !$0.contains("/") && !$0.hasPrefix(".") && !$0.hasPrefix("-") }
      )
    else { throw ModelError("the index names no shards, or names that are no shards", at: index.display) }
    return names
  }

  // MARK: One file

  private func fetchRequired(_ name: String, into folder: FilePath, progress: ProgressHandler?) throws {
    guard try fetchFile(name, into: folder, progress: progress) else {
      throw ModelError(
        "the repository has no \(name), or does not exist, or is not public", at: text, value: address(name),
        remedy: "check organisation, name and revision; a model that asks for a login must be downloaded by hand and "
          + "given as a path")
    }
  }

  /// Fetches a file unless it is there; false when the repository does not have it.
  private func fetchFile(_ name: String, into folder: FilePath, progress: ProgressHandler?) throws -> Bool {
    let target = folder.appending(name)
    if Files.exists(target) { return true }
    let partial = folder.appending(name + ".partial")
    let headers = folder.appending(name + ".headers")
    let log = folder.appending(name + ".log")
    defer { for path in [headers, log] { try? Files.remove(path) } }
    let program = ModelReferenceProgram(arguments: [
      "curl", "--silent", "--show-error", "--location", "--fail", "--continue-at", "-",
      "--connect-timeout", "30", "--speed-limit", "1", "--speed-time", "60", "--proto",
      address(name).hasPrefix("http:") ? "=http,https" : "=https",
      "--dump-header", headers, "--output", partial, FilePath(address(name)),
    ])
    var outcome: ModelReferenceProgram.Outcome
    var before: Int
    repeat {
      before = Self.size(partial)
      outcome = try program.run(log: log, seconds: Self.seconds) {
        let event = ProgressEvent(unit: "byte", done: Self.size(partial), total: Self.facts(headers).size)
        return progress?(event) != .stop
      }
      // A transfer that broke after it got further goes on at once.
    } while outcome.isBroken && Self.size(partial) > before
    let facts = Self.facts(headers)
    switch outcome {
    case .absent:
      throw ModelError(
        "there is no curl on this machine to fetch the model with", at: text,
        remedy: "install it (apt install curl), or give the path of a copy of the model")
    case .stopped: throw ModelError("stopped while the model was fetched; the next run goes on from there", at: text)
    case .tooLong: throw ModelError("the transfer took longer than a day", at: address(name))
    case .ended(0, _): break
    case .ended(22, _) where facts.status == 404 || facts.status == 401 || facts.status == 403: return false
    // The partial file is whole already: there is no byte left to ask for.
    case .ended(22, _) where facts.status == 416: break
    case .ended(let status, let lines):
      throw ModelError(
        "curl could not fetch the file (exit status \(status)): \(Problem.shortened(lines, limit: 400))",
        at: address(name), remedy: "check the network and run again; the transfer goes on where it stopped")
    }
    try accept(partial, as: target, facts)
    return true
  }

  private static func size(_ path: FilePath) -> Int { ((try? Files.status(path)) ?? nil)?.size ?? 0 }

  /// Gives the fetched file its name once its size (and its digest, where the hub tells it) is right.
  private func accept(_ partial: FilePath, as target: FilePath, _ facts: Facts) throws {
    if !Files.exists(partial) { try Files.writeAtomically([], to: partial) }
    let size = try Files.status(partial)?.size ?? 0
    if let expected = facts.size, expected != size {
      if size > expected { try Files.remove(partial) }
      throw ModelError(
        "the transfer ended with \(size) of \(expected) bytes", at: target.display, remedy: "run again; it goes on")
    }
    if let expected = facts.digest {
      let found = try Files.digest(partial)
      guard found == expected else {
        try Files.remove(partial)
        throw ModelError(
          "the file's digest is not the hub's", at: target.display, value: "sha256=\(found)",
          remedy: "the hub says sha256=\(expected); run again to fetch it anew")
      }
    }
    let file = try File(reading: partial)
    try file.synchronise()
    try Files.rename(partial, to: target)
    try Files.synchroniseFolder(target.parent)
  }

  private func address(_ file: String) -> String {
    let hub = ProcessInfo.processInfo.environment["HF_ENDPOINT"] ?? "https://huggingface.co"
    let base = hub.hasSuffix("/") ? String(hub.dropLast()) : hub
    return "\(base)/\(organisation)/\(name)/resolve/\(revision)/\(file)"
  }

  /// What the headers of a transfer tell.
  private struct Facts {
    /// Status of the last answer.
    var status = 0
    /// The whole file's size.
    var size: Int?
    /// The hub names large files by their SHA-256.
    var digest: Digest?
  }

  private static func facts(_ headers: FilePath) -> Facts {
    var facts = Facts()
    let text = (try? Files.read(headers, limit: 1 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    for line in text.split(whereSeparator: \.isNewline) {
      if line.hasPrefix("HTTP/") {
        facts.status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        continue
      }
      guard let colon = line.firstIndex(of: ":") else { continue }
      let value = line[line.index(after: colon)...].filter { $0 != " " && $0 != "\"" }
      switch line[..<colon].lowercased() {
      case "x-linked-size": facts.size = Int(value)
      case "x-linked-etag": facts.digest = Digest(hex: value)
      case "content-range": facts.size = value.split(separator: "/").last.flatMap { Int($0) } ?? facts.size
      case "content-length" where facts.status == 200: facts.size = facts.size ?? Int(value)
      default: break
      }
    }
    return facts
  }
}

extension ModelReferenceProgram.Outcome {
  /// Whether curl's transfer broke off in the middle: a partial file, a time-out, a reset connection.
  fileprivate var isBroken: Bool {
    if case .ended(let status, _) = self { [18, 28, 55, 56, 92].contains(status) } else { false }
  }
}
