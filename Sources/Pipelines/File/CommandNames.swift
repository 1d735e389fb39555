/// Names and paths of a command's inputs and outputs, which become variables of its shell.
enum CommandNames {
  /// Variables the shell or the system's programs depend on.
  static let reserved: Set<String> = ["PATH", "HOME", "IFS", "PWD", "SHELL", "USER", "TMPDIR", "LANG", "ENV", "gate"]

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
    return steps.allSatisfy { $0 == "." } ? "names the stage's folder itself" : nil
  }
}
