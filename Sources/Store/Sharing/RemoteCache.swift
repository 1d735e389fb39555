import Basics
import Foundation

/// A shared cache on another machine: `user@host:path`, reached by rsync, or by ssh and tar where rsync is missing.
///
/// Remote files only ever land in a staging folder, from which `SharedCache` takes what proves to be whole.
package struct RemoteCache {
  package let host: String
  package let path: String
  private let tool: Tool

  private enum Tool { case rsync, ssh }

  /// Nil for a text that names a folder: one without a colon, or with a slash before it.
  package init?(_ text: String) throws(StoreError) {
    guard let colon = text.firstIndex(of: ":"), !text[..<colon].contains("/"), colon != text.startIndex else {
      return nil
    }
    host = String(text[..<colon])
    path = String(text[text.index(after: colon)...])
    guard !host.hasPrefix("-"), !path.isEmpty, !path.hasPrefix("-"), !path.contains("\n") else {
      throw StoreError(
        "the remote cache is not named as user@host:path", value: text, remedy: "give an absolute path after the colon")
    }
    if RemoteCache.has("rsync") {
      tool = .rsync
    } else if RemoteCache.has("ssh"), RemoteCache.has("tar") {
      tool = .ssh
    } else {
      throw StoreError(
        "neither rsync nor ssh is installed", value: text, remedy: "install rsync, or name a folder that is mounted")
    }
  }

  private var place: String { "\(host):\(path)" }

  /// Sends what lies in the staging folder; what is there already stays, unless it shall be replaced.
  package func send(_ staging: FilePath, replaces: Bool = false) throws(StoreError) {
    switch tool {
    case .rsync:
      let keeping = replaces ? "--checksum" : "--ignore-existing"
      try run("rsync", ["-rt", keeping, "--mkpath", "--", "\(staging.display)/", "\(place)/"])
    case .ssh:
      try pipe(
        ["tar", "-C", staging.display, "-cf", "-", "."],
        ["ssh", "--", host, "mkdir -p \(quoted) && tar -C \(quoted) \(replaces ? "" : "--skip-old-files") -xf -"])
    }
  }

  /// Brings all receipts into the staging folder.
  package func fetchReceipts(_ staging: FilePath) throws(StoreError) {
    switch tool {
    case .rsync:
      let target = staging.appending("results").display
      try run("rsync", ["-rt", "--max-size=64m", "--", "\(place)/results/", "\(target)/"])
    case .ssh:
      try pipe(["ssh", "--", host, "tar -C \(quoted) -cf - results"], ["tar", "-C", staging.display, "-xf", "-"])
    }
  }

  /// Brings these objects into the staging folder; one that is not there is simply missing afterwards.
  package func fetch(_ digests: [Digest], _ staging: FilePath) throws(StoreError) {
    guard !digests.isEmpty else { return }
    let names = digests.map { ResultReceipt.objectPlace($0).display }
    let list = staging.appending("wanted.txt")
    try storing { () throws(FileError) in
      try Files.writeAtomically(Array((names.joined(separator: "\n") + "\n").utf8), to: list)
    }
    switch tool {
    case .rsync:
      try run(
        "rsync",
        ["-rt", "--ignore-missing-args", "--files-from=\(list.display)", "--", "\(place)/", "\(staging.display)/"])
    case .ssh:
      try pipe(
        ["cat", list.display],
        ["ssh", "--", host, "tar -C \(quoted) --ignore-failed-read -cf - -T - 2>/dev/null; true"],
        ["tar", "-C", staging.display, "-xf", "-"])
    }
  }

  // MARK: - Programs

  /// The path as a word of the remote shell.
  private var quoted: String { "'" + path.replacing("'", with: "'\\''") + "'" }

  private static func find(_ name: String) -> String? {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    return folders.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  private static func has(_ name: String) -> Bool { find(name) != nil }

  private func run(_ name: String, _ arguments: [String]) throws(StoreError) {
    try pipe([name] + arguments)
  }

  /// Runs programs side by side, each reading what the one before writes.
  private func pipe(_ commands: [String]...) throws(StoreError) {
    var processes: [Process] = []
    var upstream: Pipe?
    for (index, command) in commands.enumerated() {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: RemoteCache.find(command[0]) ?? command[0])
      process.arguments = Array(command.dropFirst())
      if let upstream { process.standardInput = upstream }
      if index + 1 < commands.count {
        let pipe = Pipe()
        process.standardOutput = pipe
        upstream = pipe
      } else {
        process.standardOutput = FileHandle.standardError
      }
      do { try process.run() } catch {
        for started in processes { started.terminate() }
        throw StoreError("\(command[0]) can not be started", value: "\(error.localizedDescription)")
      }
      processes.append(process)
    }
    for (process, command) in zip(processes, commands) {
      process.waitUntilExit()
      guard process.terminationStatus == 0 else {
        throw StoreError(
          "\(command[0]) ended with code \(process.terminationStatus)", at: FilePath(place),
          remedy: "see its message above; check the host, the path and your key")
      }
    }
  }
}
