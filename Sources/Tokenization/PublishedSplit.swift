/// How the tokenizers that GGUF files know by a name (`tokenizer.ggml.pre`) cut text into words.
struct PublishedSplit: Sendable {
  /// Regular expressions, each applied to what the one before it left; matches and the stretches between are words.
  var patterns: [String]
  /// Whether a word that is a piece is that token, whatever merges would give.
  var ignoresMerges = false
  /// Whether a BOS comes first when the file does not say.
  var addsBOS = false
  /// Whether text is put into Unicode's composed form first.
  var composes = false

  /// The names that are known.
  static var names: [String] { table.keys.sorted() }

  static func named(_ name: String) -> PublishedSplit? { table[name] }

  private static let gpt2 =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  private static let contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
  private static let spaces = #"\s*[\r\n]+|\s+(?!\S)|\s+"#

  private static func llama3(digits: String) -> String {
    contraction + #"|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spaces
  }

  private static let qwen35 =
    contraction + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"# + spaces

  /// Words that change from capitals to small letters are cut there: Tekken, and GPT-4o with contractions.
  private static func cased(digits: String, contraction: String) -> String {
    let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
    let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
    let lead = #"[^\r\n\p{L}\p{N}]?"#
    return lead + upper + "*" + lower + "+" + contraction + "|" + lead + upper + "+" + lower + "*" + contraction + "|"
      + digits + #"| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + spaces
  }

  private static let asciiPunctuation = ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"##

  private static let deepSeek3 = [
    #"\p{N}{1,3}"#, "[一-龥぀-ゟ゠-ヿ]+",
    asciiPunctuation + #"[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"# + spaces,
  ]

  private static let deepSeekLetters =
    "A-Za-z\u{B5}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1BA}\u{1BC}-\u{1BF}\u{1C4}-\u{293}\u{295}-\u{2AF}"
    + "\u{370}-\u{373}\u{376}\u{377}\u{37B}-\u{37D}\u{37F}\u{386}\u{388}-\u{38A}\u{38C}\u{38E}-\u{3A1}"
    + "\u{3A3}-\u{3F5}\u{3F7}-\u{481}\u{48A}-\u{52F}\u{531}-\u{556}\u{10A0}-\u{10C5}\u{13A0}-\u{13F5}"
    + "\u{13F8}-\u{13FD}\u{1C90}-\u{1CBA}\u{1CBD}-\u{1CBF}\u{1D00}-\u{1D2B}\u{1D6B}-\u{1D77}\u{1D79}-\u{1D9A}"
    + "\u{1E00}-\u{1F15}\u{1F18}-\u{1F1D}\u{1F20}-\u{1F45}\u{1F48}-\u{1F4D}\u{1F50}-\u{1F57}\u{1F59}\u{1F5B}"
    + "\u{1F5D}\u{1F5F}-\u{1F7D}\u{1F80}-\u{1FB4}\u{1FB6}-\u{1FBC}\u{1FBE}\u{1FC2}-\u{1FC4}\u{1FC6}-\u{1FCC}"
    + "\u{1FD0}-\u{1FD3}\u{1FD6}-\u{1FDB}\u{1FE0}-\u{1FEC}\u{1FF2}-\u{1FF4}\u{1FF6}-\u{1FFC}\u{2102}\u{2107}"
    + "\u{210A}-\u{2113}\u{2115}\u{2119}-\u{211D}\u{2124}\u{2126}\u{2128}\u{212A}-\u{212D}\u{212F}-\u{2134}"
    + "\u{2139}\u{213C}-\u{213F}\u{2145}-\u{2149}\u{214E}\u{2183}\u{2184}\u{2C00}-\u{2C7B}\u{2C7E}-\u{2CE4}"
    + "\u{2CEB}-\u{2CEE}\u{2CF2}\u{2CF3}\u{A640}-\u{A66D}\u{A680}-\u{A69B}\u{A722}-\u{A76F}\u{A771}-\u{A787}"
    + "\u{A78B}-\u{A78E}\u{AB70}-\u{ABBF}\u{FB00}-\u{FB06}\u{FB13}-\u{FB17}\u{FF21}-\u{FF3A}\u{FF41}-\u{FF5A}"
    + "\u{10400}-\u{1044F}\u{104B0}-\u{104D3}\u{104D8}-\u{104FB}\u{10C80}-\u{10CB2}\u{10CC0}-\u{10CF2}"
    + "\u{118A0}-\u{118DF}\u{1E900}-\u{1E943}"

  private static let deepSeek = [
    "[\r\n]", #"\s?["# + deepSeekLetters + "]+", #"\s?[!-/:-~！-／：-～‘-‟　-。]+"#, #"\s+$"#,
    "[一-龥ࠀ-一가-\u{D7FF}]+", #"\p{N}+"#,
  ]

  private static let deepSeekCoder = [
    "[\r\n]", #"\s?\p{L}+"#, #"\s?\p{P}+"#, "[一-龥ࠀ-一가-\u{D7FF}]+", #"\p{N}"#,
  ]

  private static let standard = [#"[\p{P}\$\+<=>\^~\|]+"#, gpt2, #"\p{N}+"#, "[0-9][0-9][0-9]"]
  private static let falcon = [#"[\p{P}\$\+<=>\^~\|`]+"#, gpt2, "[0-9][0-9][0-9]"]
  private static let bloom = #" ?[^(\s|.,!?…。，、।۔،)]+"#
  private static let bailing =
    #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#
  private static let seedCoder =
    contraction + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|"# + spaces

  private static let table: [String: PublishedSplit] = {
    let plain = PublishedSplit(patterns: [gpt2])
    let digits = PublishedSplit(patterns: [#"\p{N}"#, gpt2])
    let threeDigits = PublishedSplit(patterns: [llama3(digits: #"\p{N}{1,3}"#)])
    let oneDigit = PublishedSplit(patterns: [llama3(digits: #"\p{N}"#)])
    var llama = threeDigits
    llama.ignoresMerges = true
    llama.addsBOS = true
    var qwen2 = oneDigit
    qwen2.composes = true
    let tekken = PublishedSplit(
      patterns: [cased(digits: #"\p{N}"#, contraction: "")], ignoresMerges: true, addsBOS: true)
    let gpt4o = PublishedSplit(patterns: [cased(digits: #"\p{N}{1,3}"#, contraction: contraction + "?")])
    let groups: [(PublishedSplit, [String])] = [
      (PublishedSplit(patterns: standard), ["default"]),
      (
        plain,
        [
          "gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "gigachat", "a.x-4.0", "mellum",
          "modern-bert", "mpt", "olmo", "jais", "trillion", "exaone4", "granite-docling",
        ]
      ),
      (digits, ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"]),
      (llama, ["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"]),
      (threeDigits, ["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"]),
      (qwen2, ["qwen2"]),
      (oneDigit, ["deepseek-r1-qwen", "stablelm2", "hunyuan", "solar-open", "megrez", "grok-2", "kormo"]),
      (PublishedSplit(patterns: [qwen35], composes: true), ["qwen35"]),
      (PublishedSplit(patterns: deepSeek), ["deepseek-llm"]),
      (PublishedSplit(patterns: deepSeekCoder), ["deepseek-coder"]),
      (PublishedSplit(patterns: deepSeek3), ["deepseek-v3", "hunyuan-dense", "joyai-llm"]),
      (PublishedSplit(patterns: falcon), ["falcon"]),
      (PublishedSplit(patterns: [bloom]), ["bloom", "poro-chat", "gpt3-finnish"]),
      (PublishedSplit(patterns: [bloom, #"\p{N}"#]), ["viking"]),
      (tekken, ["tekken"]),
      (gpt4o, ["gpt-4o", "llama4", "kanana2", "minimax-m2"]),
      (PublishedSplit(patterns: [bailing]), ["bailingmoe", "bailingmoe2", "llada-moe"]),
      (PublishedSplit(patterns: [seedCoder]), ["seed-coder"]),
    ]
    var table: [String: PublishedSplit] = [:]
    for (split, names) in groups { for name in names { table[name] = split } }
    return table
  }()
}
