import Basics
import Foundation

/// The folder of fetched models, shared by all projects of a user.
package enum ModelCache {
  /// `$FETTLE_CACHE`, else `$XDG_CACHE_HOME/fettle`, else `~/.cache/fettle`; models lie in `models` below it.
  package static var folder: FilePath {
    let environment = ProcessInfo.processInfo.environment
    func given(_ name: String) -> FilePath? { environment[name].flatMap { $0.isEmpty ? nil : FilePath($0) } }
    let base =
      given("FETTLE_CACHE") ?? given("XDG_CACHE_HOME")?.appending("fettle")
      ?? (given("HOME") ?? FilePath("/tmp")).appending(".cache/fettle")
    return base.appending("models")
  }
}
