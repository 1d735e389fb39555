import Basics
import Models
import Pipelines
import Stages

extension Command {
  static let models = Command(
    name: "models", abstract: "Fetches a model, or says what it is: its files, shape and tokenizer",
    positionals: ["path|show", "MODEL"], options: [],
    run: { invocation throws in
      let terminal = Terminal(invocation)
      let root = try Project(invocation).root
      let reference = invocation.positionals[1]
      switch invocation.positionals[0] {
      case "path":
        guard let path = try ModelReference.parse(reference).resolve(cache: ModelCache.folder, root: root) else {
          throw UsageError("a preset has no files", value: reference)
        }
        terminal.wantsJSON ? terminal.print(["path": .string(path.display)]) : terminal.print(path.display)
      case "show":
        let model = try OpenedModel(reference, root: root)
        terminal.print([
          "config": model.files.config.configJSON(dtype: "float32"),
          "parameters": JSON(model.files.config.parameterCount),
          "vocabulary": model.tokenizer.map { JSON($0.vocabularySize) } ?? .null,
          "chat_template": model.files.chatTemplate.map { .string($0) } ?? .null,
          "files": .array(model.files.contentFiles.map { .string($0.display) }),
          "notes": .array(model.files.notes.map { .string($0) }),
        ])
      case let other: throw UsageError("unknown act of fettle models", value: other, remedy: "use path or show")
      }
      return .done
    })
}
