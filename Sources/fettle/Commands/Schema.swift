import Basics
import Pipelines

extension Command {
  static let schema = Command(
    name: "schema", abstract: "Prints the pipeline file's JSON Schema, or its reference page", positionals: [],
    options: [.flag("markdown", "print the reference page instead")],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      if invocation.has("markdown") {
        var page = PipelineSchema.markdown()
        while page.hasSuffix("\n") { page.removeLast() }
        terminal.print(page)
      } else {
        terminal.print(PipelineSchema.jsonSchema())
      }
      return .done
    })
}
