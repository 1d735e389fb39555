import Basics
import Foundation
import Models
import Testing
import Tokenization

/// Ids that other implementations give, in the folder that `FETTLE_TEST_DATA` names.
enum TokenizerGolden {
  static let folder: FilePath? = {
    guard let path = ProcessInfo.processInfo.environment["FETTLE_TEST_DATA"], !path.isEmpty else {
      print("FETTLE_TEST_DATA is not set: golden tokenizer tests are skipped")
      return nil
    }
    return FilePath(path)
  }()

  static func path(_ name: String) throws -> FilePath { try #require(folder).appending(name) }

  /// The GGUF file of SmolLM2, where it is.
  static let smolLM2: FilePath? = {
    guard let path = ProcessInfo.processInfo.environment["FETTLE_SMOLLM2"], !path.isEmpty else {
      print("FETTLE_SMOLLM2 is not set: SmolLM2's golden ids are not compared")
      return nil
    }
    return FilePath(path)
  }()

  static func gguf(_ path: FilePath) throws -> Tokenizer { try Tokenizer.load(gguf: GGUFFile(path).metadata) }

  /// The texts of the golden set with the ids of one family.
  static func rows(_ family: String) throws -> [(text: [UInt8], ids: [Int32])] {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "gzip -dc \"$0\"", try path("tokenizers/golden/golden-dev.jsonl.gz").display]
    process.standardOutput = pipe
    try process.run()
    let data = try #require(try pipe.fileHandleForReading.readToEnd())
    process.waitUntilExit()
    return try data.split(separator: 0x0A).map { line in
      let row = try JSONParser.parse(Array(line))
      let ids = try #require(row[family]?.array).map { Int32(truncatingIfNeeded: $0.int ?? -1) }
      return (Array(try #require(row["text"]?.string).utf8), ids)
    }
  }

  /// Compares a tokenizer, and what it is read again from when written, with one family's ids.
  static func compare(_ tokenizer: Tokenizer, _ family: String) throws {
    let rows = try rows(family)
    #expect(rows.count == 408)
    let again = try Tokenizer.load(
      json: tokenizer.tokenizerJSON(), config: tokenizer.tokenizerConfigJSON(chatTemplate: nil))
    for (text, ids) in rows {
      let label = String(decoding: text, as: UTF8.self).debugDescription
      #expect(try tokenizer.encodeIDs(text, specials: .parse, bos: false) == ids, "\(label)")
      #expect(try again.encodeIDs(text, specials: .parse, bos: false) == ids, "\(label)")
      let content = try tokenizer.encode(text, bos: false)
      #expect(!content.contains { tokenizer.isSpecial($0.id) }, "\(label)")
      #expect(zip(content, content.dropFirst()).allSatisfy { $0.end <= $1.end && $0.start <= $1.start })
    }
  }
}

@Suite(.enabled(if: TokenizerGolden.folder != nil)) struct TokenizerGoldenTests {
  @Test func `GPT-2's ids`() throws {
    try TokenizerGolden.compare(
      try TokenizerGolden.gguf(try TokenizerGolden.path("tokenizers/llama.cpp-vocab/ggml-vocab-gpt-2.gguf")), "gpt2")
  }

  @Test func `DeepSeek's ids`() throws {
    try TokenizerGolden.compare(try Tokenizer.load(folder: try TokenizerGolden.path("tokenizers/deepseek")), "deepseek")
  }

  @Test(.enabled(if: TokenizerGolden.smolLM2 != nil)) func `SmolLM2's ids`() throws {
    try TokenizerGolden.compare(try TokenizerGolden.gguf(try #require(TokenizerGolden.smolLM2)), "smollm2")
  }

  @Test(arguments: ["gpt-2", "llama-spm", "deepseek-llm", "starcoder"])
  func `llama.cpp's ids for its own texts`(name: String) throws {
    let stem = try TokenizerGolden.path("tokenizers/llama.cpp-vocab/ggml-vocab-\(name).gguf")
    let tokenizer = try TokenizerGolden.gguf(stem)
    let input = String(decoding: try Files.read(FilePath(stem.display + ".inp")), as: UTF8.self)
    let output = String(decoding: try Files.read(FilePath(stem.display + ".out")), as: UTF8.self)
    let texts = input.components(separatedBy: "\n__ggml_vocab_test__\n")
    let lines = output.components(separatedBy: "\n")
    #expect(texts.count == 47)
    for (text, line) in zip(texts, lines) {
      let ids = line.split(separator: " ").compactMap { Int32($0) }
      #expect(try tokenizer.encodeIDs(Array(text.utf8), bos: false) == ids, "\(text.debugDescription)")
    }
  }

  @Test func `stories260K's prompts, from its GGUF and from its tokenizer.json`() throws {
    let gguf = try TokenizerGolden.gguf(try TokenizerGolden.path("models/stories260K/stories260K-f32.gguf"))
    let folder = try Tokenizer.load(folder: try TokenizerGolden.path("models/stories260K/hf"))
    let golden = try JSONParser.parse(Files.read(try TokenizerGolden.path("models/stories260K/golden.json")))
    let cases = try #require(golden["cases"]?.array)
    #expect(!cases.isEmpty)
    for item in cases {
      let prompt = Array(try #require((item["prompt"] ?? item["loss_text"])?.string).utf8)
      let ids = try #require((item["prompt_ids"] ?? item["ids"])?.array).compactMap { $0.int.map { Int32($0) } }
      #expect(try gguf.encodeIDs(prompt) == ids)
      #expect(try folder.encodeIDs(prompt, bos: true) == ids)
    }
  }
}
