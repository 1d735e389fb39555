import Basics
import Foundation
import Models
import Tensors

/// Checkpoints of a training in one folder, `checkpoint-STEP` each: weights, moments, and where the training stands.
///
/// One is written under a temporary name, its data files first, its manifest last, all made durable, and published by a
/// rename: whatever stops the writer, a folder of this name is whole. Digests in the manifest tell a damaged one, and
/// the one before it is used.
struct CheckpointFolder {
  let path: FilePath
  /// What the checkpoints belong to: another model, data set or setting must not go on from them.
  let identity: Digest

  /// Checkpoints kept at a time.
  static let kept = 2
  private static let prefix = "checkpoint-"
  private static let partialPrefix = ".partial-"
  private static let manifestName = "manifest.json"

  /// Saves the state, then removes all but the newest checkpoints.
  func save(_ state: TrainingState, engine: TrainingEngine) throws(TrainingError) {
    try rethrowing {
      try Files.makeFolder(path)
      try removePartial()
      let temporary = path.appending(CheckpointFolder.partialPrefix + String(state.step))
      var published = false
      defer { if !published { try? Files.removeTree(temporary) } }
      try Files.makeFolder(temporary)
      var files: [JSON] = []
      for (name, slots) in parts(engine) {
        let written = try write(slots, engine.memory, to: temporary.appending(name))
        files.append(
          ["name": JSON(name), "bytes": JSON(written.bytes), "sha256": JSON(written.digest.hex)])
      }
      let manifest: JSON = [
        "format": 1, "identity": JSON(identity.hex), "state": state.json, "files": .array(files),
      ]
      try Files.writeAtomically(manifest.encoded(), to: temporary.appending(CheckpointFolder.manifestName))
      try Files.synchroniseFolder(temporary)
      let final = path.appending(CheckpointFolder.name(state.step))
      try Files.removeTree(final)
      try Files.rename(temporary, to: final)
      published = true
      try Files.synchroniseFolder(path)
      try removeOld()
    }
  }

  /// Loads the newest checkpoint that is whole and belongs to this training into `engine`.
  ///
  /// Returns nil when there is none; then the engine's weights and moments may hold anything and must be set anew.
  /// `notice` is told why one was passed over.
  func restore(into engine: TrainingEngine, notice: (String) -> Void) throws(TrainingError) -> TrainingState? {
    for step in try steps().reversed() {
      let folder = path.appending(CheckpointFolder.name(step))
      do { return try load(folder, into: engine) } catch {
        notice("passed over \(folder.display): \(problem(of: error).description)")
      }
    }
    return nil
  }

  /// Steps of all published checkpoints, ascending.
  func steps() throws(TrainingError) -> [Int] {
    guard Files.exists(path) else { return [] }
    let names = try rethrowing { try Files.list(path) }
    return names.compactMap { name in
      guard name.display.hasPrefix(CheckpointFolder.prefix) else { return nil }
      return Int(name.display.dropFirst(CheckpointFolder.prefix.count))
    }.sorted()
  }

  private static func name(_ step: Int) -> String { prefix + String(step) }

  private func parts(_ engine: TrainingEngine) -> [(name: String, slots: [WeightSlot])] {
    [
      ("weights.bin", engine.weights), ("first_moments.bin", engine.firstMoments),
      ("second_moments.bin", engine.secondMoments),
    ]
  }

  /// Writes the slots' values one behind the other, as little-endian f32.
  private func write(
    _ slots: [WeightSlot], _ memory: any LoadedProgram, to path: FilePath
  ) throws -> (bytes: Int, digest: Digest) {
    let file = try File(path, flags: O_WRONLY | O_CREAT | O_EXCL)
    var hasher = SHA256()
    var offset = 0
    var buffer = [Float](repeating: 0, count: slots.map { WeightPieces.largest($0) }.max() ?? 0)
    for slot in slots {
      for rows in WeightPieces.rows(slot) {
        try unsafe buffer.withUnsafeMutableBufferPointer { whole in
          let piece = unsafe UnsafeMutableBufferPointer(rebasing: whole[..<(rows.count * slot.view.columns)])
          unsafe memory.readRows(rows, of: slot, into: piece)
          let bytes = UnsafeRawBufferPointer(piece)
          unsafe hasher.update(bytes)
          unsafe try file.write(bytes, at: offset)
          offset += bytes.count
        }
      }
    }
    try file.synchronise()
    return (offset, hasher.finish())
  }

  private func load(_ folder: FilePath, into engine: TrainingEngine) throws -> TrainingState {
    let manifestPath = folder.appending(CheckpointFolder.manifestName)
    let manifest = try JSONParser.parse(Files.read(manifestPath, limit: 1 << 30))
    guard manifest["format"]?.int == 1 else { throw TrainingError("unknown checkpoint format") }
    guard manifest["identity"]?.string == identity.hex else {
      throw TrainingError("it belongs to another model, data set or setting")
    }
    guard let state = manifest["state"].flatMap({ TrainingState($0) }), let files = manifest["files"]?.array else {
      throw TrainingError("its manifest lacks a part")
    }
    for (name, slots) in parts(engine) {
      guard let entry = files.first(where: { $0["name"]?.string == name }), let digest = entry["sha256"]?.string else {
        throw TrainingError("its manifest does not name \(name)")
      }
      guard try read(slots, engine.memory, from: folder.appending(name)).hex == digest else {
        throw TrainingError("the bytes of \(name) are not those that were written")
      }
    }
    return state
  }

  /// Reads what `write` wrote; returns the digest of the bytes read.
  private func read(_ slots: [WeightSlot], _ memory: any LoadedProgram, from path: FilePath) throws -> Digest {
    let file = try File(reading: path)
    guard try file.size() == slots.reduce(0, { $0 + $1.bytes }) else {
      throw TrainingError("\(path.name) does not have the size that was written")
    }
    var hasher = SHA256()
    var offset = 0
    var buffer = [Float](repeating: 0, count: slots.map { WeightPieces.largest($0) }.max() ?? 0)
    for slot in slots {
      for rows in WeightPieces.rows(slot) {
        try unsafe buffer.withUnsafeMutableBytes { whole in
          let count = rows.count * slot.view.columns * MemoryLayout<Float>.stride
          let piece = unsafe UnsafeMutableRawBufferPointer(rebasing: whole[..<count])
          guard unsafe try file.read(into: piece, at: offset) == count else {
            throw TrainingError("\(path.name) ends early")
          }
          let bytes = UnsafeRawBufferPointer(piece)
          unsafe hasher.update(bytes)
          unsafe memory.write(bytes, to: slot.view.tensor, at: slot.byteOffset(row: rows.lowerBound))
          offset += count
        }
      }
    }
    return hasher.finish()
  }

  /// What writers that were killed left behind.
  private func removePartial() throws {
    for name in try Files.list(path) where name.display.hasPrefix(CheckpointFolder.partialPrefix) {
      try Files.removeTree(path.appending(name))
    }
  }

  private func removeOld() throws {
    for step in try steps().dropLast(CheckpointFolder.kept) {
      try Files.removeTree(path.appending(CheckpointFolder.name(step)))
    }
  }
}
