import Basics
import Foundation

/// Commands that answer one line with one line.
enum JSONLines {
  /// Answers every line of standard input with one JSON line on standard output, flushed; a line that fails is
  /// answered by `{"error":…,"line":…}`, and the exit code at the end is 1. Empty lines are passed over.
  static func map(_ invocation: Invocation, _ answer: (JSON) throws -> JSON) throws -> ExitCode {
    let terminal = Terminal(invocation)
    var reader = LineReader(descriptor: STDIN_FILENO)
    var number = 0
    var hasFailed = false
    while let line = try reader.next() {
      number += 1
      do {
        switch line {
        case .tooLong: throw UsageError("a line of more than 64 MiB")
        case .text(let bytes):
          if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
          terminal.print(try answer(try JSONParser.parse(bytes)), pretty: false)
        }
      } catch {
        hasFailed = true
        terminal.print(["error": .string(problem(of: error).description), "line": JSON(number)], pretty: false)
      }
    }
    return hasFailed ? .failed : .done
  }
}
