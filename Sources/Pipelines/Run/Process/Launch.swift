import Basics

/// A program to start: what `posix_spawn` needs.
package struct Launch: Sendable {
  package var executable: FilePath
  /// All arguments after the program's name.
  package var arguments: [FilePath]
  /// Set in addition to the runner's own environment.
  package var environment: [(name: String, value: FilePath)]

  package init(
    executable: FilePath, arguments: [FilePath], environment: [(name: String, value: FilePath)] = []
  ) {
    self.executable = executable
    self.arguments = arguments
    self.environment = environment
  }
}

/// Says which program makes an attempt.
package protocol AttemptLauncher: Sendable {
  /// The program for the attempt that `spec` describes; the same lies in `file`.
  func launch(_ spec: AttemptSpec, file: FilePath) -> Launch
}

/// Starts this program again with its hidden subcommand.
package struct ProgramLauncher: AttemptLauncher {
  private let executable: FilePath

  package init(executable: FilePath) { self.executable = executable }

  package func launch(_ spec: AttemptSpec, file: FilePath) -> Launch {
    Launch(executable: executable, arguments: ["__attempt", file])
  }
}
