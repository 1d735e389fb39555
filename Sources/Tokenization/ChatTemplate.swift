import Basics

/// A chat template in the Jinja language, as tokenizers carry it.
///
/// Rendering follows transformers' `apply_chat_template`: members of a message that are null are left out, reasoning is
/// found under each of its names, `tools` and `documents` are none and `add_generation_prompt` false unless given.
///
/// Origins: every value of `messages[i]` is from message `i`, its role only if it is none of the known roles, since a
/// role in the row must not complete a control token that the template begins. Every other variable counts as foreign
/// text too, except the tokenizer's own `…_token` texts.
package struct ChatTemplate: Sendable {
  /// The template's text.
  package let source: String
  private let template: JinjaTemplate

  package init(source: String) throws(TemplateError) {
    self.source = source
    template = try JinjaParser.parse(Array(source.utf8))
  }

  /// The built-in template of the name `chatml`: `<|im_start|>role`, content, `<|im_end|>`.
  package static func chatML() throws(TemplateError) -> ChatTemplate { try ChatTemplate(source: chatMLSource) }

  /// ChatML as Qwen and SmolLM2 write it, without a default system message.
  package static let chatMLSource =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    + "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

  /// Renders `variables`: `messages`, `tools`, `documents`, `add_generation_prompt`, `bos_token`, `eos_token` and
  /// whatever else the template reads.
  package func render(_ variables: JSON.Object, clock: TemplateClock = .system) throws(TemplateError) -> RenderedChat {
    let dict: JinjaDict
    do {
      dict = try ChatVariables.values(of: variables)
    } catch {
      throw TemplateError(error.what, line: 1)
    }
    return RenderedChat(try JinjaRenderer.render(template, dict, clock: clock))
  }
}
