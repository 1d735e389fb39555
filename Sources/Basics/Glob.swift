import Foundation

/// Finds files by a pattern: `*`, `?` and `[a-z]` within a name, and `**` for any folders. Bytes, not characters.
///
/// A path that exists as it is spelt is no pattern. Names that begin with a dot are found only by a pattern that spells
/// the dot. Links are followed; one that leads back into a folder above it is an error, since what lies behind it has no
/// end.
package enum Glob {
  /// How many files one pattern may match, and how many names may be looked at for it.
  private static let matchLimit = 1_000_000
  private static let nameLimit = 10_000_000
  private static let depthLimit = 64

  /// Why a pattern can not be searched.
  package struct Failure: FettleError {
    package let problem: Problem
  }

  /// Whether a text has anything that makes it a pattern.
  package static func isPattern(_ path: FilePath) -> Bool {
    path.bytes.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "[") }
  }

  /// Whether something lies at the path as it is spelt.
  package static func isLiteral(_ path: FilePath, in root: FilePath) throws(Failure) -> Bool {
    try status(root.appending(path)) != nil
  }

  /// The matching files in the order of their paths' bytes, folders left out; empty where none matches.
  package static func files(_ pattern: FilePath, in root: FilePath) throws(Failure) -> [FilePath] {
    if let status = try status(root.appending(pattern)) { return status.isFolder ? [] : [pattern] }
    var search = Search(pattern: pattern, root: root)
    let steps = pattern.bytes.split(separator: UInt8(ascii: "/")).map { Array($0) }
    try search.search(steps[...], below: pattern.isAbsolute ? "/" : "", above: [])
    return search.found.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
  }

  private static func status(_ path: FilePath) throws(Failure) -> Files.Status? {
    do { return try Files.status(path) } catch {
      // A name too long to exist, or links in a circle: nothing lies there.
      if error.code == ENAMETOOLONG || error.code == ELOOP { return nil }
      throw Failure(problem: error.problem)
    }
  }

  private struct Search {
    let pattern: FilePath
    let root: FilePath
    var found: Set<FilePath> = []
    var names = 0

    /// `above` holds the folders on the way.
    mutating func search(
      _ steps: ArraySlice<[UInt8]>, below folder: FilePath, above: [Files.Status]
    ) throws(Failure) {
      guard let step = steps.first else { return }
      let rest = steps.dropFirst()
      let place = folder.bytes.isEmpty ? root.appending(".") : root.appending(folder)
      guard let status = try Glob.status(place), status.isFolder else { return }
      guard above.count < Glob.depthLimit else {
        throw Failure(
          problem: Problem(
            "folders lie deeper than \(Glob.depthLimit) levels", at: folder.display, value: pattern.display,
            remedy: "begin the pattern further down"))
      }
      if step == Array("**".utf8) {
        // At the end it stands for all files below.
        try search(rest.isEmpty ? [Array("*".utf8)] : rest, below: folder, above: above)
        if above.contains(where: { $0.inode == status.inode && $0.device == status.device }) {
          throw Failure(
            problem: Problem(
              "a link leads back into a folder above it", at: folder.display, value: pattern.display,
              remedy: "remove the link, or write a pattern that leaves it out"))
        }
        for name in try list(place) where name.bytes.first != UInt8(ascii: ".") {
          let below = folder.appending(name)
          if try Glob.status(root.appending(below))?.isFolder == true {
            try search(steps, below: below, above: above + [status])
          }
        }
      } else if step == Array(".".utf8) || step == Array("..".utf8) || !Glob.isPattern(FilePath(bytes: step)) {
        try enter(FilePath(bytes: step), rest, folder, above + [status])
      } else {
        for name in try list(place) where Glob.matches(step[...], name.bytes[...]) {
          try enter(name, rest, folder, above + [status])
        }
      }
    }

    private mutating func enter(
      _ name: FilePath, _ rest: ArraySlice<[UInt8]>, _ folder: FilePath, _ above: [Files.Status]
    ) throws(Failure) {
      let path = folder.appending(name)
      guard rest.isEmpty else { return try search(rest, below: path, above: above) }
      guard let status = try Glob.status(root.appending(path)), status.isRegular else { return }
      found.insert(path)
      guard found.count <= Glob.matchLimit else { throw tooMany("matches over \(Glob.matchLimit) files") }
    }

    private mutating func list(_ folder: FilePath) throws(Failure) -> [FilePath] {
      let list: [FilePath]
      do { list = try Files.list(folder) } catch { throw Failure(problem: error.problem) }
      names += list.count
      guard names <= Glob.nameLimit else { throw tooMany("leads through over \(Glob.nameLimit) names") }
      return list
    }

    private func tooMany(_ what: String) -> Failure {
      Failure(problem: Problem("the pattern \(what)", at: pattern.display, remedy: "write a narrower pattern"))
    }
  }

  /// Whether one name fits one step of a pattern. Linear but for the last star (greedy with one point of return).
  static func matches(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
    if name.first == UInt8(ascii: "."), pattern.first != UInt8(ascii: ".") { return false }
    var (p, n) = (pattern.startIndex, name.startIndex)
    var back: (p: Int, n: Int)?
    while n < name.endIndex {
      if p < pattern.endIndex, pattern[p] == UInt8(ascii: "*") {
        back = (p: p + 1, n: n)
        p += 1
      } else if p < pattern.endIndex, let width = width(pattern[p...], name[n]) {
        p += width
        n += 1
      } else if let point = back {
        back = (p: point.p, n: point.n + 1)
        (p, n) = (point.p, point.n + 1)
      } else {
        return false
      }
    }
    return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
  }

  /// How many bytes of the pattern match one byte of the name; nil when they do not.
  private static func width(_ pattern: ArraySlice<UInt8>, _ byte: UInt8) -> Int? {
    switch pattern.first {
    case UInt8(ascii: "?"): return 1
    case UInt8(ascii: "["):
      var index = pattern.startIndex + 1
      let negated = index < pattern.endIndex && Array("!^".utf8).contains(pattern[index])
      if negated { index += 1 }
      var inside = false
      // A bracket right at the beginning of a set stands for itself.
      let first = index
      while index < pattern.endIndex, pattern[index] != UInt8(ascii: "]") || index == first {
        if index + 2 < pattern.endIndex, pattern[index + 1] == UInt8(ascii: "-"),
          pattern[index + 2] != UInt8(ascii: "]")
        {
          if pattern[index] <= byte, byte <= pattern[index + 2] { inside = true }
          index += 3
        } else {
          if pattern[index] == byte { inside = true }
          index += 1
        }
      }
      guard index < pattern.endIndex else { return byte == UInt8(ascii: "[") ? 1 : nil }
      return inside != negated ? index + 1 - pattern.startIndex : nil
    case byte: return 1
    default: return nil
    }
  }
}
