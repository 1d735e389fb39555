import Basics
import Foundation
import Pipelines
import Store

/// A place in the project that a command writes an output to.
///
/// It is emptied before the command starts, so that a stale file can not pass for a result. Only what Fettle put there
/// is removed: a recorded result, or what an earlier attempt at this output left. Anything else is the user's.
struct CommandOutput {
  let name: String
  /// With links resolved, but for the last name.
  let place: FilePath
  private let text: String
  private let cell: String
  private let cache: CacheFolder

  /// Checks that the place lies in the project and touches nothing the stage reads.
  init(_ output: AttemptSpec.Output, _ context: StageContext) throws {
    name = output.name
    cell = context.spec.cell
    cache = CacheFolder(context.spec.projectRoot.appending(".fettle"))
    guard let text = output.path else {
      throw StageError("the output '\(output.name)' has no path", at: context.spec.cell)
    }
    self.text = text
    let steps = FilePath(text).steps
    guard !text.hasPrefix("/"), let last = steps.last, !steps.contains("..") else {
      throw StageError(
        "the output '\(output.name)' must lie inside the project", at: context.spec.cell, value: text,
        remedy: "give a path relative to the project's root")
    }
    let root = ResolvedPath.of(context.spec.projectRoot)
    let parent = steps.dropLast().reduce(context.spec.projectRoot) { $0.appending($1) }
    place = ResolvedPath.of(parent).appending(last)
    guard place.isBelow(root) else {
      throw StageError(
        "the output '\(output.name)' leaves the project through a link", at: context.spec.cell, value: text,
        remedy: "give a path whose folders are the project's own")
    }
    if let first = FilePath(bytes: Array(place.bytes.dropFirst(root.bytes.count))).steps.first,
      first == ".fettle" || first == "out"
    {
      throw StageError(
        "the output '\(output.name)' lies in '\(first.display)', which is Fettle's own", at: context.spec.cell,
        value: text, remedy: "write to another folder")
    }
    try checkAgainstInputs(context)
  }

  private func checkAgainstInputs(_ context: StageContext) throws {
    var read = context.spec.inputs.compactMap { input in input.path.map { ("the input '\(input.name)'", $0) } }
    for reference in context.spec.references { read += reference.paths.map { ("'\(reference.text)'", $0) } }
    let own = ResolvedPath.of(place)
    for (words, path) in read {
      let source = context.spec.projectRoot.appending(path)
      for source in [ResolvedPath.of(source), ResolvedPath.of(source.parent).appending(FilePath(source.name))] {
        for own in [place, own] where own == source || own.isBelow(source) || source.isBelow(own) {
          throw StageError(
            "the output '\(name)' and \(words), which the stage reads, lie in each other", at: cell, value: text,
            remedy: "write to another path")
        }
      }
    }
  }

  // MARK: What lies there

  /// Removes what an earlier attempt left, and notes that what comes to lie here from now on is the command's.
  func empty() throws {
    if try Files.status(place, followLinks: false) != nil {
      guard try isOurs() else {
        throw StageError(
          "something that no run of Fettle has made lies where the output '\(name)' belongs", at: cell, value: text,
          remedy: "move it away, or write the output to another path")
      }
      try Files.removeTree(place)
    }
    try note(left: nil)
  }

  /// Notes what the command has left, so that a later attempt knows it again.
  func noteWhatIsLeft() {
    // A place that can not be read is not removed later: nothing is lost.
    let left = (try? Files.status(place, followLinks: false)) ?? nil
    if left != nil { try? note(left: digest() ?? "unreadable") } else { try? Files.remove(claim) }
  }

  private func isOurs() throws -> Bool {
    if let noted = (try? Files.read(claim, limit: 1 << 16)).flatMap({ try? JSONParser.parse($0) }) {
      guard let left = noted["left"]?.string else { return true }
      if let found = digest(), sameBytes(found, left) { return true }
    }
    guard let status = try Files.status(place, followLinks: false), !status.isLink else { return false }
    guard let content = try? Content.read(place), let ledger = try Ledger(reading: cache) else { return false }
    return try ledger.objects.size(content.digest) != nil
  }

  private func digest() -> String? {
    guard let status = (try? Files.status(place, followLinks: false)) ?? nil else { return nil }
    guard let content = try? Content.read(place) else { return nil }
    return (status.isLink ? "link " : "") + content.digest.hex
  }

  private var claim: FilePath { cache.path.appending("commands").appending(Digest(of: place.display).hex + ".json") }

  private func note(left: String?) throws {
    try Files.makeFolder(claim.parent)
    let json: JSON = ["place": place.json, "left": left.map { JSON($0) } ?? .null]
    try Files.writeAtomically(json.encoded(), to: claim)
  }
}

/// Paths with their links resolved, as far as they exist.
enum ResolvedPath {
  static func of(_ path: FilePath) -> FilePath {
    var place = path
    var missing: [FilePath] = []
    while true {
      if let real = real(place) { return missing.reversed().reduce(real) { $0.appending($1) } }
      let parent = place.parent
      guard parent != place, let name = place.steps.last else { return path }
      missing.append(name)
      place = parent
    }
  }

  private static func real(_ path: FilePath) -> FilePath? {
    guard let found = unsafe path.withCString({ unsafe realpath($0, nil) }) else { return nil }
    defer { unsafe free(found) }
    return unsafe FilePath(String(cString: found))
  }
}

extension FilePath {
  /// The names between the slashes, without "." and empty ones.
  fileprivate var steps: [FilePath] {
    bytes.split(separator: UInt8(ascii: "/")).map { FilePath(bytes: Array($0)) }.filter { $0 != "." }
  }

  fileprivate func isBelow(_ folder: FilePath) -> Bool {
    bytes.starts(with: folder.bytes.last == UInt8(ascii: "/") ? folder.bytes : folder.bytes + [UInt8(ascii: "/")])
      && bytes.count > folder.bytes.count
  }
}
