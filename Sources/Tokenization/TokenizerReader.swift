import Basics

/// Reads a tokenizer.json document: one method a part, each strict about what it does not know.
struct TokenizerReader {
  let root: JSONField
  /// Members of tokenizer_config.json, which name the BOS, EOS and other tokens.
  let config: JSONField
  /// Scores of the pieces by id, where merges follow these (SentencePiece) and not the document's list.
  var scores: [Float]?

  /// Whether words are merged from bytes in GPT-2's alphabet.
  private var isByteLevel = false
  private var vocabulary = Vocabulary()
  private var added: [AddedToken] = []
  /// Place in `added` by id.
  private var places: [Int32: Int] = [:]
  /// Bytes of all added tokens' texts.
  private var addedBytes = 0
  private var frame = TokenFrame()

  init(document: JSON, config: JSON?, scores: [Float]? = nil) {
    root = JSONField(document, "tokenizer.json")
    self.config = JSONField(config ?? .object(JSON.Object()), "tokenizer_config.json")
    self.scores = scores
  }

  /// Everything a tokenizer is made of.
  struct Parts {
    var vocabulary: Vocabulary
    var added: [AddedToken]
    var normalizer: Normalizer
    var preTokenizer: PreTokenizer
    var model: BytePairModel
    var decoder: TokenDecoder
    var frame: TokenFrame
  }

  mutating func read() throws(TokenizerError) -> Parts {
    _ = try root.object()
    let preTokenizer = try PreTokenizerReader.read(root.optional("pre_tokenizer"))
    isByteLevel = preTokenizer.isByteLevel
    let normalizer = try NormalizerReader.read(root.optional("normalizer"))
    let model = try root.required("model")
    try readVocabulary(model)
    let pieces = vocabulary.names
    try readAddedTokens()
    try readFrame()
    let decoder = try TokenDecoder(root.optional("decoder"), isByteLevel: isByteLevel)
    for id in 0..<vocabulary.names.count where vocabulary.names.has(id) {
      vocabulary.texts.set(id, decoder.text(vocabulary.names[id]))
    }
    for token in added { vocabulary.texts.set(Int(token.id), token.content) }
    let reader = BytePairReader(
      model: model, names: pieces, idCount: vocabulary.names.count, isByteLevel: isByteLevel, scores: scores,
      controls: Set(added.filter(\.isControl).map(\.id)), literals: Set(added.map(\.id)))
    return Parts(
      vocabulary: vocabulary, added: added, normalizer: normalizer, preTokenizer: preTokenizer.preTokenizer,
      model: try reader.read(), decoder: decoder, frame: frame)
  }

  private mutating func readVocabulary(_ model: JSONField) throws(TokenizerError) {
    let type = try model.optional("type")?.string() ?? "BPE"
    guard type == "BPE" else { throw model.unsupported("a tokenizer of the kind \(type)") }
    let field = try model.required("vocab")
    let members = try field.object().members
    guard members.count <= Vocabulary.largest else {
      throw TokenizerError("more than \(Vocabulary.largest) pieces", at: field.path)
    }
    for (name, value) in members {
      guard let id = value.int, id >= 0, id < Vocabulary.largest else {
        throw TokenizerError(
          "the id of a piece must be a whole number below \(Vocabulary.largest)",
          at: "\(field.path)[\"\(Problem.shortened(name, limit: 40))\"]", value: value.text())
      }
      guard !vocabulary.names.has(id) else {
        throw TokenizerError("two pieces have the id \(id)", at: field.path, value: name)
      }
      guard vocabulary.names.set(id, name.utf8) else {
        throw TokenizerError("a piece occurs twice", at: field.path, value: name)
      }
    }
  }

  private mutating func readAddedTokens() throws(TokenizerError) {
    guard let field = root.optional("added_tokens") else { return }
    for (index, item) in try field.items(limit: Vocabulary.largest).enumerated() {
      let entry = JSONField(item, "\(field.path)[\(index)]")
      let content = try entry.required("content").bytes()
      let special = try entry.flag("special", false)
      try add(
        AddedToken(
          id: try entry.required("id").id(), content: content, isSpecial: special,
          isControl: special || AddedToken.looksLikeControl(content),
          singleWord: try entry.flag("single_word", false), stripsLeft: try entry.flag("lstrip", false),
          stripsRight: try entry.flag("rstrip", false), isNormalized: try entry.flag("normalized", !special)),
        at: entry.path)
    }
  }

  /// Adds a token; a piece of the same spelling gives it its id.
  private mutating func add(_ token: AddedToken, at path: String) throws(TokenizerError) {
    var token = token
    guard !token.content.isEmpty else { return }
    if let known = vocabulary.names.number(of: token.content) {
      token.id = Int32(known)
    } else {
      guard !vocabulary.names.has(Int(token.id)) else {
        throw TokenizerError(
          "the id \(token.id) belongs to another piece", at: path,
          value: String(decoding: token.content, as: UTF8.self))
      }
      vocabulary.names.set(Int(token.id), token.content)
    }
    addedBytes += token.content.count
    guard addedBytes <= Self.mostAddedBytes else {
      throw TokenizerError("the added tokens have more than \(Self.mostAddedBytes) bytes of text", at: path)
    }
    if let known = places[token.id] {
      added[known] = token
    } else {
      places[token.id] = added.count
      added.append(token)
    }
  }

  /// Bounds the search tree that the added tokens are found with.
  private static let mostAddedBytes = 1 << 22

  // MARK: - BOS, EOS and what frames a text

  private mutating func readFrame() throws(TokenizerError) {
    try readPostProcessor(root.optional("post_processor"), depth: 0)
    try markSpecials()
    frame.bos = try named("bos_token") ?? frame.prefix.first ?? guess(Self.usualBOS)
    frame.eos = try named("eos_token") ?? frame.suffix.last ?? guess(Self.usualEOS)
    frame.pad = try named("pad_token")
    frame.unknown = try named("unk_token")
    if let bos = frame.bos, let adds = try config.optional("add_bos_token")?.bool() {
      frame.prefix.removeAll { $0 == bos }
      if adds { frame.prefix.insert(bos, at: 0) }
    }
    if let eos = frame.eos, let adds = try config.optional("add_eos_token")?.bool() {
      frame.suffix.removeAll { $0 == eos }
      if adds { frame.suffix.append(eos) }
    }
  }

  private static let usualBOS = ["<s>", "<|begin_of_text|>", "<bos>", "<|startoftext|>", "<｜begin▁of▁sentence｜>"]
  private static let usualEOS = [
    "</s>", "<|end_of_text|>", "<eos>", "<|endoftext|>", "<|im_end|>", "<｜end▁of▁sentence｜>",
  ]

  private func guess(_ names: [String]) -> Int32? {
    for name in names {
      if let token = added.first(where: { $0.content.elementsEqual(name.utf8) }) { return token.id }
    }
    return nil
  }

  /// The token that the configuration names under `key`.
  private func named(_ key: String) throws(TokenizerError) -> Int32? {
    guard let field = config.optional(key) else { return nil }
    guard let text = Self.content(field) else { throw field.wrong("a token") }
    return vocabulary.names.number(of: text.utf8).map { Int32($0) }
  }

  /// A token in a configuration: its text, or an object with its text.
  private static func content(_ field: JSONField) -> String? {
    field.value.string ?? field.value["content"]?.string
  }

  /// What the configuration names as special is so, whatever the tokenizer's own list says.
  private mutating func markSpecials() throws(TokenizerError) {
    var names: [String] = []
    for key in ["bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token"] {
      if let field = config.optional(key), let text = Self.content(field) { names.append(text) }
    }
    for key in ["additional_special_tokens", "extra_special_tokens"] {
      guard let field = config.optional(key), let items = field.value.array else { continue }
      for item in items { if let text = Self.content(JSONField(item, field.path)) { names.append(text) } }
    }
    if let entries = config.optional("added_tokens_decoder")?.value.object {
      for (_, entry) in entries.members where entry["special"]?.bool == true {
        if let text = entry["content"]?.string { names.append(text) }
      }
    }
    guard names.count <= Vocabulary.largest else { throw config.wrong("fewer special tokens") }
    let positions = Dictionary(added.enumerated().map { ($1.content, $0) }, uniquingKeysWith: { first, _ in first })
    for name in names {
      let content = Array(name.utf8)
      if let index = positions[content] {
        added[index].isSpecial = true
        added[index].isControl = true
      } else if let id = vocabulary.names.number(of: content), places[Int32(id)] == nil {
        try add(
          AddedToken(id: Int32(id), content: content, isSpecial: true, isControl: true), at: config.path)
      }
    }
  }

  private mutating func readPostProcessor(_ field: JSONField?, depth: Int) throws(TokenizerError) {
    guard let field else { return }
    switch try field.type() {
    case "ByteLevel": break
    case "Sequence":
      guard depth < 8 else { throw TokenizerError("sequences nested too deep", at: field.path) }
      let list = try field.required("processors")
      for (index, item) in try list.items(limit: 64).enumerated() {
        try readPostProcessor(JSONField(item, "\(list.path)[\(index)]"), depth: depth + 1)
      }
    case "TemplateProcessing": try readTemplate(field)
    case "BertProcessing", "RobertaProcessing":
      for (key, isPrefix) in [("cls", true), ("sep", false)] {
        let pair = try field.required(key)
        let items = try pair.items(limit: 2)
        guard let last = items.last else { throw pair.wrong("a token and its id") }
        let id = try JSONField(last, pair.path).id()
        if isPrefix { frame.prefix.append(id) } else { frame.suffix.append(id) }
      }
    case let other: throw field.unsupported("a post_processor of the kind \(other)")
    }
  }

  private mutating func readTemplate(_ field: JSONField) throws(TokenizerError) {
    let single = try field.required("single")
    var seenText = false
    for (index, item) in try single.items(limit: 64).enumerated() {
      let entry = JSONField(item, "\(single.path)[\(index)]")
      if entry.optional("Sequence") != nil {
        seenText = true
        continue
      }
      let name = try entry.required("SpecialToken").required("id").string()
      let token = try field.required("special_tokens").required(name).required("ids")
      for id in try token.items(limit: 64) {
        let id = try JSONField(id, token.path).id()
        if seenText { frame.suffix.append(id) } else { frame.prefix.append(id) }
      }
    }
  }
}
