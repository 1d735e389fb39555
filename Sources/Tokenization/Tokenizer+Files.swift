import Basics

extension Tokenizer {
  /// Reads the text of a tokenizer.json and, where there is one, of a tokenizer_config.json.
  package static func load(json: [UInt8], config: [UInt8]? = nil) throws(TokenizerError) -> Tokenizer {
    let document = try parsed(json, "tokenizer.json")
    let configuration = try config.map { (bytes) throws(TokenizerError) in try parsed(bytes, "tokenizer_config.json") }
    return try build(document, json, configuration, nil)
  }

  /// Reads the tokenizer files of a model folder: tokenizer.json, or GPT-2's vocab.json and merges.txt; with
  /// tokenizer_config.json and special_tokens_map.json where they are.
  package static func load(folder: FilePath) throws(TokenizerError) -> Tokenizer {
    var config = try read(folder, "tokenizer_config.json").map { (bytes) throws(TokenizerError) in
      try parsed(bytes, "tokenizer_config.json")
    }
    if let bytes = try read(folder, "special_tokens_map.json") {
      let map = try parsed(bytes, "special_tokens_map.json")
      var members = config?.object ?? JSON.Object()
      for (key, value) in map.object?.members ?? [] where members[key] == nil { members[key] = value }
      config = .object(members)
    }
    if let bytes = try read(folder, "tokenizer.json") {
      return try build(try parsed(bytes, "tokenizer.json"), bytes, config, nil)
    }
    guard let vocabulary = try read(folder, "vocab.json"), let merges = try read(folder, "merges.txt") else {
      throw TokenizerError(
        "the folder has no tokenizer", at: folder.display,
        remedy: "a tokenizer.json is needed, or the vocab.json and merges.txt of GPT-2's kind")
    }
    let document = GPT2Files.document(vocabulary: try parsed(vocabulary, "vocab.json"), merges: merges)
    return try build(document, document.encoded(), config, nil)
  }

  /// Builds the tokenizer that the metadata of a GGUF file describes.
  package static func load(gguf metadata: JSON.Object) throws(TokenizerError) -> Tokenizer {
    let source = try TokenizerGGUF(metadata)
    return try build(source.document, source.document.encoded(), source.config, source.scores)
  }

  /// The values of `tokenizer.ggml.pre` that are known.
  package static var knownPreTokenizers: [String] { PublishedSplit.names }

  private static func build(
    _ document: JSON, _ text: [UInt8], _ config: JSON?, _ scores: [Float]?
  ) throws(TokenizerError) -> Tokenizer {
    var reader = TokenizerReader(document: document, config: config, scores: scores)
    return try Tokenizer(try reader.read(), document: text, configuration: config ?? .object(JSON.Object()))
  }

  private static func parsed(_ bytes: [UInt8], _ name: String) throws(TokenizerError) -> JSON {
    do {
      return try JSONParser.parse(bytes, duplicateKeys: .refuse)
    } catch {
      throw TokenizerError(error.what, at: "\(name), byte \(error.offset)")
    }
  }

  /// Largest tokenizer file read, in bytes.
  private static let largestFile = 1 << 28

  private static func read(_ folder: FilePath, _ name: String) throws(TokenizerError) -> [UInt8]? {
    let path = folder.appending(name)
    do {
      guard let status = try Files.status(path) else { return nil }
      guard status.isRegular else { throw TokenizerError("no regular file", at: path.display) }
      return try Files.read(path, limit: largestFile)
    } catch {
      throw TokenizerError(Basics.problem(of: error))
    }
  }

  // MARK: - Writing

  /// The tokenizer as the text of a Hugging Face tokenizer.json: the one it was read from, if it was.
  package func tokenizerJSON() -> [UInt8] { document }

  /// The text of a Hugging Face tokenizer_config.json, with the chat template if there is one.
  package func tokenizerConfigJSON(chatTemplate: String?) -> [UInt8] {
    var members = configuration.object ?? JSON.Object()
    let named = [("bos_token", bosID), ("eos_token", eosID), ("pad_token", padID), ("unk_token", unknownID)]
    for (key, id) in named where members[key] == nil {
      if let id { members[key] = .string(String(decoding: vocabulary.names[Int(id)], as: UTF8.self)) }
    }
    if members["tokenizer_class"] == nil { members["tokenizer_class"] = "PreTrainedTokenizerFast" }
    members["chat_template"] = chatTemplate.map { .string($0) }
    return JSON.object(members).encoded(pretty: true)
  }
}

/// GPT-2's older pair of files.
enum GPT2Files {
  static func document(vocabulary: JSON, merges: [UInt8]) -> JSON {
    var lines: [JSON] = []
    for line in merges.split(separator: 0x0A) {
      let text = line.last == 0x0D ? line.dropLast() : line
      // The first line names the format's version.
      if text.isEmpty || lines.isEmpty && text.starts(with: "#version".utf8) { continue }
      lines.append(.string(String(decoding: text, as: UTF8.self)))
    }
    var added: [JSON] = []
    if let id = vocabulary["<|endoftext|>"] {
      added.append([
        "id": id, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": true, "special": true,
      ])
    }
    return [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": .array(added), "normalizer": nil,
      "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true],
      "post_processor": nil,
      "decoder": ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true],
      "model": [
        "type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
        "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocabulary, "merges": .array(lines),
      ],
    ]
  }
}
