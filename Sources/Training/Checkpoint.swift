import Basics
import Foundation
import Models
import Tensors

/// Checkpoints of a training in one folder, `checkpoint-STEP` each: weights, the optimizer's states, and where the training stands.
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
      for (name, tensors) in parts(engine) {
        let written = try write(tensors, engine.memory, to: temporary.appending(name))
        files.append(
          ["name": JSON(name), "bytes": JSON(written.bytes), "sha256": JSON(written.digest.hex)])
      }
      let manifest: JSON = [
        "format": 2, "identity": JSON(identity.hex), "state": state.json, "files": .array(files),
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
  /// Returns nil when there is none; then the engine's weights and states may hold anything and must be set anew.
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

  private func parts(_ engine: TrainingEngine) -> [(name: String, tensors: [TensorID])] {
    [("weights.bin", engine.weightTensors), ("states.bin", engine.stateTensors)]
  }

  /// Writes the tensors' bytes one behind the other.
  private func write(
    _ tensors: [TensorID], _ memory: any LoadedProgram, to path: FilePath
  ) throws -> (bytes: Int, digest: Digest) {
    let file = try File(path, flags: O_WRONLY | O_CREAT | O_EXCL)
    var hasher = SHA256()
    var offset = 0
    unsafe try eachPiece(tensors, memory) { tensor, place, piece in
      unsafe try memory.copyOut(tensor, at: place, into: piece)
      let bytes = UnsafeRawBufferPointer(piece)
      unsafe hasher.update(bytes)
      unsafe try file.write(bytes, at: offset)
      offset += bytes.count
    }
    try file.synchronise()
    return (offset, hasher.finish())
  }

  /// Calls `body` with a buffer for each piece of each tensor, in order.
  private func eachPiece(
    _ tensors: [TensorID], _ memory: any LoadedProgram,
    _ body: (_ tensor: TensorID, _ offset: Int, _ piece: UnsafeMutableRawBufferPointer) throws -> Void
  ) throws {
    let largest = tensors.map { memory.program[$0].bytes }.max() ?? 0
    var buffer = [UInt8](repeating: 0, count: min(largest, WeightPieces.bytes))
    try unsafe buffer.withUnsafeMutableBytes { whole in
      for tensor in tensors {
        let bytes = memory.program[tensor].bytes
        for offset in stride(from: 0, to: bytes, by: max(whole.count, 1)) {
          let count = min(whole.count, bytes - offset)
          unsafe try body(tensor, offset, UnsafeMutableRawBufferPointer(rebasing: whole[..<count]))
        }
      }
    }
  }

  private func load(_ folder: FilePath, into engine: TrainingEngine) throws -> TrainingState {
    let manifestPath = folder.appending(CheckpointFolder.manifestName)
    let manifest = try JSONParser.parse(Files.read(manifestPath, limit: 1 << 30))
    guard manifest["format"]?.int == 2 else { throw TrainingError("unknown checkpoint format") }
    guard manifest["identity"]?.string == identity.hex else {
      throw TrainingError("it belongs to another model, data set or setting")
    }
    guard let state = manifest["state"].flatMap({ TrainingState($0) }), let files = manifest["files"]?.array else {
      throw TrainingError("its manifest lacks a part")
    }
    for (name, tensors) in parts(engine) {
      guard let entry = files.first(where: { $0["name"]?.string == name }), let digest = entry["sha256"]?.string else {
        throw TrainingError("its manifest does not name \(name)")
      }
      guard try read(tensors, engine.memory, from: folder.appending(name)).hex == digest else {
        throw TrainingError("the bytes of \(name) are not those that were written")
      }
    }
    return state
  }

  /// Reads what `write` wrote; returns the digest of the bytes read.
  private func read(_ tensors: [TensorID], _ memory: any LoadedProgram, from path: FilePath) throws -> Digest {
    let file = try File(reading: path)
    guard try file.size() == tensors.reduce(0, { $0 + memory.program[$1].bytes }) else {
      throw TrainingError("\(path.name) does not have the size that was written")
    }
    var hasher = SHA256()
    var offset = 0
    unsafe try eachPiece(tensors, memory) { tensor, place, piece in
      guard unsafe try file.read(into: piece, at: offset) == piece.count else {
        throw TrainingError("\(path.name) ends early")
      }
      let bytes = UnsafeRawBufferPointer(piece)
      unsafe hasher.update(bytes)
      unsafe try memory.copyIn(bytes, to: tensor, at: place)
      offset += bytes.count
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
