import Basics
import Foundation

/// A folder that is gone when its owner is.
final class TemporaryFolder {
  let path: FilePath

  init() throws {
    path = FilePath(NSTemporaryDirectory()).appending("fettle-models-\(UInt64.random(in: 0...UInt64.max))")
    try Files.makeFolder(path)
  }

  /// Writes a file and gives its path.
  func write(_ bytes: [UInt8], as name: String) throws -> FilePath {
    let file = path.appending(name)
    try Files.writeAtomically(bytes, to: file)
    return file
  }

  func write(_ text: String, as name: String) throws -> FilePath { try write(Array(text.utf8), as: name) }

  deinit { try? Files.removeTree(path) }
}

/// The folder of outside data that golden tests read, named by FETTLE_TEST_DATA.
enum GoldenData {
  static let folder: FilePath? = {
    guard let text = ProcessInfo.processInfo.environment["FETTLE_TEST_DATA"], !text.isEmpty else {
      print("FETTLE_TEST_DATA is not set: golden tests of Models are skipped")
      return nil
    }
    return FilePath(text)
  }()
}
