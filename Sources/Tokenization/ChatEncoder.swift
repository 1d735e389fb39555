import Basics

/// Rows cannot be encoded at all with these settings.
package struct ChatEncoderError: FettleError {
  package let problem: Problem
  package init(_ problem: Problem) { self.problem = problem }
}

/// Turns canonical rows into examples: ids, and which of them are learned.
///
/// Rows are `{"messages":[…],"tools"?}`, `{"prompt","completion"}` or `{"text"}`.
/// - A conversation is rendered and encoded as one text. Control tokens are recognised only in what the template
///   wrote, so content never becomes one.
/// - Prompt and completion are encoded as one text, the EOS behind it; the completion and the EOS are learned.
/// - A text and the EOS behind it are learned whole; a text longer than `max_seq_length` becomes several examples, cut
///   between tokens, none lost and none of a single token, of which nothing could be learned. Only with a
///   `max_seq_length` of 2 can a last token be left over; it is left out.
///
/// The BOS comes first where the tokenizer says so, and never twice. A row may give several examples or none.
package final class ChatEncoder: Sendable {
  /// What happens with a conversation of more than `maxSequenceLength` tokens.
  package enum Overlong: String, Sendable, CaseIterable {
    /// The row is dropped.
    case drop
    /// Whole last turns are left out until it fits and ends in an assistant turn; else it is dropped.
    case cut
  }

  package struct Options: Sendable {
    package var trainOn: TrainOn
    package var maxSequenceLength: Int
    package var overlong: Overlong
    /// What `strftime_now` reads; fixed, so that the same rows give the same tokens on every day.
    package var clock: TemplateClock

    package init(
      trainOn: TrainOn = .assistant, maxSequenceLength: Int, overlong: Overlong = .drop,
      clock: TemplateClock = .forTraining
    ) {
      self.trainOn = trainOn
      self.maxSequenceLength = max(1, maxSequenceLength)
      self.overlong = overlong
      self.clock = clock
    }
  }

  package let tokenizer: Tokenizer
  package let template: ChatTemplate?
  package let options: Options
  private let renderer: ChatRenderer?

  package init(tokenizer: Tokenizer, template: ChatTemplate?, options: Options) {
    self.tokenizer = tokenizer
    self.template = template
    self.options = options
    renderer = template.map { ChatRenderer(template: $0, tokenizer: tokenizer, clock: options.clock) }
  }

  /// Encodes one row; what is wrong with the row itself drops it with a reason.
  package func encode(_ row: JSON) throws(ChatEncoderError) -> EncodedRow {
    guard let object = row.object else { return .dropped(.malformed, detail: "the row is \(row.kindName)") }
    do {
      if let messages = object["messages"] { return try conversation(messages, of: object) }
      if let prompt = object["prompt"], let completion = object["completion"] {
        guard let prompt = prompt.string, let completion = completion.string else {
          return .dropped(.malformed, detail: "'prompt' and 'completion' must be strings")
        }
        return try pair(prompt, completion)
      }
      if let text = object["text"] {
        guard let text = text.string else { return .dropped(.malformed, detail: "'text' is \(text.kindName)") }
        return try plain(text)
      }
    } catch let error as ChatEncoderError {
      throw error
    } catch {
      return .dropped(.malformed, detail: problem(of: error).description)
    }
    return .dropped(.malformed, detail: "the row has neither messages, prompt and completion, nor text")
  }

  // MARK: Conversations

  /// Renders a conversation as training sees it.
  package func render(_ messages: JSON, of row: JSON.Object, addGenerationPrompt: Bool = false)
    throws(TemplateError) -> RenderedChat?
  {
    try renderer?.render(messages, of: row, addGenerationPrompt: addGenerationPrompt)
  }

  private func conversation(_ messages: JSON, of row: JSON.Object) throws -> EncodedRow {
    guard template != nil else {
      throw ChatEncoderError(
        Problem(
          "rows with messages need a chat template, and the tokenizer has none", at: "chat_template",
          remedy: "set chat_template: chatml, a path, or a model that has one"))
    }
    guard let list = messages.array, !list.isEmpty else {
      return .dropped(.malformed, detail: "'messages' must be a list of at least one message")
    }
    let whole: (example: EncodedExample, lastTokens: [Int: Int])
    do {
      whole = try encoded(list, of: row)
    } catch let error as TemplateError {
      return .dropped(.renderFailed, detail: error.description)
    }
    if whole.example.ids.count <= options.maxSequenceLength { return judged([whole.example], isCut: false) }
    let limit = options.maxSequenceLength
    let tooLong = EncodedRow.dropped(
      .tooLong, detail: "\(whole.example.ids.count) tokens, max_seq_length is \(limit)")
    guard options.overlong == .cut else { return tooLong }
    for count in list.indices.reversed() where count > 0 && isAssistant(list[count - 1]) {
      if let last = whole.lastTokens[count - 1], last >= limit { continue }
      guard let part = try? encoded(Array(list[..<count]), of: row), part.example.ids.count <= limit else { continue }
      return judged([part.example], isCut: true)
    }
    return tooLong
  }

  private func isAssistant(_ message: JSON) -> Bool {
    guard let role = message["role"]?.string else { return false }
    return role == "assistant" || role == "model"
  }

  /// A conversation's example, and by message the index of the last token of its content.
  private func encoded(_ messages: [JSON], of row: JSON.Object) throws -> (
    example: EncodedExample, lastTokens: [Int: Int]
  ) {
    guard let rendered = try render(.array(messages), of: row) else {
      return (EncodedExample(ids: [], trained: []), [:])
    }
    let tokens = try tokenizer.encode(rendered.text, specials: .within(rendered.templateRanges), bos: false)
    let trained: [Bool]
    switch options.trainOn {
    case .all: trained = Array(repeating: true, count: tokens.count)
    case .assistant, .completion:
      let turns = try turns(messages, rendered, of: row)
      trained = LossMask(rendered: rendered, tokens: tokens, tokenizer: tokenizer).trained(
        turns, onlyLast: options.trainOn == .completion)
    }
    return (framed(tokens.map(\.id), trained, endsWithEOS: false), lastTokens(rendered, tokens))
  }

  private func turns(_ messages: [JSON], _ rendered: RenderedChat, of row: JSON.Object) throws -> [LossMask.Turn] {
    var turns: [LossMask.Turn] = []
    for (index, message) in messages.enumerated() where isAssistant(message) {
      let hasParts = ["tool_calls", "reasoning_content", "reasoning", "thinking"].contains { name in
        switch message[name] {
        case .array(let calls)?: !calls.isEmpty
        case .string(let text)?: !text.isEmpty
        default: false
        }
      }
      let isStructured = hasParts || rendered.spans.count { $0.message == index } > 1
      var turn = LossMask.Turn(message: index, isStructured: isStructured, start: nil)
      if isStructured, index > 0 {
        let before = try? render(.array(Array(messages[..<index])), of: row, addGenerationPrompt: true)
        if let before, rendered.text.starts(with: before.text) { turn.start = before.text.count }
      }
      turns.append(turn)
    }
    return turns
  }

  private func lastTokens(_ rendered: RenderedChat, _ tokens: [Token]) -> [Int: Int] {
    guard options.overlong == .cut, tokens.count > options.maxSequenceLength else { return [:] }
    var result: [Int: Int] = [:]
    var index = 0
    for span in rendered.spans {
      while index + 1 < tokens.count, tokens[index].end < span.end { index += 1 }
      if let message = span.message { result[message] = index }
    }
    return result
  }

  // MARK: Other rows

  private func pair(_ prompt: String, _ completion: String) throws -> EncodedRow {
    let text = Array(prompt.utf8) + Array(completion.utf8)
    let border = prompt.utf8.count
    let tokens = try tokenizer.encode(text, specials: .text, bos: false)
    let trained = tokens.map { options.trainOn == .all || $0.start >= border && $0.start < $0.end }
    let example = framed(tokens.map(\.id), trained, endsWithEOS: true)
    guard example.ids.count <= options.maxSequenceLength else {
      return .dropped(.tooLong, detail: "\(example.ids.count) tokens, max_seq_length is \(options.maxSequenceLength)")
    }
    return judged([example], isCut: false)
  }

  private func plain(_ text: String) throws -> EncodedRow {
    let ids = try tokenizer.encodeIDs(Array(text.utf8), specials: .text, bos: false)
    guard !ids.isEmpty else { return .dropped(.nothingTrained, detail: "the text is empty") }
    let whole = framed(ids, Array(repeating: true, count: ids.count), endsWithEOS: true)
    let blocks = ChatEncoder.blocks(of: whole.ids.count, size: options.maxSequenceLength).map { range in
      EncodedExample(ids: Array(whole.ids[range]), trained: Array(whole.trained[range]))
    }
    return judged(blocks, isCut: false)
  }

  /// Blocks of at most `size` tokens: the last but one gives up a token where the last would have only one.
  private static func blocks(of count: Int, size: Int) -> [Range<Int>] {
    var starts = Array(stride(from: 0, to: count, by: size))
    if size > 2, starts.count > 1, starts[starts.count - 1] == count - 1 { starts[starts.count - 1] -= 1 }
    return zip(starts, starts.dropFirst() + [count]).map { $0..<$1 }
  }

  /// With the BOS before and the EOS behind, where they belong and are not there yet.
  private func framed(_ ids: [Int32], _ trained: [Bool], endsWithEOS: Bool) -> EncodedExample {
    var (ids, trained) = (ids, trained)
    if tokenizer.addsBOS, let bos = tokenizer.bosID, ids.first != bos {
      ids.insert(bos, at: 0)
      trained.insert(false, at: 0)
    }
    if endsWithEOS, let eos = tokenizer.eosID {
      ids.append(eos)
      trained.append(true)
    }
    return EncodedExample(ids: ids, trained: trained)
  }

  /// Leaves out examples of which nothing would be learned: no training could use them.
  private func judged(_ examples: [EncodedExample], isCut: Bool) -> EncodedRow {
    let kept = examples.filter { $0.trainedCount > 0 }
    guard !kept.isEmpty else {
      return .dropped(.nothingTrained, detail: "no token of the row is to be learned")
    }
    return .examples(kept, isCut: isCut, leftOut: examples.count - kept.count)
  }
}
