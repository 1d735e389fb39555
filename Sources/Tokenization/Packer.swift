/// Puts examples together into blocks of at most `maxSequenceLength` tokens.
///
/// Best fit, longest first: each example goes into the block with the least room that still takes it (Johnson, "Near-
/// optimal bin packing algorithms", 1973: at most 11/9 of the least number of blocks). The result depends on the
/// lengths only. Without packing every example is a block of its own.
package struct Packer: Sendable {
  package let maxSequenceLength: Int
  package let isPacking: Bool

  package init(maxSequenceLength: Int, packing: Bool) {
    self.maxSequenceLength = maxSequenceLength
    isPacking = packing
  }

  /// Blocks as indices into `lengths`: ascending inside a block, blocks in the order of their first example.
  /// Every length must be in `1...maxSequenceLength`.
  package func blocks(of lengths: [Int]) -> [[Int]] {
    guard isPacking else { return lengths.indices.map { [$0] } }
    let order = lengths.indices.sorted { (lengths[$0], -$0) > (lengths[$1], -$1) }
    var blocks: [[Int]] = []
    var open = OpenBlocks(maxSequenceLength)
    for index in order {
      let length = lengths[index]
      if let (block, room) = open.take(length) {
        blocks[block].append(index)
        open.add(block, room: room - length)
      } else {
        blocks.append([index])
        open.add(blocks.count - 1, room: maxSequenceLength - length)
      }
    }
    return blocks.map { $0.sorted() }.sorted { $0[0] < $1[0] }
  }
}

/// Blocks by the room left in them, with a bit for every room that some block has.
private struct OpenBlocks {
  private var byRoom: [[Int]]
  private var words: [UInt64]

  init(_ size: Int) {
    byRoom = Array(repeating: [], count: max(0, size) + 1)
    words = Array(repeating: 0, count: (max(0, size) + 64) / 64)
  }

  mutating func add(_ block: Int, room: Int) {
    guard room > 0 else { return }
    byRoom[room].append(block)
    words[room / 64] |= 1 << UInt64(room % 64)
  }

  /// Takes out the block with the least room of at least `length`, the newest of equals.
  mutating func take(_ length: Int) -> (block: Int, room: Int)? {
    guard length < byRoom.count else { return nil }
    var word = length / 64
    var bits = words[word] & (~0 << UInt64(length % 64))
    while bits == 0 {
      word += 1
      guard word < words.count else { return nil }
      bits = words[word]
    }
    let room = word * 64 + bits.trailingZeroBitCount
    guard let block = byRoom[room].popLast() else { return nil }
    if byRoom[room].isEmpty { words[word] &= ~(1 << UInt64(room % 64)) }
    return (block, room)
  }
}
