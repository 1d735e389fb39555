import Basics
import Testing
import Tokenization

/// Every byte of a rendering knows who wrote it.
@Suite struct JinjaOrigins {
  private let messages: JSON = [
    ["role": "user", "content": " Héllo <|im_end|> "],
    ["role": "assistant", "content": "Fine, thanks", "reasoning_content": "hm"],
    ["role": "critic|>", "content": "x"],
  ]

  /// The rendering as `[origin:text]` pieces: `t` template, `g` generation, a number for a message, `d` other data.
  private func pieces(_ source: String, _ more: JSON.Object = [:]) throws -> String {
    var variables = more
    variables["messages"] = messages
    let rendered = try ChatTemplate(source: source).render(variables, clock: .forTraining)
    return rendered.spans.map { span in
      let who = span.message.map { String($0) } ?? (span.isTemplate ? "t" : "d")
      let text = String(decoding: rendered.text[span.start..<span.end], as: UTF8.self)
      return "[\(span.origin == .generation ? "g" + who : who):\(text)]"
    }.joined()
  }

  @Test(arguments: [
    ("<{{ messages[0].content }}>", "[t:<][0: Héllo <|im_end|> ][t:>]"),
    ("{{ '<' + messages[0].content|trim + '>' }}", "[t:<][0:Héllo <|im_end|>][t:>]"),
    ("{{ messages[0].content.strip()|upper ~ '!' }}", "[0:HÉLLO <|IM_END|>][t:!]"),
    ("{{ messages[0].content[1:6] }}|{{ messages[0]['content'][::-1]|trim }}", "[0:Héllo][t:|][0:>|dne_mi|< olléH]"),
    ("{{ messages[0].content.split('<|')[0] ~ '-' }}", "[0: Héllo ][t:-]"),
    ("{{ messages[0].content.replace('llo', 'y')|trim }}", "[0:Hé][t:y][0: <|im_end|>]"),
    ("{{ 'a-b'.replace('-', messages[1].content) }}", "[t:a][1:Fine, thanks][t:b]"),
    ("{{ messages|map(attribute='content')|join('+') }}", "[0: Héllo <|im_end|> ][t:+][1:Fine, thanks][t:+][2:x]"),
    ("{% set x = messages[1].content %}{% set y %}<{{ x }}>{% endset %}{{ y }}", "[t:<][1:Fine, thanks][t:>]"),
    ("{% macro m(c) %}({{ c }}){% endmacro %}{{ m(messages[1].content) }}", "[t:(][1:Fine, thanks][t:)]"),
    ("{% filter upper %}a{{ messages[2].content }}b{% endfilter %}", "[t:A][2:X][t:B]"),
    ("{{ '%s|%s' % (messages[2].content, 'y') }}", "[2:x][t:|y]"),
    ("{{ '{}:{}'.format('k', messages[2].content) }}", "[t:k:][2:x]"),
    ("{{ messages[2].content * 3 }}{{ messages[2].content|indent(2, true) }}", "[2:xxx][t:  ][2:x]"),
    ("{{ messages[1].content|tojson }}", #"[1:"Fine, thanks"]"#),
    ("{{ {'c': messages[2].content}|tojson }}", #"[t:{"c": ][2:"x"][t:}]"#),
    ("{{ messages[1]['reasoning_content'] }}{{ messages[1].thinking }}", "[1:hmhm]"),
    ("{% for k, v in messages[1].items() %}{{ k[0] }}{% endfor %}", "[1:trcr]"),
    ("{{ messages[0].content|length }}{{ loop is defined }}", "[t:18False]"),
    ("{{ messages[2].content|center(3) }}{{ messages[2].content.zfill(2) }}", "[t: ][2:x][t: 0][2:x]"),
  ])
  func `operations keep the origin of what they take`(source: String, expected: String) throws {
    #expect(try pieces(source) == expected)
  }

  @Test func `a known role is the template's, any other is text of the row`() throws {
    #expect(
      try pieces("{% for m in messages %}<|{{ m.role }}|>{% endfor %}")
        == "[t:<|user|><|assistant|><|][2:critic|>][t:|>]")
  }

  @Test func `a role can not complete a control token`() throws {
    let template = try ChatTemplate(source: "{{ '<|' + messages[0].role + '|>' }}")
    let rendered = try template.render(["messages": [["role": "endoftext", "content": ""]]])
    #expect(String(decoding: rendered.text, as: UTF8.self) == "<|endoftext|>")
    #expect(rendered.templateRanges == [0..<2, 11..<13])
  }

  @Test func `tools and other variables are foreign, the tokenizer's own tokens are not`() throws {
    let more: JSON.Object = ["tools": [["name": "<|im_end|>", "n": 1]], "extra": "e", "eos_token": "</s>"]
    #expect(
      try pieces("{{ tools[0].name }},{{ extra }},{{ eos_token }}{{ tools|tojson }}", more)
        == #"[d:<|im_end|>][t:,][d:e][t:,</s>][d:[{"name": "<|im_end|>", "n": 1}]]"#)
  }

  @Test func `generation blocks mark what is rendered inside`() throws {
    #expect(
      try pieces("a{% generation %}<{{ messages[2].content }}>{% endgeneration %}b") == "[t:a][gt:<][g2:x][gt:>][t:b]")
  }

  @Test func `spans come as JSON with byte offsets`() throws {
    let rendered = try ChatTemplate(source: "é{{ messages[2].content }}").render(["messages": messages])
    #expect(
      rendered.json.text()
        == #"{"text":"éx","spans":[{"start":0,"end":2,"origin":"template","message":null},"#
        + #"{"start":2,"end":3,"origin":"message","message":2}]}"#)
  }

  @Test func `members that are null are left out, reasoning has each of its names`() throws {
    let template = try ChatTemplate(
      source: "{{ messages[0].content is defined }} {{ messages[0].reasoning_content }} {{ messages[0].thinking }}")
    let row: JSON = [["role": "assistant", "content": nil, "reasoning": "r"]]
    #expect(String(decoding: try template.render(["messages": row]).text, as: UTF8.self) == "False r r")
  }

  @Test(arguments: [
    ("%Y-%m-%d", "2024-03-05"), ("%d %b %Y", "05 Mar 2024"), ("%B %d, %Y", "March 05, 2024"), ("%A %a", "Tuesday Tue"),
    ("%H:%M:%S %I %p", "14:07:09 02 PM"), ("%j %U %W %u %w", "065 09 10 2 2"), ("%e|%-d|%y|%%|%q", " 5|5|24|%|%q"),
  ])
  func `strftime_now writes the given moment`(format: String, expected: String) throws {
    let moment = TemplateClock.Moment(year: 2024, month: 3, day: 5, hour: 14, minute: 7, second: 9)
    let template = try ChatTemplate(source: "{{ strftime_now('\(format)') }}")
    #expect(String(decoding: try template.render([:], clock: .fixed(moment)).text, as: UTF8.self) == expected)
  }
}
