import Basics
import Corpus
import Testing

@Suite struct RowShapes {
  /// The canonical row of one record.
  private func row(_ record: JSON, _ options: JSON.Object = [:]) throws -> String? {
    let reading = try TestFolder().read(record.text() + "\n", as: "a.jsonl", options)
    #expect(reading.rejects.map(\.detail) == [])
    return reading.texts.first
  }

  private func reason(_ record: JSON, _ options: JSON.Object = [:]) throws -> String? {
    let reading = try TestFolder().read(record.text() + "\n", as: "a.jsonl", options)
    #expect(reading.rows.isEmpty)
    return reading.reasons.first
  }

  private static let simple =
    #"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#

  @Test(
    arguments: [
      ["instruction": "q", "input": "", "output": "a"],
      ["instruction": "q", "output": "a", "id": 7, "source": "x"],
      ["instruction": "q", "input": nil, "response": "a"],
      ["conversations": [["from": "human", "value": "q"], ["from": "gpt", "value": "a"]], "id": "x"],
      ["messages": [["role": "user", "content": "q"], ["role": "assistant", "content": "a"]]],
      [
        "messages": [
          ["content": [["type": "text", "text": "q"]], "role": "user"], ["role": "assistant", "content": "a"],
        ]
      ],
      ["question": "q", "answer": "a"],
      ["query": "q", "response": "a"],
      ["input": "q", "output": "a"],
      ["prompt": [["role": "user", "content": "q"]], "completion": [["role": "assistant", "content": "a"]]],
      ["instruction": "q", "output": "a", "history": "", "system": ""],
    ] as [JSON])
  func `a question with its answer becomes a chat whatever its fields are called`(record: JSON) throws {
    #expect(try row(record) == RowShapes.simple)
  }

  @Test func `an instruction joins its input, system and history`() throws {
    let record: JSON = [
      "instruction": "i", "input": "in", "output": "o", "system": "s", "history": [["q1", "a1"]],
    ]
    let messages = try JSONParser.parse(try #require(try row(record)))["messages"]?.array ?? []
    #expect(messages.map { $0["role"]?.string } == ["system", "user", "assistant", "user", "assistant"])
    #expect(messages.map { $0["content"]?.string } == ["s", "q1", "a1", "i\n\nin", "o"])
  }

  @Test func `ShareGPT's tool turns become calls, results and tools`() throws {
    let record: JSON = [
      "conversations": [
        ["from": "human", "value": "q"], ["from": "function_call", "value": #"{"name":"f","arguments":{"x":1}}"#],
        ["from": "observation", "value": "r"], ["from": "gpt", "value": "a"],
      ],
      "tools": #"[{"name":"f"}]"#,
    ]
    #expect(
      try row(record)
        == #"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"","tool_calls":"#
        + #"[{"type":"function","function":{"name":"f","arguments":{"x":1}}}]},{"role":"tool","content":"r"},"#
        + #"{"role":"assistant","content":"a"}],"tools":[{"name":"f"}]}"#)
  }

  @Test func `OpenAI's tool calls keep their identifiers, and null content is empty`() throws {
    let text =
      #"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":"#
      + #"[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},"#
      + #"{"role":"tool","content":"r","tool_call_id":"1"},{"role":"assistant","content":"a"}],"tools":[]}"#
    let wanted = text.replacing("\"content\":null", with: "\"content\":\"\"").replacing(",\"tools\":[]", with: "")
    let given = try row(try JSONParser.parse(text))
    #expect(given == wanted)
  }

  @Test(arguments: ["completion", "response", "output"])
  func `prompt and completion stay raw text`(key: String) throws {
    let record = JSON.object(["prompt": "p ", .init(key): " c", "meta": ["x": 1]])
    #expect(try row(record) == #"{"prompt":"p ","completion":" c"}"#)
  }

  @Test func `a seed task gives one row for each instance`() throws {
    let record: JSON = [
      "instruction": "i", "instances": [["input": "", "output": "a"], ["input": "x", "output": "b"]],
    ]
    let reading = try TestFolder().read(record.text(), as: "a.jsonl")
    #expect(reading.rows.map { $0.texts } == [["i", "a"], ["i\n\nx", "b"]])
    #expect(reading.rows.map(\.place.part) == [1, 2])
  }

  @Test func `a conversation tree gives its best-ranked branch up to the last answer`() throws {
    func reply(_ role: String, _ text: String, _ rank: JSON, _ replies: JSON) -> JSON {
      ["role": .string(role), "text": .string(text), "rank": rank, "replies": replies]
    }
    let record: JSON = [
      "prompt": reply(
        "prompter", "q", nil,
        [
          reply("assistant", "worse", 1, []),
          reply("assistant", "better", 0, [reply("prompter", "and?", nil, [])]),
        ])
    ]
    #expect(try row(record)?.contains(#""content":"better"}]"#) == true)
  }

  @Test func `an unknown shape is refused with the keys found`() throws {
    let reading = try TestFolder().read(#"{"title":"x","body":"y"}"#, as: "a.jsonl")
    #expect(reading.reasons == ["unknown_shape"])
    #expect(reading.rejects[0].detail.contains("'title', 'body'"))
  }

  @Test(
    arguments: [
      (["prompt": 1, "completion": "c"], "wrong_type"),
      (["messages": []], "empty_record"),
      (["messages": [["role": "wizard", "content": "x"]]], "unknown_role"),
      (["messages": [["role": "user", "content": [["type": "image_url", "image_url": "x"]]]]], "unsupported_part"),
      (["messages": [["role": "user"]]], "missing_field"),
      (["chosen": "a", "rejected": "b"], "preference_pair"),
      (["text": nil], "wrong_type"),
      ([1, 2], "not_an_object"),
    ] as [(JSON, String)])
  func `a record that can not be a row is refused with its reason`(record: JSON, wanted: String) throws {
    #expect(try reason(record) == wanted)
  }

  @Test func `fields map odd names`() throws {
    #expect(
      try row(["q": "p", "a": "c"], ["fields": ["prompt": "q", "completion": "a"]])
        == #"{"prompt":"p","completion":"c"}"#)
    #expect(try row(["q": "q", "a": "a"], ["fields": ["user": "q", "assistant": "a"]]) == RowShapes.simple)
    #expect(try row(["chosen": "x", "rejected": "y"], ["fields": ["text": "chosen"]]) == #"{"text":"x"}"#)
    let dialog: JSON = ["dialog": [["who": "client", "says": "q"], ["who": "agent", "says": "a"]]]
    #expect(
      try row(
        dialog,
        [
          "fields": [
            "messages": "dialog", "role": "who", "content": "says", "roles": ["client": "user", "agent": "assistant"],
          ]
        ]) == RowShapes.simple)
    #expect(try reason(["q": "p"], ["fields": ["prompt": "q", "completion": "a"]]) == "missing_field")
  }

  @Test(
    arguments: [
      ["text": "a", "prompt": "b", "completion": "c"], ["prompt": "a"], ["user": "a"], ["pormpt": "a"], [:],
      ["messages": "m", "roles": ["x": "wizard"]],
    ] as [JSON])
  func `a mapping that makes no sense is an error`(fields: JSON) throws {
    let error = #expect(throws: CorpusError.self) { try SourceSpec(["path": "a", "fields": fields], at: "sources[0]") }
    #expect(error?.kind == .option)
  }
}

@Suite(.enabled(if: testData != nil, "FETTLE_TEST_DATA is not set")) struct RealDataSets {
  private func read(_ name: String, _ options: JSON.Object = [:]) throws -> TestFolder.Reading {
    var source = options
    source["path"] = .string(try #require(testData).appending(name).display)
    return try TestFolder().read(.object(source))
  }

  @Test(arguments: [
    ("instruct/alpaca_data.json", 52_002), ("instruct/alpaca_seed_tasks.jsonl", 175),
    ("instruct/belle_zh_seed_tasks.jsonl", 175), ("instruct/dolly_hhrlhf_train_small.jsonl", 1000),
    ("instruct/fastchat_dummy_conversation.json", 500), ("instruct/llamafactory_alpaca_en_demo.json", 999),
    ("instruct/llamafactory_alpaca_zh_demo.json", 1000), ("instruct/llamafactory_glaive_toolcall_en_demo.json", 300),
    ("instruct/llamafactory_identity.json", 91), ("instruct/llamafactory_v1_sft_demo.jsonl", 500),
    ("instruct/oasst_en_100_tree.jsonl", 100), ("instruct/zh-alpaca-carbonz0-part-00.json", 10_021),
    ("instruct/zh-hikariming-extra/*.json", 10_282), ("preference/llamafactory_kto_en_demo.json", 300),
    ("text/llamafactory_c4_demo.jsonl", 300), ("eval/gsm8k_train.jsonl", 7473),
  ])
  func `every row of the published sets is recognised`(name: String, count: Int) throws {
    let reading = try read(name)
    #expect(reading.rejects.map(\.detail) == [])
    #expect(reading.rows.count == count)
  }

  @Test func `packed preference pairs are read and refused by shape, or mapped`() throws {
    let name = "preference/hh_rlhf_harmless_base_test.jsonl.gz"
    let reading = try read(name)
    #expect(reading.rejects.count == 2312)
    #expect(Set(reading.reasons) == ["preference_pair"])
    #expect(try read(name, ["fields": ["text": "chosen"]]).rows.count == 2312)
  }

  @Test func `MMLU's and CMMLU's tables are read whole`() throws {
    #expect(try read("eval/mmlu/dev/*.csv").rejects.isEmpty)
    #expect(try read("eval/cmmlu/dev/*.csv").rejects.isEmpty)
    #expect(try read("eval/mmlu/dev/*.csv").rows.count == 57 * 5)
  }
}
