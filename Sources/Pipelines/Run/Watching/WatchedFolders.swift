import Basics
import Foundation
import Store

/// The folders in which a change may make a stage run again: of the pipeline file, and of all that its stages read.
struct WatchedFolders {
  private let project: Project
  private(set) var folders: Set<FilePath> = []

  init(file: FilePath, project: Project) {
    self.project = project
    add(parentOf: file)
  }

  init(file: FilePath, project: Project, plan: Plan) {
    self.init(file: file, project: project)
    for entry in plan.entries {
      for witness in entry.fingerprint?.witnesses ?? [] { add(parentOf: witness.path) }
      for input in entry.cell.inputs { if case .file(let text) = input.source { add(path: FilePath(text)) } }
      for reference in entry.cell.references {
        switch reference.target {
        case .path(let text): add(path: FilePath(text))
        case .glob(let pattern): add(glob: FilePath(pattern))
        case .model, .builtIn, .output: break
        }
      }
    }
  }

  /// The folder a path lies in; for a link also the one of what it leads to.
  private mutating func add(parentOf path: FilePath) {
    insert(path.parent)
    if let target = WatchedFolders.resolved(path), target != path { insert(target.parent) }
  }

  private mutating func add(path: FilePath) {
    let place = project.root.appending(path)
    add(parentOf: place)
    add(treeOf: place)
  }

  /// Everything below the part of a pattern that has no wildcard.
  private mutating func add(glob pattern: FilePath) {
    var place = project.root
    for part in pattern.bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
      if part.contains(where: { "*?[".utf8.contains($0) }) { break }
      place = part.isEmpty && place == project.root ? "/" : place.appending(FilePath(bytes: Array(part)))
    }
    add(treeOf: place)
  }

  private mutating func add(treeOf folder: FilePath) {
    var open = [folder]
    while let place = open.popLast() {
      guard folders.count < 20_000, (try? Files.status(place))??.isFolder == true else { continue }
      let known = folders.contains(place)
      insert(place)
      if known, place != folder { continue }
      for name in (try? Files.list(place)) ?? [] {
        let below = place.appending(name)
        if (try? Files.status(below))??.isFolder == true, below != project.cache.path { open.append(below) }
      }
    }
  }

  /// The folder, or the nearest one above it that is there.
  private mutating func insert(_ folder: FilePath) {
    var place = folder
    while (try? Files.status(place))??.isFolder != true, place != place.parent { place = place.parent }
    let cache = project.cache.path.bytes
    if !place.bytes.starts(with: cache) { folders.insert(place) }
  }

  private static func resolved(_ path: FilePath) -> FilePath? {
    guard let text = unsafe path.withCString({ unsafe realpath($0, nil) }) else { return nil }
    defer { unsafe free(text) }
    return FilePath(bytes: unsafe UnsafeBufferPointer(start: text, count: strlen(text)).map { UInt8(bitPattern: $0) })
  }
}
