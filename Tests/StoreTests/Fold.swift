import Basics
import Foundation

/// A folder of a test's own, removed at its end.
final class Fold: Sendable {
  let path: FilePath

  init() throws {
    path = FilePath(NSTemporaryDirectory()).appending("fettle-store-\(UInt64.random(in: 0...UInt64.max))")
    try Files.makeFolder(path)
  }

  func write(_ name: FilePath, _ text: String) throws {
    try Files.makeFolder(path.appending(name).parent)
    try Files.writeAtomically(Array(text.utf8), to: path.appending(name))
  }

  deinit { try? Files.removeTree(path) }
}
