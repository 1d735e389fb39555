import Basics
import Tensors

/// Main memory for tensors, and a page file below it where one was asked for.
final class CPUArena: ArenaMemory, Sendable {
  let memory: Arena
  let pages: PageFile?
  let transfers: TransferQueue?

  init(bytes: Int, pages space: PageSpace?) throws(TensorError) {
    memory = try Arena(bytes: bytes)
    if let space, space.bytes > 0 {
      let file = try PageFile(space)
      pages = file
      transfers = TransferQueue(pages: file)
    } else {
      pages = nil
      transfers = nil
    }
  }

  deinit { transfers?.stop() }

  var bytes: Int { memory.bytes }
  var pageBytes: Int { pages?.bytes ?? 0 }
}
