import Basics
import Foundation

/// Tells when something changes directly inside any of a set of folders (inotify): no folder is read to find out.
final class FolderWatch {
  private let descriptor: Int32
  private var watches: [FilePath: Int32] = [:]

  private static let mask = UInt32(
    IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF
      | IN_ATTRIB)

  init() throws(RunError) {
    descriptor = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
    guard descriptor >= 0 else {
      throw RunError("files can not be watched: \(unsafe String(cString: strerror(errno)))")
    }
  }

  /// Watches these folders and no others; gives whether one of them is new, and those that can not be watched.
  func set(_ folders: Set<FilePath>) -> (isNew: Bool, failed: [FilePath]) {
    for (folder, watch) in watches where !folders.contains(folder) {
      inotify_rm_watch(descriptor, watch)
      watches[folder] = nil
    }
    var failed: [FilePath] = []
    var isNew = false
    for folder in folders where watches[folder] == nil {
      let watch = unsafe folder.withCString { unsafe inotify_add_watch(descriptor, $0, FolderWatch.mask) }
      if watch >= 0 {
        watches[folder] = watch
        isNew = true
      } else {
        failed.append(folder)
      }
    }
    return (isNew, failed)
  }

  /// Waits for a change and then until nothing changes for `calm` milliseconds; false when `stop` became readable.
  func wait(stop: Int32, calm: Int32 = 150) -> Bool {
    guard waitOnce(stop: stop, milliseconds: -1) == .changed else { return false }
    let end = DispatchTime.now() + .seconds(2)
    while DispatchTime.now() < end {
      drain()
      switch waitOnce(stop: stop, milliseconds: calm) {
      case .changed: continue
      case .calm: return true
      case .stopped: return false
      }
    }
    drain()
    return true
  }

  private enum Outcome { case changed, calm, stopped }

  private func waitOnce(stop: Int32, milliseconds: Int32) -> Outcome {
    var descriptors = [
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: stop, events: Int16(POLLIN), revents: 0),
    ]
    while true {
      let count = unsafe poll(&descriptors, 2, milliseconds)
      if count < 0, errno == EINTR { continue }
      if descriptors[1].revents != 0 || count < 0 { return .stopped }
      return descriptors[0].revents != 0 ? .changed : .calm
    }
  }

  /// Forgets what was told so far; a watch that ended with its folder is forgotten too.
  private func drain() {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe read(descriptor, &buffer, buffer.count)
      guard count > 0 else { return }
      var place = 0
      while place + 16 <= count {
        let (watch, mask, length) = unsafe buffer.withUnsafeBytes { raw in
          unsafe (
            raw.loadUnaligned(fromByteOffset: place, as: Int32.self),
            raw.loadUnaligned(fromByteOffset: place + 4, as: UInt32.self),
            raw.loadUnaligned(fromByteOffset: place + 12, as: UInt32.self)
          )
        }
        if mask & UInt32(IN_IGNORED) != 0 { watches = watches.filter { $0.value != watch } }
        place += 16 + Int(length)
      }
    }
  }

  deinit { close(descriptor) }
}
