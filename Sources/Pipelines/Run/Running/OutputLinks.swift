import Basics
import Foundation
import Store

/// The links in `out/PIPELINE/STAGE/` that lead people to the newest outputs.
struct OutputLinks {
  private let pipeline: Pipeline
  private let project: Project
  private let objects: ObjectStore
  private let cache: FileDigestCache
  /// For each path that commands declare, the last cell that does: the cells of a matrix may share one.
  private let owners: [[UInt8]: String]

  init(pipeline: Pipeline, project: Project, objects: ObjectStore, cache: FileDigestCache) {
    self.pipeline = pipeline
    self.project = project
    self.objects = objects
    self.cache = cache
    var owners: [[UInt8]: String] = [:]
    for cell in pipeline.cells {
      for output in cell.outputs { if let path = output.path { owners[Array(path.utf8)] = cell.id } }
    }
    self.owners = owners
  }

  /// Points a cell's links at its outputs, and puts a command's files where it declares them.
  func point(_ cell: StageCell, to outputs: [OutputRecord]) throws {
    let folder = folder(of: cell)
    for output in outputs {
      let target = objects.path(output.digest)
      try point(folder.appending(PlainName.of(output.name)), to: target)
      if let path = cell.outputs.first(where: { sameBytes($0.name, output.name) })?.path,
        let owner = owners[Array(path.utf8)], sameBytes(owner, cell.id)
      {
        try putBack(output.digest, at: project.root.appending(path))
      }
    }
  }

  /// The cells whose declared paths this one writes too, and which own them.
  func owners(beside cell: StageCell) -> [Int] {
    cell.outputs.compactMap { output in
      guard let path = output.path, let owner = owners[Array(path.utf8)], !sameBytes(owner, cell.id) else { return nil }
      return pipeline.index(of: owner)
    }
  }

  /// `out/PIPELINE/STAGE`, and below it a folder for each point of a matrix.
  func folder(of cell: StageCell) -> FilePath {
    let stage = project.root.appending("out").appending(PlainName.of(pipeline.name))
      .appending(PlainName.of(cell.stage))
    guard cell.id.utf8.count > cell.stage.utf8.count + 2 else { return stage }
    let point = String(decoding: cell.id.utf8.dropFirst(cell.stage.utf8.count + 1).dropLast(), as: UTF8.self)
    return stage.appending(PlainName.of(point))
  }

  private func point(_ link: FilePath, to target: FilePath) throws {
    let text = relative(target, from: link.parent)
    if let status = try Files.status(link, followLinks: false) {
      guard status.isLink else {
        throw RunError(
          "a file of yours lies where the link to a result belongs", at: link.display, remedy: "move it away")
      }
      if OutputLinks.destination(of: link) == text { return }
    }
    try Files.makeFolder(link.parent)
    let fresh = link.parent.appending(".link-\(UInt64.random(in: 0...UInt64.max))")
    let code = unsafe text.withCString { target in unsafe fresh.withCString { unsafe symlink(target, $0) } }
    guard code == 0 else { throw FileError("make the link", link) }
    try Files.rename(fresh, to: link)
  }

  /// Makes the place hold the object. What lies there is replaced only if it is an earlier result itself.
  private func putBack(_ digest: Digest, at place: FilePath) throws {
    let present = try Files.status(place, followLinks: false)
    if present != nil {
      let found = try Content.read(place, cache: cache).digest
      if found == digest { return }
      guard try objects.size(found) != nil else {
        throw RunError(
          "differs from the result that was made there, and is left as it is", at: place.display,
          remedy: "remove it to have the result put there again")
      }
    }
    try Files.makeFolder(place.parent)
    let fresh = place.parent.appending(".fettle-\(UInt64.random(in: 0...UInt64.max))")
    try objects.copyOut(objects.path(digest), to: fresh)
    if present?.isFolder == true { try Files.removeTree(place) }
    try Files.rename(fresh, to: place)
  }

  /// `target` as seen from `folder`; both lie below the root.
  private func relative(_ target: FilePath, from folder: FilePath) -> FilePath {
    let up = project.relative(folder).bytes.split(separator: UInt8(ascii: "/")).count
    let steps = repeatElement(Array("../".utf8), count: up).flatMap { $0 }
    return FilePath(bytes: steps + project.relative(target).bytes)
  }

  static func destination(of link: FilePath) -> FilePath? {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = unsafe link.withCString { unsafe readlink($0, &buffer, buffer.count) }
    return count > 0 ? FilePath(bytes: buffer[..<count].map { UInt8(bitPattern: $0) }) : nil
  }
}
