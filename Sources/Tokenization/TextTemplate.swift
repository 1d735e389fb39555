import Basics

/// A Jinja template for plain text, as task files have them: a name that is not there is an error, not an empty text.
package struct TextTemplate: Sendable {
  private let template: JinjaTemplate

  package init(source: String) throws(TemplateError) {
    template = try JinjaParser.parse(Array(source.utf8))
  }

  /// The text with `variables` put in.
  package func render(_ variables: JSON.Object) throws(TemplateError) -> [UInt8] {
    let dict = JinjaDict()
    do {
      for (name, value) in variables.members {
        try dict.set(.text(JinjaText(name)), try ChatVariables.value(of: value, .data))
      }
    } catch {
      throw TemplateError(error.what, line: 1)
    }
    return try JinjaRenderer.render(template, dict, clock: .forTraining, isStrict: true).bytes
  }
}
