import Basics
import Foundation

// A reader that goes away must not kill a run that has more to do than print.
signal(SIGPIPE, SIG_IGN)
// Nor may a limit on the size of files: writing then fails, and is told as any full disk is.
signal(SIGXFSZ, SIG_IGN)
exit(Program.run(Program.arguments).rawValue)

/// The program: finds the command, runs it, words its errors.
enum Program {
  static let commands: [Command] = [
    .initialise, .run, .watch, .plan, .status, .runs, .why, .dag, .logs, .metrics, .rows, .show, .diff, .tokens, .score,
    .generate, .evaluate, .export, .models, .gc, .fsck, .cache, .schema, .completions, .man, .doctor, .selftest, .bench,
    .benchCache, .attempt, .names,
  ]

  /// What follows the program's name, as the system gave it: `CommandLine.arguments` mends what is not UTF-8.
  static var arguments: [FilePath] {
    (1..<max(1, Int(CommandLine.argc))).compactMap { index in
      guard let text = unsafe CommandLine.unsafeArgv[index] else { return nil }
      return FilePath(bytes: unsafe UnsafeBufferPointer(start: text, count: strlen(text)).map { UInt8(bitPattern: $0) })
    }
  }

  static func run(_ arguments: [FilePath]) -> ExitCode {
    guard let name = arguments.first?.display, !["help", "--help", "-h"].contains(name) else {
      return help(of: arguments.dropFirst().first?.display)
    }
    if name == "--version" || name == "version" {
      print("fettle \(Release.version)")
      return .done
    }
    do {
      guard let command = commands.first(where: { $0.name == name }) else {
        throw unknown(name)
      }
      let invocation = try Invocation(command, arguments: Array(arguments.dropFirst()))
      if invocation.has("help") {
        print(command.help)
        return .done
      }
      return try command.run(invocation)
    } catch {
      Terminal.complain(words(of: error))
      return ExitCode(for: error)
    }
  }

  private static func help(of name: String?) -> ExitCode {
    guard let name else {
      print(overview)
      return .done
    }
    guard let command = commands.first(where: { $0.name == name }) else {
      Terminal.complain(unknown(name).description)
      return .wrongRequest
    }
    print(command.help)
    return .done
  }

  private static func unknown(_ name: String) -> UsageError {
    let near = Spelling.nearest(to: name, among: commands.filter { !$0.isHidden }.map(\.name))
    return UsageError("unknown command '\(name)'", remedy: near.map { "did you mean '\($0)'?" } ?? "see 'fettle help'")
  }

  private static var overview: String {
    let shown = commands.filter { !$0.isHidden }
    let width = shown.map(\.name.count).max() ?? 0
    let lines = shown.map { "  \($0.name)" + String(repeating: " ", count: width - $0.name.count + 2) + $0.abstract }
    return
      ([
        "Fettle fine-tunes language models by pipeline, in the memory you have.", "", "usage: fettle COMMAND [options]",
        "",
      ]
      + lines + ["", "'fettle COMMAND --help' says more; --version prints the version."]).joined(separator: "\n")
  }
}
