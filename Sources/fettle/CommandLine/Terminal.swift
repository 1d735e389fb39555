import Basics
import Foundation

/// Standard output for results, standard error for progress and messages.
final class Terminal: Sendable {
  let isQuiet: Bool
  let wantsJSON: Bool
  /// Whether standard error is a terminal that redraws lines.
  let isInteractive: Bool
  let hasColour: Bool
  /// Whether standard output is a terminal.
  let isForPeople: Bool

  init(_ invocation: Invocation) {
    isQuiet = invocation.has("quiet")
    wantsJSON = invocation.has("json")
    let environment = ProcessInfo.processInfo.environment
    isForPeople = isatty(STDOUT_FILENO) == 1
    isInteractive = isatty(STDERR_FILENO) == 1 && environment["TERM"] != "dumb"
    hasColour = isatty(STDOUT_FILENO) == 1 && environment["TERM"] != "dumb" && (environment["NO_COLOR"] ?? "").isEmpty
  }

  /// Writes a line of results; a reader that went away ends the program quietly.
  func print(_ text: String) { Terminal.write(text + "\n", to: STDOUT_FILENO) }

  /// A JSON document as result.
  func print(_ json: JSON, pretty: Bool = true) { print(json.text(pretty: pretty)) }

  /// Writes a message unless quiet.
  func say(_ text: String) {
    if !isQuiet { Terminal.write((isInteractive ? "\r\u{1B}[K" : "") + text + "\n", to: STDERR_FILENO) }
  }

  /// Redraws the progress line of a terminal.
  func redraw(_ text: String) {
    if !isQuiet, isInteractive { Terminal.write("\r\u{1B}[K" + text, to: STDERR_FILENO) }
  }

  /// Writes an error, also when quiet.
  static func complain(_ text: String) { write("fettle: \(text)\n", to: STDERR_FILENO) }

  /// Writes text; the process ends where results can not be written, messages are lost.
  static func write(_ text: String, to descriptor: Int32) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = unsafe bytes.withUnsafeBytes { unsafe Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        if descriptor == STDOUT_FILENO {
          if errno != EPIPE { complain("cannot write the results: \(unsafe String(cString: strerror(errno)))") }
          exit(ExitCode.failed.rawValue)
        }
        return
      }
      bytes = bytes.dropFirst(count)
    }
  }
}

/// A table in columns as wide as their widest cell; the first row is the heading.
struct TextTable {
  private var rows: [[String]]

  init(_ heading: [String]) { rows = [heading] }

  mutating func add(_ row: [String]) { rows.append(row) }

  /// Columns of numbers (those whose cells all begin with a digit, sign or dash) stand to the right.
  var text: String {
    let columns = rows[0].count
    let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
    let isNumeric = (0..<columns).map { column in
      rows.dropFirst().allSatisfy { row in row[column].first.map { $0.isNumber || "+-–<".contains($0) } ?? true }
    }
    return rows.map { row in
      var line = ""
      for column in 0..<columns {
        let space = String(repeating: " ", count: widths[column] - row[column].count)
        line += (isNumeric[column] ? space + row[column] : row[column] + space) + "  "
      }
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}
