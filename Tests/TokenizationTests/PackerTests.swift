import Basics
import Testing
import Tokenization

@Suite struct Packing {
  @Test func `examples go where the least room is left`() {
    let packer = Packer(maxSequenceLength: 10, packing: true)
    #expect(packer.blocks(of: [6, 3, 7, 4, 10, 1]) == [[0, 3], [1, 2], [4], [5]])
    #expect(packer.blocks(of: []) == [])
  }

  @Test func `without packing every example is a block`() {
    #expect(Packer(maxSequenceLength: 10, packing: false).blocks(of: [3, 3, 3]) == [[0], [1], [2]])
  }

  @Test(arguments: [1, 2, 63, 64, 65, 128, 1000])
  func `every example is in one block and no block is too long`(size: Int) {
    var generator = SeededGenerator(seed: UInt64(size))
    let lengths = (0..<500).map { _ in 1 + generator.below(size) }
    let packer = Packer(maxSequenceLength: size, packing: true)
    let blocks = packer.blocks(of: lengths)
    #expect(blocks.flatMap { $0 }.sorted() == Array(lengths.indices))
    #expect(blocks.allSatisfy { $0.reduce(0) { $0 + lengths[$1] } <= size })
    #expect(blocks == packer.blocks(of: lengths))
    let least = (lengths.reduce(0, +) + size - 1) / size
    #expect(blocks.count <= least * 11 / 9 + 6)
  }
}
