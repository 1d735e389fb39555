import Basics
import Dispatch
import Synchronization
import Testing
import Tokenization

@Suite struct TokenizerMergeTests {
  @Test func `the merge listed first comes first, wherever it stands`() throws {
    let tokenizer = try TokenizerFixtures.load(
      TokenizerFixtures.byteLevel(merges: [("b", "c"), ("a", "b"), ("a", "bc")]))
    #expect(try tokenizer.ids("abc") == [258])
    #expect(try tokenizer.ids("abab") == [257, 257])
    #expect(try tokenizer.ids("bcabc") == [256, 258])
  }

  @Test func `equal pairs merge from the left`() throws {
    let tokenizer = try TokenizerFixtures.load(TokenizerFixtures.byteLevel(merges: [("a", "a")]))
    #expect(try tokenizer.ids("aaaaa") == [256, 256, 97])
  }

  /// Merges as their definition has them: scan for the best pair, merge its leftmost place, begin again.
  private func naive(_ text: String, _ merges: [(String, String)]) -> [String] {
    var parts = text.map { String($0) }
    while true {
      var best: (rank: Int, place: Int)?
      for place in 0..<max(parts.count - 1, 0) {
        guard let rank = merges.firstIndex(where: { $0.0 == parts[place] && $0.1 == parts[place + 1] }) else {
          continue
        }
        if best.map({ rank < $0.rank }) ?? true { best = (rank, place) }
      }
      guard let best else { return parts }
      parts[best.place] += parts.remove(at: best.place + 1)
    }
  }

  @Test func `short and long words merge as the definition has it`() throws {
    var generator = SeededGenerator(seed: 11)
    for round in 0..<30 {
      var pieces = ["a", "b", "c"]
      var merges: [(String, String)] = []
      for _ in 0..<12 {
        let left = pieces.randomElement(using: &generator) ?? "a"
        let right = pieces.randomElement(using: &generator) ?? "a"
        guard !pieces.contains(left + right), left.count + right.count <= 9 else { continue }
        merges.append((left, right))
        pieces.append(left + right)
      }
      merges.shuffle(using: &generator)
      let tokenizer = try TokenizerFixtures.load(TokenizerFixtures.byteLevel(merges: merges))
      for length in [0, 1, 2, 3, 8, 16, 39, 40, 41, 42, 100, 300] {
        let text = String((0..<length).map { _ in "abc".randomElement(using: &generator) ?? "a" })
        let want = naive(text, merges)
        for _ in 0..<2 {
          let ids = try tokenizer.encodeIDs(Array(text.utf8))
          let got = ids.map { String(decoding: tokenizer.token($0) ?? [], as: UTF8.self) }
          #expect(got == want, "round \(round), \(text)")
        }
      }
    }
  }

  @Test func `a word of a megabyte is merged`() throws {
    let tokenizer = try TokenizerFixtures.load(
      TokenizerFixtures.byteLevel(merges: [("a", "b"), ("ab", "ab"), ("b", "a")]))
    let ids = try tokenizer.encodeIDs(Array(repeating: [0x61, 0x62] as [UInt8], count: 1 << 19).flatMap { $0 })
    #expect(ids == Array(repeating: 257, count: 1 << 18))
  }

  @Test func `tokens of every word cover it`() throws {
    let tokenizer = try TokenizerFixtures.load(TokenizerFixtures.byteLevel(merges: [("a", "b"), ("c", "ab")]))
    let text = Array("abé cab".utf8)
    for _ in 0..<2 {
      let tokens = try tokenizer.encode(text)
      #expect(tokens.map(\.start) == [0, 2, 3, 4, 5])
      #expect(tokens.map(\.end) == [2, 3, 4, 5, 8])
    }
  }

  @Test func `a word that is a piece is taken whole where merges are ignored`() throws {
    let merges = [("b", "c"), ("a", "b"), ("ab", "c")]
    let plain = try TokenizerFixtures.load(TokenizerFixtures.byteLevel(merges: merges))
    let whole = try TokenizerFixtures.load(
      TokenizerFixtures.byteLevel(merges: merges, options: ["ignore_merges": true]))
    #expect(try plain.ids("abc") == [97, 256])
    #expect(try whole.ids("abc") == [258])
    #expect(try whole.ids("abcd") == [97, 256, 100])
  }

  @Test func `merges never give a control token`() throws {
    let steps = [("<", "|"), ("<|", "e"), ("<|e", "|"), ("<|e|", ">")]
    for options in [[:], ["ignore_merges": true]] as [[String: JSON]] {
      let tokenizer = try TokenizerFixtures.load(
        TokenizerFixtures.byteLevel(
          merges: steps, specials: [], added: [["id": 259, "content": "<|e|>", "special": true]], options: options))
      #expect(try tokenizer.ids("<|e|>") == [258, 62])
      #expect(try tokenizer.ids("<|e|>", .parse) == [259])
      #expect(try tokenizer.ids("<|e|>", .within([0..<4])) == [258, 62])
    }
  }

  @Test func `a character without a piece becomes bytes, an unknown, or nothing`() throws {
    let bytes = (0...255).map { "<0x" + ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) + ">" }
    let pieces = ["<unk>", "a"]
    let fallback = try TokenizerFixtures.load(
      TokenizerFixtures.characters(pieces: pieces + bytes, options: ["byte_fallback": true, "unk_token": "<unk>"]))
    #expect(try fallback.ids("aé") == [1, 2 + 0xC3, 2 + 0xA9])
    #expect(try fallback.encodeIDs([0x61, 0xFF]) == [1, 2 + 0xFF])
    let unknown = try TokenizerFixtures.load(
      TokenizerFixtures.characters(pieces: pieces, options: ["unk_token": "<unk>"]))
    #expect(try unknown.ids("aéèa") == [1, 0, 0, 1])
    let fused = try TokenizerFixtures.load(
      TokenizerFixtures.characters(pieces: pieces, options: ["unk_token": "<unk>", "fuse_unk": true]))
    #expect(try fused.ids("aéèa") == [1, 0, 1])
    #expect(try fused.encode(Array("éèa".utf8)) == [Token(id: 0, start: 0, end: 4), Token(id: 1, start: 4, end: 5)])
    let dropped = try TokenizerFixtures.load(TokenizerFixtures.characters(pieces: pieces))
    #expect(try dropped.ids("aéèa") == [1, 1])
  }

  @Test func `words with word marks encode alike cut or whole`() throws {
    let merges = [("▁", "a"), ("▁a", "b"), ("▁", "▁"), ("b", "b")]
    let pieces = ["▁", "a", "b", "▁a", "▁ab", "▁▁", "bb"]
    let cut = try TokenizerFixtures.load(TokenizerFixtures.characters(pieces: pieces, merges: merges))
    // A merge across a mark forbids cutting; this one never applies.
    let whole = try TokenizerFixtures.load(
      TokenizerFixtures.characters(pieces: pieces + ["c", "c▁"], merges: merges + [("c", "▁")]))
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<500 {
      let text = (0..<Int.random(in: 0...30, using: &generator))
        .map { _ in ["▁", "a", "b"].randomElement(using: &generator) ?? "" }.joined()
      #expect(try cut.encode(Array(text.utf8)) == whole.encode(Array(text.utf8)), "\(text)")
    }
  }
}

@Suite struct TokenizerThreadTests {
  @Test func `many threads get what one gets`() throws {
    let tokenizer = try TokenizerFixtures.load(
      TokenizerFixtures.byteLevel(
        merges: [("a", "b"), ("ab", "c"), (" ", "a")],
        preTokenizer: ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true]))
    let texts = TokenizerFixtures.texts(200, seed: 2).map { Array(($0 + "abc ab a").utf8) }
    let want = try texts.map { try tokenizer.encode($0) }
    let got = Mutex<[Int: [Token]]>([:])
    DispatchQueue.concurrentPerform(iterations: 800) { index in
      let tokens = try? tokenizer.encode(texts[index % 200])
      got.withLock { $0[index] = tokens }
    }
    for (index, tokens) in got.withLock({ $0 }) { #expect(tokens == want[index % 200]) }
  }
}
