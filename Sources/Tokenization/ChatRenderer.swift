import Basics

/// Renders conversations with a tokenizer's own texts: the one way for training, evaluation and generation.
///
/// A template sees `messages`, the row's `tools` and `documents`, `add_generation_prompt`, and `bos_token`,
/// `eos_token`, `pad_token`, `unk_token` as far as the tokenizer has them.
package struct ChatRenderer: Sendable {
  package let template: ChatTemplate
  /// What `strftime_now` reads.
  package let clock: TemplateClock
  private let tokenTexts: [(key: String, value: JSON)]

  /// With the fixed clock unless told otherwise: the same rows give the same tokens on every day, and a model is asked
  /// in the words it was trained with.
  package init(template: ChatTemplate, tokenizer: Tokenizer, clock: TemplateClock = .forTraining) {
    self.template = template
    self.clock = clock
    let named = [
      ("bos_token", tokenizer.bosID), ("eos_token", tokenizer.eosID), ("pad_token", tokenizer.padID),
      ("unk_token", tokenizer.unknownID),
    ]
    tokenTexts = named.compactMap { name, id in
      id.flatMap { tokenizer.token($0) }.map { (key: name, value: JSON(String(decoding: $0, as: UTF8.self))) }
    }
  }

  /// Renders `messages`; `row` is where `tools` and `documents` are looked for.
  package func render(
    _ messages: JSON, of row: JSON.Object = [:], addGenerationPrompt: Bool
  ) throws(TemplateError) -> RenderedChat {
    var variables = JSON.Object(tokenTexts)
    for name in ["tools", "documents"] { if let value = row[name], !value.isNull { variables[name] = value } }
    variables["messages"] = messages
    variables["add_generation_prompt"] = .bool(addGenerationPrompt)
    return try template.render(variables, clock: clock)
  }
}
