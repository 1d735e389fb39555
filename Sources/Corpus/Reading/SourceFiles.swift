import Basics

/// The files that a path or pattern of a source means.
enum SourceFiles {
  /// The matching files below `root`, sorted by bytes; a pattern that matches nothing is an error.
  static func matching(_ pattern: FilePath, in root: FilePath) throws(CorpusError) -> [FilePath] {
    let found: [FilePath]
    let exists: Bool
    do {
      found = try Glob.files(pattern, in: root)
      exists = try Glob.isLiteral(pattern, in: root)
    } catch {
      throw CorpusError(.source, error.problem)
    }
    guard found.isEmpty else { return found }
    guard !exists else {
      throw CorpusError(
        .source, "a folder where a file was expected", at: pattern.display,
        remedy: "name its files: \(pattern.appending("**").display)")
    }
    throw Glob.isPattern(pattern)
      ? CorpusError(.source, "the pattern matches no file", at: pattern.display, remedy: "check the pattern")
      : CorpusError(.source, "no such file", at: pattern.display, remedy: "check the path")
  }
}
