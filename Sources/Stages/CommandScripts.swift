import Basics
import Pipelines

/// The files of a project that a command runs as programs: what stands in them decides its result as its text does.
///
/// Found where a simple command begins (`./prepare.sh`, `tools/prepare`) and where an interpreter's file stands
/// (`python3 -u train.py`, `. ./settings`). A name that is made by the shell can not be known; it belongs in `inputs`.
package enum CommandScripts {
  private static let interpreters: Set<String> = [
    "sh", "bash", "dash", "zsh", "ksh", "python", "python2", "python3", "perl", "ruby", "node", "Rscript", "php", "lua",
    "julia", "swift", "source", ".",
  ]
  /// Words before a command that do not change which one it is.
  private static let prefixes: Set<String> = [
    "exec", "command", "time", "nice", "nohup", "env", "setsid", "if", "then", "else", "elif", "while", "until", "do",
    "!", "{", "(",
  ]

  /// Paths in the order of the text, each once, that may be scripts.
  package static func candidates(in text: String) -> [String] {
    var found: [String] = []
    for command in simpleCommands(text) {
      var words = command[...]
      while let word = words.first, prefixes.contains(word) || isAssignment(word) { words = words.dropFirst() }
      guard let first = words.first else { continue }
      var path: String?
      if interpreters.contains(first.split(separator: "/").last.map(String.init) ?? first) {
        // `-c` and `-e` are followed by a program's text, `-m` by a module.
        let rest = words.dropFirst().prefix { !["-c", "-e", "-m"].contains($0) }
        path = rest.first { !$0.hasPrefix("-") }
      } else if first.contains("/") {
        path = first
      }
      if let path, !path.isEmpty, !found.contains(where: { sameBytes($0, path) }) { found.append(path) }
    }
    return found
  }

  /// Those that are files of the project.
  static func files(in text: String, root: FilePath) -> [FilePath] {
    candidates(in: text).map { FilePath($0) }.filter { path in
      guard path.bytes.first != UInt8(ascii: "/"), let status = (try? Files.status(root.appending(path))) ?? nil else {
        return false
      }
      return status.isRegular
    }
  }

  private static func isAssignment(_ word: String) -> Bool {
    guard let equal = word.firstIndex(of: "="), equal != word.startIndex else { return false }
    return word[..<equal].utf8.allSatisfy { $0 == 0x5F || (0x30...0x39).contains($0) || ($0 | 0x20) >= 0x61 }
  }

  /// The words of each simple command, quotes taken off; words with what the shell would replace are left empty.
  private static func simpleCommands(_ text: String) -> [[String]] {
    var commands: [[String]] = []
    var words: [String] = []
    var word: [UInt8] = []
    var isWord = false
    var isKnown = true
    func endWord() {
      if isWord { words.append(isKnown ? String(decoding: word, as: UTF8.self) : "") }
      (word, isWord, isKnown) = ([], false, true)
    }
    func endCommand() {
      endWord()
      if !words.isEmpty { commands.append(words) }
      words = []
    }
    var quote: UInt8?
    var isEscaped = false
    for byte in text.utf8 {
      if isEscaped {
        isEscaped = false
        // An escaped line end is nothing at all, not even an empty word.
        if byte != 0x0A {
          word.append(byte)
          isWord = true
        }
      } else if let open = quote {
        if byte == open {
          quote = nil
        } else if byte == UInt8(ascii: "\\"), open == UInt8(ascii: "\"") {
          isEscaped = true
        } else {
          if open == UInt8(ascii: "\""), byte == UInt8(ascii: "$") || byte == UInt8(ascii: "`") { isKnown = false }
          word.append(byte)
        }
      } else {
        switch byte {
        case UInt8(ascii: "\\"): isEscaped = true
        case UInt8(ascii: "'"), UInt8(ascii: "\""): (quote, isWord) = (byte, true)
        case 0x20, 0x09: endWord()
        case 0x0A, UInt8(ascii: ";"), UInt8(ascii: "&"), UInt8(ascii: "|"), UInt8(ascii: "("), UInt8(ascii: ")"):
          endCommand()
        default:
          if "$`*?[<>".utf8.contains(byte) { isKnown = false }
          word.append(byte)
          isWord = true
        }
      }
    }
    endCommand()
    return commands
  }
}
