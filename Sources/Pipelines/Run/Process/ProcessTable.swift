import Basics
import Foundation

/// The processes of the machine at one moment.
struct ProcessTable {
  struct Entry {
    let pid: Int
    let parent: Int
    /// It has ended and waits for its parent to notice.
    let isDead: Bool
  }

  let entries: [Entry]

  static func now() -> ProcessTable { ProcessTable(entries: pids().compactMap { entry($0) }) }

  /// The numbers of all processes.
  static func pids() -> [Int] {
    ((try? Files.list("/proc")) ?? []).compactMap { name in
      guard let first = name.bytes.first, (0x30...0x39).contains(first) else { return nil }
      return Int(name.display)
    }
  }

  /// Everything below a process, without it.
  func descendants(of root: Int) -> [Entry] {
    var children: [Int: [Entry]] = [:]
    for entry in entries { children[entry.parent, default: []].append(entry) }
    var found: [Entry] = []
    var open = [root]
    while let pid = open.popLast() {
      for child in children.removeValue(forKey: pid) ?? [] {
        found.append(child)
        open.append(child.pid)
      }
    }
    return found
  }

  private static func entry(_ pid: Int) -> Entry? {
    // The name in parentheses may hold anything; the fields after the last one are plain.
    guard let text = ProcessTree.text("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 1, let parent = Int(fields[1]) else { return nil }
    return Entry(pid: pid, parent: parent, isDead: fields[0] == "Z" || fields[0] == "X")
  }
}
