import Basics

/// One subcommand: its words, its options, and what it does.
struct Command: Sendable {
  /// An option `--name VALUE`, or a flag `--name` when it takes no value.
  struct Option: Sendable {
    let name: String
    /// What the value is called in the help; nil for a flag.
    let value: String?
    let repeats: Bool
    let doc: String

    static func flag(_ name: String, _ doc: String) -> Option {
      Option(name: name, value: nil, repeats: false, doc: doc)
    }
    static func value(_ name: String, _ value: String, repeats: Bool = false, _ doc: String) -> Option {
      Option(name: name, value: value, repeats: repeats, doc: doc)
    }
  }

  let name: String
  /// One sentence without a full stop.
  let abstract: String
  /// Positional arguments as the usage line shows them: "[FILE]", "STAGE", "FILE…".
  let positionals: [String]
  let options: [Option]
  /// Hidden commands are not listed by `fettle help`.
  var isHidden = false
  let run: @Sendable (Invocation) throws -> ExitCode

  /// Options every command has.
  static let common: [Option] = [
    .flag("json", "print one JSON document (or JSON lines) on standard output"),
    .flag("quiet", "no progress and no messages but errors"),
    .value("project", "DIR", "the project's root folder (default: the nearest folder upwards with .fettle, else here)"),
    .flag("help", "print this help"),
  ]

  var allOptions: [Option] { options + Command.common }

  /// Least and most positional arguments.
  var positionalCount: ClosedRange<Int> {
    let needed = positionals.count { !$0.hasPrefix("[") }
    let isOpen = positionals.contains { $0.contains("…") }
    return needed...(isOpen ? Int.max : positionals.count)
  }

  var help: String {
    var lines = [
      abstract + ".", "", "usage: fettle \(name)" + positionals.map { " \($0)" }.joined() + " [options]", "",
    ]
    let names = allOptions.map { "  --\($0.name)" + ($0.value.map { " \($0)" } ?? "") }
    let width = names.map(\.count).max() ?? 0
    for (option, name) in zip(allOptions, names) {
      lines.append(name + String(repeating: " ", count: width - name.count + 2) + option.doc)
    }
    return lines.joined(separator: "\n")
  }
}

/// What the process tells its caller.
enum ExitCode: Int32, Sendable {
  case done = 0
  case failed = 1
  case wrongRequest = 2
  case refused = 3
  case busy = 4
  case interrupted = 130
}

/// The request is wrong: exit code 2.
struct UsageError: FettleError {
  let problem: Problem

  init(_ what: String, value: String? = nil, remedy: String? = nil) {
    problem = Problem(what, value: value, remedy: remedy)
  }
}
