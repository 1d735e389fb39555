import Basics

/// Names and paths of a command's inputs and outputs, which become variables of its shell.
package enum CommandNames {
  /// Variables the shell or the system's programs depend on.
  static let reserved: Set<String> = ["PATH", "HOME", "IFS", "PWD", "SHELL", "USER", "TMPDIR", "LANG", "ENV", "gate"]

  /// The variables of the environment that every command sees.
  package static let passedOn = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LC_ALL", "TZ", "CUDA_VISIBLE_DEVICES",
  ]

  static func rule(_ name: String) -> String {
    reserved.contains(name)
      ? "'\(name)' has a meaning of its own: choose another name" : "use letters, digits and '_', no digit first"
  }

  /// What is wrong with an output's path; nil when nothing is.
  static func outputFault(_ path: String) -> String? {
    if path.isEmpty { return "has an empty path" }
    if path.hasPrefix("/") || path.hasPrefix("~") { return "must lie below the stage's folder" }
    if path.utf8.contains(0) { return "has a path with a zero byte" }
    let steps = path.split(separator: "/", omittingEmptySubsequences: true)
    if steps.contains("..") { return "must not leave the stage's folder" }
    guard let first = CommandNames.steps(path).first else { return "names the stage's folder itself" }
    return first == ".fettle" || first == "out" ? "lies in '\(first)', which is Fettle's own" : nil
  }

  /// The names between the slashes of a path, without "." and empty ones.
  static func steps(_ path: String) -> [String] {
    path.split(separator: "/").filter { $0 != "." }.map(String.init)
  }

  /// Whether one of two paths is the other or lies in it, as far as their text tells.
  static func overlap(_ a: String, _ b: String) -> Bool {
    guard a.hasPrefix("/") == b.hasPrefix("/") else { return false }
    let (a, b) = (steps(a), steps(b))
    if a.contains("..") || b.contains("..") || a.isEmpty && b.isEmpty { return false }
    return zip(a, b).allSatisfy { sameBytes($0, $1) }
  }
}
