import Basics
import Foundation
import Testing
import Tokenization

@Suite struct TokenShards {
  private let digest = Digest(of: "a tokenizer")

  private func inFolder<T>(_ body: (FilePath) throws -> T) throws -> T {
    let folder = FilePath(NSTemporaryDirectory()).appending("shard-\(UInt64.random(in: 0...UInt64.max))")
    try Files.makeFolder(folder)
    defer { try? Files.removeTree(folder) }
    return try body(folder)
  }

  /// Examples of 1 to `longest` tokens.
  private func examples(_ count: Int, longest: Int, seed: UInt64 = 1) -> [EncodedExample] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
      let length = 1 + generator.below(longest)
      return EncodedExample(
        ids: (0..<length).map { _ in Int32(generator.below(500)) },
        trained: (0..<length).map { _ in generator.below(2) == 1 })
    }
  }

  @discardableResult
  private func write(_ examples: [EncodedExample], to path: FilePath, packing: Bool = true, length: Int = 64) throws
    -> TokenShardWriter.Summary
  {
    let writer = try TokenShardWriter(path, tokenizer: digest, vocabularySize: 500, maxSequenceLength: length)
    for example in examples { try writer.append(example) }
    return try writer.finish(packing: packing)
  }

  /// Writes without waiting for the disk: hundreds of broken files are tried.
  private func put(_ bytes: some Collection<UInt8>, to path: FilePath) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path.display))
  }

  @Test(arguments: [true, false])
  func `what was written is read, block by block`(packing: Bool) throws {
    try inFolder { folder in
      let examples = examples(100, longest: 64)
      let summary = try write(examples, to: folder.appending("a"), packing: packing)
      let shard = try TokenShard(folder.appending("a"))
      #expect(shard.tokenizer == digest && shard.vocabularySize == 500 && shard.maxSequenceLength == 64)
      #expect(shard.exampleCount == 100 && shard.blockCount == summary.blocks)
      #expect(shard.tokenCount == examples.reduce(0) { $0 + $1.ids.count })
      #expect(shard.trainedTokenCount == examples.reduce(0) { $0 + $1.trainedCount })
      var seen: [Int] = []
      for index in 0..<shard.blockCount {
        let block = try shard.block(index)
        let members = shard.examples(ofBlock: index)
        seen += members
        #expect(block.ids == members.flatMap { examples[$0].ids })
        #expect(block.trained == members.flatMap { examples[$0].trained })
        #expect(block.segmentStarts.count == members.count && block.segmentStarts.first == 0)
        #expect(shard.tokens(ofBlock: index) == block.ids.count && block.ids.count <= 64)
        #expect(shard.trainedTokens(ofBlock: index) == block.trained.count { $0 })
        #expect(shard.longestSegment(ofBlock: index) == members.map { examples[$0].ids.count }.max())
      }
      #expect(seen.sorted() == Array(0..<100))
      if packing { #expect(shard.packingEfficiency > 0.9) } else { #expect(summary.blocks == 100) }
    }
  }

  @Test func `the same examples give the same bytes`() throws {
    try inFolder { folder in
      for name in ["a", "b"] { try write(examples(50, longest: 40), to: folder.appending(name)) }
      #expect(try Files.read(folder.appending("a")) == Files.read(folder.appending("b")))
      let shard = try TokenShard(folder.appending("a"))
      #expect(shard.digest == (try TokenShard(folder.appending("b"))).digest)
    }
  }

  @Test func `the layout of the bytes is fixed`() throws {
    try inFolder { folder in
      let example = EncodedExample(ids: [1, 499, 3], trained: [true, true, false])
      try write([example], to: folder.appending("a"), length: 8)
      let bytes = try Files.read(folder.appending("a"))
      #expect(bytes.count == 64 + 16 + 16 + 80)
      #expect(bytes.starts(with: Array("FTLTOKNS".utf8) + [1, 0, 0, 0, 8, 0, 0, 0, 244, 1, 0, 0]))
      #expect(
        Array(bytes[64..<96]) == [
          1, 0, 0, 0, 243, 1, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        ])
    }
  }

  @Test func `an empty shard is whole`() throws {
    try inFolder { folder in
      try write([], to: folder.appending("a"))
      let shard = try TokenShard(folder.appending("a"))
      #expect(shard.blockCount == 0 && shard.tokenCount == 0 && shard.packingEfficiency == 0)
      #expect(throws: TokenShardError.self) { try shard.block(0) }
    }
  }

  @Test func `a file that was cut anywhere is refused`() throws {
    try inFolder { folder in
      try write(examples(6, longest: 9), to: folder.appending("a"), length: 9)
      let bytes = try Files.read(folder.appending("a"))
      for count in 0..<bytes.count {
        try put(bytes[..<count], to: folder.appending("b"))
        #expect(throws: TokenShardError.self, "cut at \(count)") { try TokenShard(folder.appending("b")) }
      }
      try put(bytes + [0], to: folder.appending("b"))
      #expect(throws: TokenShardError.self) { try TokenShard(folder.appending("b")) }
    }
  }

  @Test func `a file with any byte changed is refused`() throws {
    try inFolder { folder in
      try write(examples(6, longest: 9), to: folder.appending("a"), length: 9)
      let bytes = try Files.read(folder.appending("a"))
      for index in bytes.indices {
        for change: UInt8 in [1, 0x80, 0xFF] {
          var broken = bytes
          broken[index] ^= change
          try put(broken, to: folder.appending("b"))
          #expect(throws: TokenShardError.self, "byte \(index)") { try TokenShard(folder.appending("b")) }
        }
      }
    }
  }

  @Test func `tables that lie are refused even when the digest is right`() throws {
    try inFolder { folder in
      try write(examples(6, longest: 9), to: folder.appending("a"), packing: false, length: 9)
      let bytes = try Files.read(folder.appending("a"))
      for offset in stride(from: 8, to: bytes.count - 40, by: 4) where !(32..<64).contains(offset) {
        for value: UInt8 in [0xFF, 0x7F] {
          var broken = Array(bytes[..<(bytes.count - 32)])
          for index in offset..<offset + 4 { broken[index] = value }
          let digits = Array(Digest(of: broken).hex.utf8).map { $0 <= 0x39 ? $0 - 0x30 : $0 - 0x57 }
          broken += stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
          try put(broken, to: folder.appending("b"))
          #expect(throws: TokenShardError.self, "offset \(offset)") {
            let shard = try TokenShard(folder.appending("b"))
            for index in 0..<shard.blockCount { _ = try shard.block(index) }
            if shard.maxSequenceLength != 9 || shard.vocabularySize != 500 { throw TokenShardError("changed", at: "b") }
          }
        }
      }
    }
  }

  @Test func `examples that do not fit are refused and leave no file`() throws {
    try inFolder { folder in
      let path = folder.appending("a")
      do {
        let writer = try TokenShardWriter(path, tokenizer: digest, vocabularySize: 10, maxSequenceLength: 2)
        for ids: [Int32] in [[], [1, 2, 3], [10], [-1]] {
          let example = EncodedExample(ids: ids, trained: ids.map { _ in true })
          #expect(throws: TokenShardError.self) { try writer.append(example) }
        }
      }
      #expect(try Files.list(folder).isEmpty)
      #expect(throws: TokenShardError.self) {
        try TokenShardWriter(path, tokenizer: digest, vocabularySize: 10, maxSequenceLength: 0)
      }
    }
  }

  @Test func `statistics count rows, tokens, lengths and drops`() {
    var statistics = TokenStatistics()
    let flags = [false, true, true]
    statistics.add(.examples([EncodedExample(ids: [1, 2, 3], trained: flags)], isCut: true))
    statistics.add(
      .examples(
        [EncodedExample(ids: [1], trained: [false]), EncodedExample(ids: [1, 2, 3], trained: flags)], isCut: false))
    statistics.add(.dropped(.tooLong, detail: ""))
    statistics.add(.dropped(.tooLong, detail: ""))
    statistics.add(.dropped(.malformed, detail: ""))
    #expect(
      statistics.json(blocks: 2, maxSequenceLength: 4).text()
        == #"{"rows":5,"examples":3,"tokens":7,"trained_tokens":4,"blocks":2,"max_seq_length":4,"longest":3,"cut":1,"left_out":0,"#
        + #""dropped":{"malformed":1,"too_long":2},"lengths":{"1-1":1,"2-3":2},"packing_efficiency":0.875}"#)
  }
}
