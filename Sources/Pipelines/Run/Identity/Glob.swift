import Basics

/// Finds files by a pattern: `*` and `?` within a name, `[a-z]`, and `**` for any folders. Bytes, not characters.
///
/// Names that begin with a dot are only found by a pattern that spells the dot.
package enum Glob {
  /// The matching files in the order of their paths' bytes, links followed, folders left out.
  package static func files(_ pattern: String, in root: FilePath) throws(FileError) -> [FilePath] {
    let steps = Array(pattern.utf8).split(separator: UInt8(ascii: "/")).map { Array($0) }
    var found: [FilePath] = []
    let start: FilePath = pattern.utf8.first == UInt8(ascii: "/") ? "/" : ""
    try search(steps[...], below: start, root: root, depth: 0, &found)
    var seen: Set<FilePath> = []
    return found.filter { seen.insert($0).inserted }.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
  }

  /// Whether a text has anything that makes it a pattern.
  package static func isPattern(_ text: String) -> Bool {
    text.utf8.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "[") }
  }

  private static func search(
    _ steps: ArraySlice<[UInt8]>, below folder: FilePath, root: FilePath, depth: Int, _ found: inout [FilePath]
  ) throws(FileError) {
    guard let step = steps.first else { return }
    let rest = steps.dropFirst()
    let place = root.appending(folder)
    if step == Array("**".utf8) {
      // At the end it stands for all files below.
      try search(rest.isEmpty ? [[UInt8(ascii: "*")]] : rest, below: folder, root: root, depth: depth, &found)
      guard depth < 64 else { return }
      for name in try names(place) where name.bytes.first != UInt8(ascii: ".") {
        // Links to folders are not followed here: they may lead back.
        if try Files.status(place.appending(name), followLinks: false)?.isFolder == true {
          try search(steps, below: folder.appending(name), root: root, depth: depth + 1, &found)
        }
      }
      return
    }
    guard isPattern(String(decoding: step, as: UTF8.self)) else {
      return try enter(FilePath(bytes: step), rest, folder, root, depth, &found)
    }
    for name in try names(place) where matches(step[...], name.bytes[...]) {
      try enter(name, rest, folder, root, depth, &found)
    }
  }

  private static func enter(
    _ name: FilePath, _ rest: ArraySlice<[UInt8]>, _ folder: FilePath, _ root: FilePath, _ depth: Int,
    _ found: inout [FilePath]
  ) throws(FileError) {
    let path = folder.appending(name)
    guard let status = try Files.status(root.appending(path)) else { return }
    if rest.isEmpty {
      if !status.isFolder { found.append(path) }
    } else if status.isFolder {
      try search(rest, below: path, root: root, depth: depth + 1, &found)
    }
  }

  private static func names(_ folder: FilePath) throws(FileError) -> [FilePath] {
    guard let status = try Files.status(folder), status.isFolder else { return [] }
    return try Files.list(folder)
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
      let inner = pattern.dropFirst()
      // A bracket right at the beginning of a set stands for itself.
      guard let close = inner.dropFirst().firstIndex(of: UInt8(ascii: "]")) else {
        return byte == UInt8(ascii: "[") ? 1 : nil
      }
      var set = Array(inner[..<close])
      let negated = set.first == UInt8(ascii: "!") || set.first == UInt8(ascii: "^")
      if negated { set.removeFirst() }
      var inside = false
      var index = 0
      while index < set.count {
        if index + 2 < set.count, set[index + 1] == UInt8(ascii: "-") {
          inside = inside || (set[index]...max(set[index], set[index + 2])).contains(byte)
          index += 3
        } else {
          inside = inside || set[index] == byte
          index += 1
        }
      }
      return inside != negated ? close - pattern.startIndex + 1 : nil
    case byte: return 1
    default: return nil
    }
  }
}
