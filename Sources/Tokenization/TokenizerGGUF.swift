import Basics

/// Turns the `tokenizer.ggml.*` metadata of a GGUF file into a tokenizer.json document, which is then read like any
/// other: so that every tokenizer from a GGUF file can be written as files that Hugging Face tokenizers loads.
struct TokenizerGGUF {
  private let metadata: JSON.Object
  private let tokens: [String]
  private let types: [TokenType]

  /// llama.cpp's token types.
  private enum TokenType: Int {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  /// The tokenizer.json document.
  private(set) var document: JSON = .null
  /// The tokenizer_config.json document.
  private(set) var config: JSON = .null
  /// Scores by id, for SentencePiece vocabularies.
  private(set) var scores: [Float]?

  init(_ metadata: JSON.Object) throws(TokenizerError) {
    self.metadata = metadata
    let root = JSONField(.object(metadata), "GGUF metadata")
    let list = try root.required(Self.key("tokens"))
    var tokens: [String] = []
    for (index, item) in try list.items(limit: Vocabulary.largest).enumerated() {
      guard let text = item.string else { throw JSONField(item, "\(list.path)[\(index)]").wrong("a string") }
      tokens.append(text)
    }
    self.tokens = tokens
    types = try Self.types(root, count: tokens.count)
    let kind = try root.required(Self.key("model"))
    switch try kind.string() {
    case "gpt2": try buildByteLevel(root)
    case "llama": try buildSentencePiece(root)
    case let other:
      throw TokenizerError(
        "a GGUF tokenizer of the kind '\(other)' is not supported", at: kind.path,
        remedy: "gpt2 (byte-level BPE) and llama (SentencePiece BPE) are")
    }
  }

  private static func key(_ name: String) -> String { "tokenizer.ggml." + name }

  private static func types(_ root: JSONField, count: Int) throws(TokenizerError) -> [TokenType] {
    guard let field = root.optional(key("token_type")) else { return Array(repeating: .normal, count: count) }
    let items = try field.items(limit: Vocabulary.largest)
    guard items.count == count else {
      throw TokenizerError("\(items.count) token types for \(count) tokens", at: field.path)
    }
    // Type 0 (undefined) occurs in old files for ordinary pieces.
    return items.map { item in item.int.flatMap { TokenType(rawValue: $0) } ?? .normal }
  }

  // MARK: - Kinds

  private mutating func buildByteLevel(_ root: JSONField) throws(TokenizerError) {
    let pre = try root.optional(Self.key("pre"))?.string() ?? "default"
    guard let split = PublishedSplit.named(pre) else {
      throw TokenizerError(
        "unknown pre-tokenizer '\(Problem.shortened(pre))'", at: root.path + "." + Self.key("pre"),
        remedy: Spelling.nearest(to: pre, among: PublishedSplit.names).map { "did you mean '\($0)'?" }
          ?? "use the tokenizer.json of the model instead")
    }
    let merges = try root.required(Self.key("merges"))
    var items: [JSON] = []
    for (index, item) in try merges.items().enumerated() {
      guard let text = item.string else { throw JSONField(item, "\(merges.path)[\(index)]").wrong("a string") }
      items.append(.string(text))
    }
    var steps = split.patterns.map { pattern -> JSON in
      ["type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated", "invert": false]
    }
    let spaced = try root.flag(Self.key("add_space_prefix"), false)
    steps.append(["type": "ByteLevel", "add_prefix_space": .bool(spaced), "trim_offsets": true, "use_regex": false])
    try finish(
      root, adds: try root.flag(Self.key("add_bos_token"), split.addsBOS),
      normalizer: split.composes ? ["type": "NFC"] : nil,
      preTokenizer: ["type": "Sequence", "pretokenizers": .array(steps)],
      decoder: ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true],
      model: [
        "type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
        "fuse_unk": false, "byte_fallback": false, "ignore_merges": .bool(split.ignoresMerges),
        "vocab": .object(try vocabulary()), "merges": .array(items),
      ])
  }

  private mutating func buildSentencePiece(_ root: JSONField) throws(TokenizerError) {
    let field = try root.required(Self.key("scores"))
    let items = try field.items(limit: Vocabulary.largest)
    guard items.count == tokens.count else {
      throw TokenizerError("\(items.count) scores for \(tokens.count) tokens", at: field.path)
    }
    var scores: [Float] = []
    for (index, item) in items.enumerated() {
      guard let score = item.double else { throw JSONField(item, "\(field.path)[\(index)]").wrong("a number") }
      scores.append(Float(score))
    }
    self.scores = scores
    let unknown = try id(root, "unknown_token_id") ?? types.firstIndex(of: .unknown)
    let spaced = try root.flag(Self.key("add_space_prefix"), true)
    let mark = String(decoding: BytePairModel.wordMark, as: UTF8.self)
    let replace: JSON = ["type": "Replace", "pattern": ["String": " "], "content": .string(mark)]
    let normalizers: [JSON] = spaced ? [["type": "Prepend", "prepend": .string(mark)], replace] : [replace]
    var decoders: [JSON] = [
      ["type": "Replace", "pattern": ["String": .string(mark)], "content": " "], ["type": "ByteFallback"],
      ["type": "Fuse"],
    ]
    if spaced { decoders.append(["type": "Strip", "content": " ", "start": 1, "stop": 0]) }
    try finish(
      root, adds: try root.flag(Self.key("add_bos_token"), true),
      normalizer: ["type": "Sequence", "normalizers": .array(normalizers)], preTokenizer: nil,
      decoder: ["type": "Sequence", "decoders": .array(decoders)],
      model: [
        "type": "BPE", "dropout": nil, "unk_token": unknown.map { .string(tokens[$0]) } ?? .null,
        "continuing_subword_prefix": nil, "end_of_word_suffix": nil, "fuse_unk": true,
        "byte_fallback": .bool(types.contains(.byte)), "ignore_merges": false, "vocab": .object(try vocabulary()),
        "merges": .array(try scoredMerges(scores)),
      ])
  }

  /// Merges that give what the scores give: best score first; of several ways to one piece, the oldest parts first.
  private func scoredMerges(_ scores: [Float]) throws(TokenizerError) -> [JSON] {
    var names = PieceTable()
    for (id, token) in tokens.enumerated() { names.set(id, token.utf8) }
    let controls = Set(tokens.indices.filter { isControl($0) }.map { Int32($0) })
    var characters: [UInt32: Int32] = [:]
    let merges = BytePairReader.merges(of: names, scores: scores, characters: &characters, controls: controls)
    let sorted = merges.sorted { ($0.rank, $0.left, $0.right) < ($1.rank, $1.left, $1.right) }
    return sorted.map { .array([.string(tokens[Int($0.left)]), .string(tokens[Int($0.right)])]) }
  }

  // MARK: - Parts

  private func vocabulary() throws(TokenizerError) -> JSON.Object {
    JSON.Object(tokens.enumerated().map { (key: $1, value: JSON($0)) })
  }

  private func isControl(_ id: Int) -> Bool {
    types[id] == .control || types[id] == .unknown || AddedToken.looksLikeControl(Array(tokens[id].utf8))
  }

  private func addedTokens() -> [JSON] {
    tokens.indices.compactMap { id in
      let special = isControl(id)
      guard special || types[id] == .userDefined, !tokens[id].isEmpty else { return nil }
      return [
        "id": JSON(id), "content": .string(tokens[id]), "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": .bool(special),
      ]
    }
  }

  private func id(_ root: JSONField, _ name: String) throws(TokenizerError) -> Int? {
    guard let field = root.optional(Self.key(name)) else { return nil }
    // Some writers put -1 (as an unsigned number) for "none".
    guard let id = field.value.int, tokens.indices.contains(id) else { return nil }
    return id
  }

  private mutating func finish(
    _ root: JSONField, adds: Bool, normalizer: JSON?, preTokenizer: JSON?, decoder: JSON, model: JSON
  ) throws(TokenizerError) {
    let bos = try id(root, "bos_token_id")
    let eos = try id(root, "eos_token_id")
    let addsEOS = try root.flag(Self.key("add_eos_token"), false)
    document = [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": .array(addedTokens()),
      "normalizer": normalizer ?? .null, "pre_tokenizer": preTokenizer ?? .null,
      "post_processor": TokenizerDocument.template(
        before: adds ? bos.map { (tokens[$0], $0) } : nil, after: addsEOS ? eos.map { (tokens[$0], $0) } : nil),
      "decoder": decoder, "model": model,
    ]
    var config = JSON.Object()
    config["add_bos_token"] = .bool(adds && bos != nil)
    config["add_eos_token"] = .bool(addsEOS && eos != nil)
    let named = [
      ("bos_token", bos), ("eos_token", eos), ("pad_token", try id(root, "padding_token_id")),
      ("unk_token", try id(root, "unknown_token_id")),
    ]
    for (key, id) in named { if let id { config[key] = .string(tokens[id]) } }
    config["clean_up_tokenization_spaces"] = false
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    self.config = .object(config)
  }
}

/// Parts of tokenizer.json documents that Fettle writes itself.
enum TokenizerDocument {
  /// A post-processor that puts tokens before and behind a text; null where there is none.
  static func template(before: (String, Int)?, after: (String, Int)?) -> JSON {
    guard before != nil || after != nil else { return .null }
    func special(_ token: (String, Int)?, _ type: Int) -> [JSON] {
      token.map { [["SpecialToken": ["id": .string($0.0), "type_id": JSON(type)]]] } ?? []
    }
    let text: (String, Int) -> JSON = { ["Sequence": ["id": .string($0), "type_id": JSON($1)]] }
    let single = special(before, 0) + [text("A", 0)] + special(after, 0)
    let pair = single + special(before, 1) + [text("B", 1)] + special(after, 1)
    var specials = JSON.Object()
    for token in [before, after] {
      guard let (name, id) = token else { continue }
      specials[name] = ["id": .string(name), "ids": [JSON(id)], "tokens": [.string(name)]]
    }
    return [
      "type": "TemplateProcessing", "single": .array(single), "pair": .array(pair), "special_tokens": .object(specials),
    ]
  }
}
