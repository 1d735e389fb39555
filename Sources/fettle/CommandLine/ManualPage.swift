/// The manual page in troff's man macros, made from the commands' own table.
struct ManualPage {
  private let commands: [Command]

  init(_ commands: [Command]) { self.commands = commands.filter { !$0.isHidden } }

  var text: String {
    var lines = [
      ".TH FETTLE 1 \"\" \"fettle \(Release.version)\" \"User Commands\"", ".SH NAME",
      "fettle \\- fine\\-tunes language models by pipeline, in the memory you have", ".SH SYNOPSIS", ".B fettle",
      ".I COMMAND", "[\\fIoptions\\fR]", ".SH DESCRIPTION",
      plain(
        "One file declares the pipeline, from raw rows to an evaluated model; one command runs it. Every stage is "
          + "cached by the content of what it reads; what failed goes on from where it stopped. Results are printed on "
          + "standard output, progress and messages on standard error."),
      ".SH COMMANDS",
    ]
    for command in commands {
      let usage = command.positionals.map { " \\fI\(plain($0))\\fR" }.joined()
      lines += [".SS \"fettle \(plain(command.name))\(usage)\"", plain(command.abstract) + "."]
      for option in command.options { lines += entry(option) }
    }
    lines += [".SH COMMON OPTIONS"]
    for option in Command.common { lines += entry(option) }
    lines.append(".SH EXIT STATUS")
    for (code, meaning) in ManualPage.codes { lines += [".TP", ".B \(code)", plain(meaning)] }
    lines.append(".SH ENVIRONMENT")
    for (name, meaning) in ManualPage.variables { lines += [".TP", ".B \(plain(name))", plain(meaning)] }
    lines.append(".SH FILES")
    for (name, meaning) in ManualPage.files { lines += [".TP", ".I \(plain(name))", plain(meaning)] }
    return lines.joined(separator: "\n")
  }

  private static let codes = [
    ("0", "done"), ("1", "a stage failed"), ("2", "the request is wrong: usage or pipeline file"),
    ("3", "a gate refused"), ("4", "another run or program holds the project"), ("130", "interrupted"),
  ]

  private static let variables = [
    ("NO_COLOR", "when set, no colours are used"),
    ("TERM", "'dumb' for plain lines instead of a progress bar"),
  ]

  private static let files = [
    ("fettle.yaml, pipeline.yaml", "the pipeline file where none is named"),
    (".fettle/cache.db", "the record of runs, fingerprints and results"),
    (".fettle/objects", "results by the digest of their content, read-only"),
    (".fettle/results", "a receipt for each result, from which a lost record is rebuilt"),
    ("out/PIPELINE/STAGE", "links to the newest outputs"),
  ]

  private func entry(_ option: Command.Option) -> [String] {
    let value = option.value.map { " \\fI\(plain($0))\\fR" } ?? ""
    return [".TP", "\\fB\(plain("--" + option.name))\\fR\(value)", plain(option.doc)]
  }

  /// Text with troff's own characters escaped.
  private func plain(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\e"
      case "-": result += "\\-"
      case "\"": result += "\\(dq"
      case "…": result += "..."
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result.hasPrefix(".") || result.hasPrefix("'") ? "\\&" + result : result
  }
}
