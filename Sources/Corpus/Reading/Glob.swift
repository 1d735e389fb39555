import Basics

/// Paths that a pattern matches: `*`, `?`, `[a-z]` within a name, `**` for any folders.
struct Glob {
  /// How many files one pattern may match.
  private static let matchLimit = 1_000_000
  private static let depthLimit = 64

  let pattern: FilePath

  /// Whether the pattern has wildcards; a path that exists as it is spelt is no pattern.
  static func isPattern(_ path: FilePath) -> Bool {
    path.bytes.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "[") }
  }

  /// The matching files below `root`, sorted by bytes; a pattern that matches nothing is an error.
  func files(in root: FilePath) throws(CorpusError) -> [FilePath] {
    let literal = root.appending(pattern)
    if let status = try filed({ () throws(FileError) in try Files.status(literal) }) {
      if status.isFolder {
        throw CorpusError(
          .source, "a folder where a file was expected", at: pattern.display,
          remedy: "name its files: \(pattern.appending("**").display)")
      }
      return [pattern]
    }
    guard Glob.isPattern(pattern) else {
      throw CorpusError(.source, "no such file", at: pattern.display, remedy: "check the path")
    }
    let parts = pattern.bytes.split(separator: UInt8(ascii: "/")).map { Array($0) }
    var found: Set<FilePath> = []
    try walk(
      root, pattern.isAbsolute ? FilePath("/") : FilePath(bytes: []), parts[...], trail: [], into: &found)
    guard !found.isEmpty else {
      throw CorpusError(.source, "the pattern matches no file", at: pattern.display, remedy: "check the pattern")
    }
    return found.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
  }

  /// Matches `parts` below the folder `folder`. `trail` holds the folders on the way, so that links can not loop.
  private func walk(
    _ root: FilePath, _ folder: FilePath, _ parts: ArraySlice<[UInt8]>, trail: [Files.Status],
    into found: inout Set<FilePath>
  ) throws(CorpusError) {
    guard let part = parts.first else { return }
    let rest = parts.dropFirst()
    let place = folder.bytes.isEmpty ? root.appending(".") : root.appending(folder)
    guard let status = try? Files.status(place), status.isFolder, trail.count < Glob.depthLimit,
      !trail.contains(where: { $0.inode == status.inode && $0.device == status.device })
    else { return }
    let below = trail + [status]
    if part == Array("**".utf8) {
      if rest.isEmpty {
        try walk(root, folder, [Array("*".utf8)], trail: trail, into: &found)
      } else {
        try walk(root, folder, rest, trail: trail, into: &found)
      }
      for name in try names(place) where name.bytes.first != UInt8(ascii: ".") {
        try walk(root, folder.appending(name), parts, trail: below, into: &found)
      }
      return
    }
    for name in try names(place) where Glob.matches(name.bytes[...], part[...]) {
      let path = folder.appending(name)
      if !rest.isEmpty {
        try walk(root, path, rest, trail: below, into: &found)
      } else if let status = try? Files.status(root.appending(path)), status.isRegular {
        found.insert(path)
        guard found.count <= Glob.matchLimit else {
          throw CorpusError(.source, "the pattern matches over \(Glob.matchLimit) files", at: pattern.display)
        }
      }
    }
  }

  private func names(_ folder: FilePath) throws(CorpusError) -> [FilePath] {
    try filed { () throws(FileError) in try Files.list(folder) }
  }

  /// Whether `name` matches one part of a pattern. Hidden names match only patterns that begin with a dot.
  static func matches(_ name: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
    if name.first == UInt8(ascii: "."), pattern.first != UInt8(ascii: ".") { return false }
    var n = name.startIndex
    var p = pattern.startIndex
    var retry: (name: Int, pattern: Int)?
    while n < name.endIndex {
      if p < pattern.endIndex, pattern[p] == UInt8(ascii: "*") {
        retry = (n, p + 1)
        p += 1
      } else if p < pattern.endIndex, let next = single(name[n], pattern, at: p) {
        n += 1
        p = next
      } else if let again = retry {
        retry = (again.name + 1, again.pattern)
        n = again.name + 1
        p = again.pattern
      } else {
        return false
      }
    }
    while p < pattern.endIndex, pattern[p] == UInt8(ascii: "*") { p += 1 }
    return p == pattern.endIndex
  }

  /// The place behind the one-byte element at `p` if it matches `byte`.
  private static func single(_ byte: UInt8, _ pattern: ArraySlice<UInt8>, at p: Int) -> Int? {
    switch pattern[p] {
    case UInt8(ascii: "?"): return p + 1
    case UInt8(ascii: "["):
      var index = p + 1
      let negated =
        index < pattern.endIndex && (pattern[index] == UInt8(ascii: "!") || pattern[index] == UInt8(ascii: "^"))
      if negated { index += 1 }
      var inside = false
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
      guard index < pattern.endIndex else { return pattern[p] == byte ? p + 1 : nil }
      return inside != negated ? index + 1 : nil
    default: return pattern[p] == byte ? p + 1 : nil
    }
  }
}
