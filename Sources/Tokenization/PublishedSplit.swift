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
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼ"
    + "ℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ"
    + "𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"

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
