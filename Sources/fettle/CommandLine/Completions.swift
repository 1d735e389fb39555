import Basics

/// What a word on the command line can be, told from how the help calls it.
enum ArgumentKind {
  case file, folder, stage, run
  case words([String])
  case other

  init(_ name: String) {
    let bare = name.filter { !"[]…".contains($0) }
    switch bare {
    case "FILE", "SPEC", "MODEL", "M", "T", "J": self = .file
    case "DIR", "FOLDER": self = .folder
    case "STAGE", "S": self = .stage
    case "RUN", "A", "B": self = .run
    case _ where bare.contains("|"): self = .words(bare.split(separator: "|").map(String.init))
    default: self = .other
    }
  }
}

/// The scripts that complete commands, options, stages, runs and files in a shell, made from the commands' own table.
struct Completions {
  private let commands: [Command]

  init(_ commands: [Command]) { self.commands = commands.filter { !$0.isHidden } }

  static let shells = ["bash", "zsh", "fish"]

  func script(for shell: String) -> String? {
    switch shell {
    case "bash": bash
    case "zsh": zsh
    case "fish": fish
    default: nil
    }
  }

  // MARK: - bash

  private var bash: String {
    var lines = [
      "# bash completion for fettle: source it, or put it into /usr/share/bash-completion/completions/fettle",
      "_fettle() {", "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\"",
      "  local command=\"${COMP_WORDS[1]}\" IFS=$'\\n'", "  COMPREPLY=()", "  if [ \"$COMP_CWORD\" = 1 ]; then",
      "    COMPREPLY=($(compgen -W $'\(commands.map(\.name).joined(separator: "\\n"))\\nhelp' -- \"$cur\")); return",
      "  fi", "  case \"$command $prev\" in",
    ]
    for command in commands {
      for option in command.allOptions {
        guard let value = option.value, let reply = bashReply(ArgumentKind(value)) else { continue }
        lines.append("    '\(command.name) --\(option.name)') \(reply); return ;;")
      }
    }
    lines += ["  esac", "  case \"$command\" in"]
    for command in commands {
      let options = command.allOptions.map { "--\($0.name)" }.joined(separator: "\\n")
      let positional = command.positionals.first.flatMap { bashReply(ArgumentKind($0)) } ?? ":"
      lines.append("    \(command.name)) if [[ \"$cur\" == -* ]]; then")
      lines.append("        COMPREPLY=($(compgen -W $'\(options)' -- \"$cur\")); else \(positional); fi ;;")
    }
    lines.append(
      "    help) COMPREPLY=($(compgen -W $'\(commands.map(\.name).joined(separator: "\\n"))' -- \"$cur\")) ;;")
    lines += ["  esac", "}", "complete -o filenames -o bashdefault -F _fettle fettle"]
    return lines.joined(separator: "\n")
  }

  private func bashReply(_ kind: ArgumentKind) -> String? {
    switch kind {
    case .file: "COMPREPLY=($(compgen -f -- \"$cur\"))"
    case .folder: "COMPREPLY=($(compgen -d -- \"$cur\"))"
    case .stage: "COMPREPLY=($(compgen -W \"$(fettle __names stages 2>/dev/null)\" -- \"$cur\"))"
    case .run: "COMPREPLY=($(compgen -W \"$(fettle __names runs 2>/dev/null)\" -- \"$cur\"))"
    case .words(let words): "COMPREPLY=($(compgen -W $'\(words.joined(separator: "\\n"))' -- \"$cur\"))"
    case .other: nil
    }
  }

  // MARK: - zsh

  private var zsh: String {
    var lines = [
      "#compdef fettle", "# zsh completion for fettle: put it as _fettle into a folder of $fpath",
      "_fettle_stages() { local -a names; names=(${(f)\"$(fettle __names stages 2>/dev/null)\"}); "
        + "compadd -a names }",
      "_fettle_runs() { local -a names; names=(${(f)\"$(fettle __names runs 2>/dev/null)\"}); compadd -a names }",
      "_fettle() {", "  local -a commands", "  commands=(",
    ]
    lines += commands.map { "    \(quoted("\($0.name):\($0.abstract)"))" }
    lines += ["  )", "  if (( CURRENT == 2 )); then _describe command commands; return; fi", "  case $words[2] in"]
    for command in commands {
      var words = command.allOptions.map { option in
        let repeated = option.repeats ? "'*'" : ""
        let doc = option.doc.replacing("[", with: "(").replacing("]", with: ")").replacing(":", with: ";")
        let value = option.value.map { ":\($0.replacing(":", with: ";")):\(zshAction(ArgumentKind($0)))" } ?? ""
        return repeated + quoted("--\(option.name)[\(doc)]\(value)")
      }
      for (place, positional) in command.positionals.enumerated() {
        let number = positional.contains("…") ? "*" : "\(place + 1)"
        let title = positional.filter { !"[]…:".contains($0) }
        words.append(quoted("\(number):\(title):\(zshAction(ArgumentKind(positional)))"))
      }
      lines.append("    \(command.name)) shift words; (( CURRENT-- )); _arguments \(words.joined(separator: " ")) ;;")
    }
    lines += ["  esac", "}", "compdef _fettle fettle"]
    return lines.joined(separator: "\n")
  }

  private func zshAction(_ kind: ArgumentKind) -> String {
    switch kind {
    case .file: "_files"
    case .folder: "_files -/"
    case .stage: "_fettle_stages"
    case .run: "_fettle_runs"
    case .words(let words): "(\(words.joined(separator: " ")))"
    case .other: " "
    }
  }

  // MARK: - fish

  private var fish: String {
    var lines = [
      "# fish completion for fettle: put it into ~/.config/fish/completions/fettle.fish", "complete -c fettle -f",
    ]
    for command in commands {
      lines.append(
        "complete -c fettle -n __fish_use_subcommand -a \(command.name) -d \(quoted(command.abstract))")
    }
    for command in commands {
      let when = "-n '__fish_seen_subcommand_from \(command.name)'"
      for option in command.allOptions {
        let value = option.value.map { " -r" + fishReply(ArgumentKind($0)) } ?? ""
        lines.append("complete -c fettle \(when) -l \(option.name)\(value) -d \(quoted(option.doc))")
      }
      if let first = command.positionals.first {
        let reply = fishReply(ArgumentKind(first))
        if !reply.isEmpty { lines.append("complete -c fettle \(when)\(reply)") }
      }
    }
    return lines.joined(separator: "\n")
  }

  private func fishReply(_ kind: ArgumentKind) -> String {
    switch kind {
    case .file: " -F"
    case .folder: " -xa '(__fish_complete_directories)'"
    case .stage: " -xa '(fettle __names stages 2>/dev/null)'"
    case .run: " -xa '(fettle __names runs 2>/dev/null)'"
    case .words(let words): " -xa '\(words.joined(separator: " "))'"
    case .other: ""
    }
  }

  /// A word of a shell.
  private func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "'\\''") + "'" }
}
