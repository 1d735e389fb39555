import Basics

/// Texts that stand where content should be.
enum Placeholders {
  /// Whole answers, letters folded, without white space and quotes around them.
  private static let answers: [[UInt8]] = [
    "n/a", "n.a.", "na", "n/a.", "nan", "null", "todo", "todo.", "tbd", "tbd.", "fixme", "xxx", "placeholder",
    "<placeholder>", "[placeholder]", "<noinput>", "<no input>", "noinput", "<nooutput>", "<no output>", "no output",
    "<output>", "<response>", "<answer>", "[answer]", "[response]", "[output]", "<empty>", "[empty]",
    "[insert text here]", "insert text here", "lorem ipsum", "...", "…", "--", "---", "??", "???", ".",
    "undefined", "#n/a", "#ref!", "#value!", "[deleted]", "[removed]", "asdf", "test test",
  ].map { Array($0.utf8) }

  /// Whole questions that ask nothing.
  private static let questions: [[UInt8]] = [
    "n/a", "todo", "tbd", "<noinput>", "<no input>", "noinput", "lorem ipsum", "...", "…", "null", "nan", "<input>",
    "<prompt>", "<question>", "[deleted]", "[removed]", "placeholder", "<placeholder>", "undefined", "#n/a",
  ].map { Array($0.utf8) }

  /// The placeholder that `text` is, or holds; nil when there is none.
  static func found(in text: String, isAnswer: Bool) -> String? {
    unsafe Words.bytes(of: text) { bytes in
      if bytes.count <= 64 {
        let folded = unsafe folded(bytes)
        if (isAnswer ? answers : questions).contains(folded) { return text }
      }
      if unsafe startsWithFiller(bytes) { return "lorem ipsum" }
      return unsafe templateName(bytes)
    }
  }

  private static func folded(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var folded: [UInt8] = []
    for index in bytes.indices {
      let byte = unsafe bytes[index]
      folded.append(byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte)
    }
    let outer: Set<UInt8> = [
      0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "`"), UInt8(ascii: "*"),
    ]
    while let last = folded.last, outer.contains(last) { folded.removeLast() }
    return Array(folded.drop { outer.contains($0) })
  }

  /// Filler text from its usual beginning.
  private static func startsWithFiller(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let filler = Array("lorem ipsum".utf8)
    var start = 0
    while start < bytes.count, unsafe bytes[start] <= 0x20 { start += 1 }
    guard start + filler.count <= bytes.count else { return false }
    for index in filler.indices where unsafe bytes[start + index] | 0x20 != filler[index] { return false }
    return true
  }

  /// A template's variable that nobody filled in: `{{name}}`. Code may well hold one, so texts with code are spared.
  private static func templateName(_ bytes: UnsafeRawBufferPointer) -> String? {
    guard unsafe variable(bytes) != nil, unsafe !holdsCode(bytes) else { return nil }
    return unsafe variable(bytes)
  }

  /// Fences, closing tags, template statements: signs of code.
  private static func holdsCode(_ bytes: UnsafeRawBufferPointer) -> Bool {
    for index in 0..<max(0, bytes.count - 1) {
      switch unsafe (bytes[index], bytes[index + 1]) {
      case (UInt8(ascii: "`"), UInt8(ascii: "`")), (UInt8(ascii: "<"), UInt8(ascii: "/")),
        (UInt8(ascii: "{"), UInt8(ascii: "%")):
        return true
      default: break
      }
    }
    return false
  }

  private static func variable(_ bytes: UnsafeRawBufferPointer) -> String? {
    var index = 0
    while let open = unsafe ByteSearch.find(UInt8(ascii: "{"), bytes, index..<bytes.count) {
      index = open + 1
      guard open + 1 < bytes.count, unsafe bytes[open + 1] == UInt8(ascii: "{") else { continue }
      var end = open + 2
      while end < bytes.count, end - open < 44, unsafe isNamePart(bytes[end]) { end += 1 }
      if end > open + 2, end + 1 < bytes.count, unsafe bytes[end] == UInt8(ascii: "}"),
        unsafe bytes[end + 1] == UInt8(ascii: "}")
      {
        return unsafe String(decoding: bytes[open..<end + 2], as: UTF8.self)
      }
    }
    return nil
  }

  private static func isNamePart(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x5F || byte == 0x2E || byte == 0x2D || (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10
  }
}

/// Texts without content.
enum Blank {
  /// Whether `text` is empty or only white space and invisible characters.
  static func isBlank(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy {
      $0.properties.isWhitespace || $0.value < 0x20 || ($0.value >= 0x200B && $0.value <= 0x200D) || $0.value == 0xFEFF
    }
  }
}

/// Spellings of control tokens of chat formats.
enum ControlTokens {
  private static let spelled: [[UInt8]] = [
    "</s>", "<s>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>",
    "<pad>",
    "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[SYSTEM_PROMPT]", "<begin_of_text>",
    "<end_of_text>",
  ].map { Array($0.utf8) }

  /// The first control token that `text` spells: a known one, or any `<|name|>` (also with full-width bars).
  static func first(in text: String) -> String? {
    unsafe Words.bytes(of: text) { bytes in
      var index = 0
      while index < bytes.count {
        let byte = unsafe bytes[index]
        if byte == UInt8(ascii: "<") || byte == UInt8(ascii: "["), let length = unsafe length(bytes, at: index) {
          return unsafe String(decoding: bytes[index..<index + length], as: UTF8.self)
        }
        index += 1
      }
      return nil
    }
  }

  private static func length(_ bytes: UnsafeRawBufferPointer, at start: Int) -> Int? {
    for token in spelled where unsafe has(bytes, token, at: start) { return token.count }
    for bar in [Array("|".utf8), Array("｜".utf8)] {
      let open = [UInt8(ascii: "<")] + bar
      guard unsafe has(bytes, open, at: start) else { continue }
      var end = start + open.count
      let limit = min(bytes.count, end + 48)
      while end < limit {
        if unsafe has(bytes, bar + [UInt8(ascii: ">")], at: end) {
          return end > start + open.count ? end + bar.count + 1 - start : nil
        }
        let byte = unsafe bytes[end]
        guard byte > 0x20, byte != UInt8(ascii: "<"), byte != UInt8(ascii: ">") else { break }
        end += 1
      }
    }
    return nil
  }

  private static func has(_ bytes: UnsafeRawBufferPointer, _ token: [UInt8], at start: Int) -> Bool {
    guard start + token.count <= bytes.count else { return false }
    for index in token.indices where unsafe bytes[start + index] != token[index] { return false }
    return true
  }
}
