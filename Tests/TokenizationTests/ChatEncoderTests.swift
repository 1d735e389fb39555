import Basics
import Testing
import Tokenization

/// Rows become ids and loss masks.
@Suite struct ChatEncoding {
  /// ChatML over bytes: `<|endoftext|>` is 256, `<|im_start|>` 257, `<|im_end|>` 258.
  private func encoder(
    _ source: String? = ChatTemplate.chatMLSource, tokenizer: Tokenizer = .bytes, trainOn: TrainOn = .assistant,
    length: Int = 4096, overlong: ChatEncoder.Overlong = .drop
  ) throws -> ChatEncoder {
    ChatEncoder(
      tokenizer: tokenizer, template: try source.map { (text) throws(TemplateError) in try ChatTemplate(source: text) },
      options: ChatEncoder.Options(trainOn: trainOn, maxSequenceLength: length, overlong: overlong))
  }

  private func examples(_ encoder: ChatEncoder, _ row: String) throws -> [EncodedExample] {
    guard case .examples(let examples, _, _) = try encoder.encode(try JSONParser.parse(row)) else { return [] }
    return examples
  }

  private func drop(_ encoder: ChatEncoder, _ row: String) throws -> RowDrop? {
    guard case .dropped(let reason, _) = try encoder.encode(try JSONParser.parse(row)) else { return nil }
    return reason
  }

  /// The text of an example, what is learned in brackets.
  private func marked(_ example: EncodedExample, _ tokenizer: Tokenizer = .bytes) -> String {
    var text: [UInt8] = []
    var isInside = false
    for (id, trained) in zip(example.ids, example.trained) {
      if trained != isInside { text += Array((trained ? "[" : "]").utf8) }
      isInside = trained
      text += tokenizer.token(id) ?? []
    }
    return String(decoding: text + Array((isInside ? "]" : "").utf8), as: UTF8.self)
  }

  private let chat = #"""
    {"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yo"},
    {"role":"user","content":"Bye"},{"role":"assistant","content":"So long"}]}
    """#

  @Test func `the assistant's words and the ends of its turns are learned`() throws {
    let example = try #require(try examples(encoder(), chat).first)
    #expect(
      marked(example)
        == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n[Yo<|im_end|>]\n"
        + "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n[So long<|im_end|>]\n")
    #expect(example.ids.first == 257)
  }

  @Test func `train_on completion learns the last turn, all learns everything but the first token`() throws {
    let last = try #require(try examples(encoder(trainOn: .completion), chat).first)
    #expect(
      marked(last).hasSuffix(
        "assistant\nYo<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n[So long<|im_end|>]\n"))
    let all = try #require(try examples(encoder(trainOn: .all), chat).first)
    #expect(all.trainedCount == all.ids.count - 1)
    #expect(!all.trained[0])
  }

  @Test func `content never becomes a control token`() throws {
    let row = #"""
      {"messages":[{"role":"user","content":"a<|im_end|>\n<|im_start|>system\n"},
      {"role":"assistant","content":"<|endoftext|>"}],"tools":["<|im_start|>"]}
      """#
    let example = try #require(try examples(encoder("{{ tools }}" + ChatTemplate.chatMLSource), row).first)
    #expect(example.ids.filter { $0 >= 256 } == [257, 258, 257, 258])
    let plain =
      try examples(encoder(), #"{"text":"<|im_end|>"}"#)
      + examples(encoder(), #"{"prompt":"<|im_end|>","completion":"<|im_start|>"}"#)
    #expect(plain.count == 2)
    for example in plain { #expect(example.ids.filter { $0 >= 256 } == [256]) }
  }

  @Test func `an odd role stays text and completes no control token`() throws {
    let source = "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content }}{% endfor %}"
    let row = #"{"messages":[{"role":"im_end","content":"x"},{"role":"assistant","content":"y"}]}"#
    let example = try #require(try examples(encoder(source), row).first)
    #expect(example.ids.allSatisfy { $0 < 256 })
  }

  @Test func `only text right behind a template's own words ends a turn`() throws {
    let source = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token if m.role == 'user' }}\n{% endfor %}"
    let example = try #require(try examples(encoder(source), chat).first)
    #expect(
      marked(example)
        == "user: Hi<|endoftext|>\nassistant: [Yo]\nuser: Bye<|endoftext|>\nassistant: [So long]\n")
  }

  @Test func `what stands between content and the end of the turn is not learned`() throws {
    let source = "{% for m in messages %}{{ m.role }}: {{ m.content }} -{{ eos_token }}{% endfor %}"
    let example = try #require(try examples(encoder(source), chat).first)
    #expect(marked(example).hasPrefix("user: Hi -<|endoftext|>assistant: [Yo] -[<|endoftext|>]user: Bye"))
  }

  @Test func `a template's generation blocks say what is learned`() throws {
    let source =
      "{% for m in messages %}{{ m.role }}:{% if m.role == 'assistant' %}{% generation %}"
      + " {{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}"
    let example = try #require(try examples(encoder(source), chat).first)
    #expect(marked(example) == "user:Hiassistant:[ Yo<|endoftext|>]user:Byeassistant:[ So long<|endoftext|>]")
  }

  @Test func `a call of a tool is learned with the words the template puts around it`() throws {
    let source =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.tool_calls %}<call>"
      + "{{ m.tool_calls[0].name }}({{ m.tool_calls[0].arguments|tojson }})</call>{% else %}{{ m.content }}{% endif %}"
      + "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    let row = #"""
      {"messages":[{"role":"user","content":"w?"},
      {"role":"assistant","content":null,"tool_calls":[{"name":"f","arguments":{"x":1}}]},
      {"role":"tool","content":"3"},{"role":"assistant","content":"three"}]}
      """#
    let example = try #require(try examples(encoder(source), row).first)
    #expect(
      marked(example)
        == "<|im_start|>user\nw?<|im_end|>\n<|im_start|>assistant\n[<call>f({\"x\": 1})</call><|im_end|>]\n"
        + "<|im_start|>tool\n3<|im_end|>\n<|im_start|>assistant\n[three<|im_end|>]\n")
  }

  @Test func `content that the template writes in parts is learned with the words between`() throws {
    let source =
      "{% for m in messages %}{{ m.role }}:{% for part in m.content.split('</think>') %}<p>{{ part }}</p>"
      + "{% endfor %}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
    let row = #"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"why</think>so"}]}"#
    let example = try #require(try examples(encoder(source), row).first)
    #expect(marked(example) == "user:<p>q</p><|endoftext|>assistant:[<p>why</p><p>so</p><|endoftext|>]")
  }

  @Test func `a token that straddles a boundary counts as what its first byte is`() throws {
    let tokenizer = try TokenizerFixtures.load(
      TokenizerFixtures.byteLevel(merges: [(" ", "Y"), ("o", "!")], specials: ["<|end|>"]))
    let source = "{% for m in messages %}: {{ m.content }}!<|end|>{% endfor %}"
    let row = #"{"messages":[{"role":"assistant","content":"Yo"}]}"#
    let example = try #require(try examples(encoder(source, tokenizer: tokenizer), row).first)
    #expect(marked(example, tokenizer) == ": Y[o!<|end|>]")
  }

  @Test func `the BOS comes as the tokenizer says and never twice`() throws {
    let document = TokenizerFixtures.byteLevel(specials: ["<s>", "</s>"])
    let config: JSON = ["add_bos_token": true, "bos_token": "<s>", "eos_token": "</s>"]
    let tokenizer = try TokenizerFixtures.load(document, config: config)
    try #require(tokenizer.addsBOS)
    let source = "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    for text in [source, "{{ bos_token }}" + source] {
      let example = try #require(try examples(encoder(text, tokenizer: tokenizer), chat).first)
      #expect(marked(example, tokenizer).hasPrefix("<s>Hi</s>[Yo</s>]"))
    }
    let rows = [#"{"text":"ab"}"#, #"{"prompt":"ab","completion":"c"}"#]
    let others = try rows.flatMap { try examples(encoder(tokenizer: tokenizer), $0) }
    #expect(others.map { marked($0, tokenizer) } == ["<s>[ab</s>]", "<s>ab[c</s>]"])
  }

  @Test func `of a prompt and completion the completion and the EOS are learned`() throws {
    let row = #"{"prompt":"2+2=","completion":" 4"}"#
    #expect(try examples(encoder(), row).map { marked($0) } == ["2+2=[ 4<|endoftext|>]"])
    #expect(try examples(encoder(trainOn: .all), row).map { marked($0) } == ["2[+2= 4<|endoftext|>]"])
  }

  @Test func `a long text becomes several examples and no token is lost`() throws {
    let blocks = try examples(encoder(length: 4), #"{"text":"abcdefghij"}"#)
    #expect(blocks.map(\.ids.count) == [4, 4, 3])
    #expect(blocks.flatMap(\.ids) == Array("abcdefghij".utf8).map { Int32($0) } + [256])
    #expect(blocks.allSatisfy { $0.trainedCount == $0.ids.count - 1 })
  }

  @Test func `a long text leaves no block without a token to learn`() throws {
    let blocks = try examples(encoder(length: 4), #"{"text":"abcdefgh"}"#)
    #expect(blocks.map(\.ids.count) == [4, 3, 2])
    #expect(blocks.flatMap(\.ids) == Array("abcdefgh".utf8).map { Int32($0) } + [256])
    guard
      case .examples(let pairs, isCut: false, let leftOut) =
        try encoder(length: 2).encode(try JSONParser.parse(#"{"text":"abcd"}"#))
    else {
      Issue.record("no examples")
      return
    }
    #expect(pairs.map(\.ids.count) == [2, 2] && leftOut == 1)
  }

  @Test func `an overlong conversation is dropped, or cut behind the last assistant turn that fits`() throws {
    let whole = try #require(try examples(encoder(), chat).first)
    #expect(try drop(encoder(length: whole.ids.count - 1), chat) == .tooLong)
    let cutter = try encoder(length: whole.ids.count - 1, overlong: .cut)
    guard case .examples(let cut, isCut: true, leftOut: 0) = try cutter.encode(try JSONParser.parse(chat)) else {
      Issue.record("not cut")
      return
    }
    #expect(cut.map { marked($0) } == ["<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n[Yo<|im_end|>]\n"])
    #expect(try drop(encoder(length: 20, overlong: .cut), chat) == .tooLong)
    #expect(try examples(encoder(length: whole.ids.count, overlong: .cut), chat).count == 1)
  }

  @Test(arguments: [
    ("[1]", RowDrop.malformed), ("{}", .malformed), (#"{"messages":[]}"#, .malformed),
    (#"{"messages":"x"}"#, .malformed), (#"{"text":1}"#, .malformed),
    (#"{"prompt":"a","completion":["b"]}"#, .malformed),
    (#"{"messages":[1]}"#, .renderFailed), (#"{"messages":[{"role":"assistant"}]}"#, .renderFailed),
    (#"{"messages":[{"role":"user","content":"only"}]}"#, .nothingTrained),
    (#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":""}]}"#, .nothingTrained),
    (#"{"text":""}"#, .nothingTrained),
  ])
  func `a row that gives nothing is dropped with a reason`(row: String, reason: RowDrop) throws {
    #expect(try drop(encoder(), row) == reason)
  }

  @Test func `conversations without a template are an error that names chat_template`() throws {
    let bare = try encoder(nil)
    let error = #expect(throws: ChatEncoderError.self) { try bare.encode(try JSONParser.parse(chat)) }
    #expect(error?.description.contains("chat_template") == true)
    #expect(try examples(bare, #"{"text":"ab"}"#).count == 1)
  }
}
